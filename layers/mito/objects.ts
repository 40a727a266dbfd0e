import { NullarySignal, Signal } from "neuroglancer/unstable/util/signal.js";
import { ObjectTable } from "../../src/morphology/object_table.js";
import type { ObjectRows } from "../../src/morphology/object_types.js";
import type { ComputedObjects, ObjectIdChange } from "./base.js";

/** Listeners of the table are told at most this often, ms. */
const INTERVAL = 250;
/** Ids of before that are remembered. */
const KEPT = 200_000;

/** The whole objects of one source, as the chunk worker tells of them. */
export class ObjectStore implements ComputedObjects {
  readonly changed = new NullarySignal();
  readonly idsChanged = new Signal<(change: ObjectIdChange) => void>();
  readonly table = new ObjectTable();
  /** Id of before -> the id that came after it, the latest at the end. */
  private readonly later = new Map<number, number>();
  private readonly linked = new Map<number, number>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly kept = KEPT) {}

  get links(): ReadonlyMap<number, number> {
    return this.linked;
  }

  current(id: bigint): bigint | undefined {
    let at = Number(id);
    // Renamed in a circle, as when two objects change ids, it would go on for ever.
    for (let step = 0; step < 64; step++) {
      if (this.table.indexOf(at) !== -1) return BigInt(at);
      const next = this.later.get(at);
      if (next === undefined) return undefined;
      at = next;
    }
    return undefined;
  }

  applyRows(rows: ObjectRows): void {
    this.table.apply(rows);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.changed.dispatch();
    }, INTERVAL);
  }

  applyIds(change: ObjectIdChange): void {
    const { renamed, linked, unlinked } = change;
    for (let i = 0; i < renamed.length; i += 2) {
      this.later.delete(renamed[i]);
      this.later.set(renamed[i], renamed[i + 1]);
    }
    for (const oldest of this.later.keys()) {
      if (this.later.size <= this.kept) break;
      this.later.delete(oldest);
    }
    for (const from of unlinked) this.linked.delete(from);
    for (let i = 0; i < linked.length; i += 2) this.linked.set(linked[i], linked[i + 1]);
    this.idsChanged.dispatch(change);
  }

  /** The chunk worker's side is gone, and with it all that it knew. */
  clear(): void {
    const unlinked = Float64Array.from(this.linked.keys());
    const none = new Float64Array(0);
    if (unlinked.length > 0) this.applyIds({ renamed: none, linked: none, unlinked });
    const gone = Float64Array.from({ length: this.table.size }, (_, row) => this.table.id(row));
    if (gone.length > 0) this.applyRows({ ids: none, values: none, flags: new Uint8Array(0), gone });
    this.later.clear();
  }
}
