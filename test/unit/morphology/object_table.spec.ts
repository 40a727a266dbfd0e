import { describe, expect, it } from "vitest";
import { ObjectTable } from "../../../src/morphology/object_table.js";
import { OBJECT_COLUMN_IDS, type ObjectColumnId } from "../../../src/morphology/object_types.js";

const WIDTH = OBJECT_COLUMN_IDS.length;

function rows(entries: readonly (readonly [id: number, first: number])[], gone: readonly number[] = []) {
  const values = new Float64Array(entries.length * WIDTH).fill(Number.NaN);
  for (const [row, [, first]] of entries.entries()) {
    values[row * WIDTH] = first;
    values[row * WIDTH + WIDTH - 1] = -first;
  }
  return {
    ids: Float64Array.from(entries, ([id]) => id),
    values,
    flags: Uint8Array.from(entries, ([id]) => id % 8),
    gone: Float64Array.from(gone),
  };
}

describe("ObjectTable", () => {
  it("takes new rows, changed ones, and gives up those that are gone", () => {
    const table = new ObjectTable();
    table.apply(
      rows([
        [7, 1],
        [9, 2],
        [12, 3],
      ]),
    );
    table.apply(
      rows(
        [
          [9, 20],
          [4, 4],
        ],
        [7, 1000],
      ),
    );
    expect(table.size).toBe(3);
    expect(table.version).toBe(2);
    expect(table.indexOf(7)).toBe(-1);
    const [first, last] = [OBJECT_COLUMN_IDS[0], OBJECT_COLUMN_IDS[WIDTH - 1]];
    for (const [id, value] of [
      [9, 20],
      [12, 3],
      [4, 4],
    ]) {
      const row = table.indexOf(id);
      expect(table.id(row)).toBe(id);
      expect(table.flags(row)).toBe(id % 8);
      expect(table.value(row, first)).toBe(value);
      expect(table.value(row, last)).toBe(-value);
    }
  });

  it("gives columns and ids in the order of the rows, as copies", () => {
    const table = new ObjectTable();
    table.apply(
      rows(
        [
          [3, 30],
          [1, 10],
          [2, 20],
        ],
        [],
      ),
    );
    table.apply(rows([], [3]));
    const column: ObjectColumnId = OBJECT_COLUMN_IDS[0];
    expect([...table.column(column)]).toEqual([...table.ids()].map((id) => id * 10));
    table.ids()[0] = 99;
    expect(table.indexOf(99)).toBe(-1);
  });

  it("equals a map of objects after a long random history", () => {
    const table = new ObjectTable();
    const expected = new Map<number, number>();
    let seed = 1;
    const random = (below: number) => {
      seed = (seed * 48271) % 2147483647;
      return seed % below;
    };
    for (let step = 0; step < 300; ++step) {
      const gone = Array.from({ length: random(4) }, () => random(200));
      const changed = new Map(Array.from({ length: random(9) }, () => [random(200), random(1e6)]));
      table.apply(rows([...changed], gone));
      for (const id of gone) expected.delete(id);
      for (const [id, value] of changed) expected.set(id, value);
    }
    const ids = [...table.ids()];
    expect(new Set(ids)).toEqual(new Set(expected.keys()));
    const values = table.column(OBJECT_COLUMN_IDS[0]);
    for (const [row, id] of ids.entries()) expect(values[row]).toBe(expected.get(id));
  });

  it("refuses values that do not fit the ids", () => {
    const table = new ObjectTable();
    expect(() => table.apply({ ...rows([[1, 1]]), values: new Float64Array(3) })).toThrow(RangeError);
    expect(() => table.apply({ ...rows([[1, 1]]), flags: new Uint8Array(2) })).toThrow(RangeError);
    expect(table.size).toBe(0);
  });
});
