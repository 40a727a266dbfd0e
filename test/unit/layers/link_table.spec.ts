import { describe, expect, it } from "vitest";
import { LinkTable, type Outdated } from "../../../layers/mito/link_table.js";

const chunk = (shown: number[], wanted: number[]): Outdated => ({
  shown: [0, ...shown],
  wanted: [0, ...wanted],
});
const none = () => false;

function pairs(values: Float64Array | undefined): number[][] {
  return Array.from({ length: (values?.length ?? 0) / 2 }, (_, i) => [values![2 * i], values![2 * i + 1]]);
}

describe("LinkTable", () => {
  it("links what the screen still shows to what it means now, and unlinks it when it is written anew", () => {
    const table = new LinkTable();
    const change = table.update([chunk([30, 40, 50], [10, 40, 20]), chunk([30], [10])], none);
    expect(pairs(change?.linked)).toEqual([
      [30, 10],
      [50, 20],
    ]);
    expect(table.update([chunk([30, 40, 50], [10, 40, 20])], none)).toBeUndefined();
    const next = table.update([chunk([30], [5])], none);
    expect(pairs(next?.linked)).toEqual([[30, 5]]);
    expect([...next!.unlinked]).toEqual([30, 50]);
    expect([...table.update([], none)!.unlinked]).toEqual([30]);
    expect(table.size).toBe(0);
  });

  it("leaves out what a link cannot say", () => {
    const table = new LinkTable();
    // Two objects out of one; hidden; a larger id, which Neuroglancer would not show; an id that means another object by now.
    const outdated = [chunk([30, 31, 32, 33], [10, 0, 40, 11]), chunk([30, 33], [12, 11])];
    expect(table.update(outdated, (id) => id === 33)).toBeUndefined();
  });

  it("never holds more than it may, the first first", () => {
    const table = new LinkTable(3);
    const ids = Array.from({ length: 1000 }, (_, i) => 1000 + i);
    const wanted = ids.map((id) => id - 1000);
    wanted[0] = 999;
    const change = table.update([chunk(ids, wanted)], none);
    expect(pairs(change?.linked)).toEqual([
      [1000, 999],
      [1001, 1],
      [1002, 2],
    ]);
    expect(table.size).toBe(3);
  });
});
