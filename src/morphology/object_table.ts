import { OBJECT_COLUMN_IDS, type ObjectColumnId, type ObjectRows } from "./object_types.js";

const WIDTH = OBJECT_COLUMN_IDS.length;
const COLUMN = Object.fromEntries(OBJECT_COLUMN_IDS.map((id, at) => [id, at])) as Record<
  ObjectColumnId,
  number
>;

export type ObjectSnapshot = Omit<ObjectRows, "gone">;

/** The objects of one source as columns in one array: 300 bytes an object, rows found by id. */
export class ObjectTable {
  private values = new Float64Array(0);
  private flagsOf = new Uint8Array(0);
  private idsOf = new Float64Array(0);
  private rows = 0;
  private readonly rowOf = new Map<number, number>();
  /** Grows with every change. */
  version = 0;

  get size(): number {
    return this.rows;
  }

  /** Takes new and changed rows; those of ids that are gone go. */
  apply({ ids, values, flags, gone }: ObjectRows): void {
    if (values.length !== ids.length * WIDTH || flags.length !== ids.length)
      throw new RangeError(`${ids.length} objects need ${ids.length * WIDTH} values, not ${values.length}`);
    for (const id of gone) this.remove(id);
    for (let i = 0; i < ids.length; ++i) {
      const row = this.rowFor(ids[i]);
      this.values.set(values.subarray(i * WIDTH, (i + 1) * WIDTH), row * WIDTH);
      this.flagsOf[row] = flags[i];
    }
    ++this.version;
  }

  /** Position of an object, which holds until the next `apply`; -1 when it is not there. */
  indexOf(id: number): number {
    return this.rowOf.get(id) ?? -1;
  }

  id(row: number): number {
    return this.idsOf[row];
  }

  flags(row: number): number {
    return this.flagsOf[row];
  }

  /** NaN where it is not measured. */
  value(row: number, column: ObjectColumnId): number {
    return this.values[row * WIDTH + COLUMN[column]];
  }

  /** A copy of one column, in the order of the rows. */
  column(column: ObjectColumnId): Float64Array<ArrayBuffer> {
    const copy = new Float64Array(this.rows);
    for (let row = 0, at = COLUMN[column]; row < copy.length; ++row, at += WIDTH) copy[row] = this.values[at];
    return copy;
  }

  /** A copy of the ids, in the order of the rows. */
  ids(): Float64Array<ArrayBuffer> {
    return this.idsOf.slice(0, this.rows);
  }

  /** A copy of everything in the order of the rows, which no later change touches: `OBJECT_COLUMN_IDS.length` values a row. */
  snapshot(): ObjectSnapshot {
    return {
      ids: this.ids(),
      flags: this.flagsOf.slice(0, this.rows),
      values: this.values.slice(0, this.rows * WIDTH),
    };
  }

  private rowFor(id: number): number {
    const known = this.rowOf.get(id);
    if (known !== undefined) return known;
    if (this.rows === this.idsOf.length) this.grow();
    this.idsOf[this.rows] = id;
    this.rowOf.set(id, this.rows);
    return this.rows++;
  }

  /** The last row takes the place of the one that goes. */
  private remove(id: number): void {
    const row = this.rowOf.get(id);
    if (row === undefined) return;
    const last = --this.rows;
    this.rowOf.delete(id);
    if (row === last) return;
    this.values.copyWithin(row * WIDTH, last * WIDTH, (last + 1) * WIDTH);
    this.flagsOf[row] = this.flagsOf[last];
    this.idsOf[row] = this.idsOf[last];
    this.rowOf.set(this.idsOf[row], row);
  }

  private grow(): void {
    const rows = Math.max(64, this.idsOf.length * 2);
    const values = new Float64Array(rows * WIDTH);
    values.set(this.values);
    this.values = values;
    const flags = new Uint8Array(rows);
    flags.set(this.flagsOf);
    this.flagsOf = flags;
    const ids = new Float64Array(rows);
    ids.set(this.idsOf);
    this.idsOf = ids;
  }
}
