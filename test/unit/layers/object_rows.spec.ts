import { describe, expect, it } from "vitest";
import { ObjectRowsMaker } from "../../../layers/mito/object_rows.js";
import { ObjectTable } from "../../../src/morphology/object_table.js";
import { FLAG_MEASURED, OBJECT_COLUMN_IDS } from "../../../src/morphology/object_types.js";
import { ObjectGraph } from "../../../src/segmentation/object_graph.js";
import { analyse } from "../../../workers/analyse.js";

const turns = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 0));
};

/** Objects of a row of voxels, "#" being foreground; measured when the test says so. */
function makeMaker(row: string, most?: number) {
  const size = [row.length, 1, 1] as const;
  const bounds = { lower: [0, 0, 0] as const, upper: size };
  const graph = new ObjectGraph({ connectivity: 26, chunkSize: size, bounds, maximumBytes: 1e6 });
  const settings = { threshold: 0.5, minimumVoxels: 0, connectivity: 26 } as const;
  const probability = Uint8Array.from(row, (c) => (c === "#" ? 255 : 0));
  const { runs, measures } = analyse({ probability, size, sliceAxis: 2, settings });
  graph.put([0, 0, 0], runs, measures);
  const measuring: { id: number; aborted: () => boolean; finish(values: Float64Array): void }[] = [];
  const visible = new Set<number>();
  const maker = new ObjectRowsMaker(
    {
      frame: { voxelSize: [1, 1, 1], sliceAxis: 2 },
      graph: () => graph,
      pieces: async (id) => graph.piecesOf(id) ?? undefined,
      measure: (id, _, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
          measuring.push({ id, aborted: () => signal.aborted, finish: resolve });
        }),
      visibility: () => (id) => visible.has(id),
      ready: () => {},
    },
    most,
  );
  const table = new ObjectTable();
  const take = () => {
    const rows = maker.take();
    if (rows !== undefined) table.apply(rows);
    return rows;
  };
  return { maker, graph, measuring, visible, table, take };
}

const whole = new Float64Array(OBJECT_COLUMN_IDS.length).fill(1);

describe("ObjectRowsMaker", () => {
  it("sends what adds up at once, and measures what is visible, then what is large", async () => {
    const { maker, graph, measuring, visible, table, take } = makeMaker("#.##.###");
    visible.add(1);
    const { objects, gone } = graph.takeChanges();
    maker.change(objects, gone);
    take();
    expect([1, 2, 3].map((id) => table.value(table.indexOf(id), "voxels"))).toEqual([1, 2, 3]);
    expect(table.value(0, "solidity")).toBeNaN();
    for (const id of [1, 3, 2]) {
      await turns();
      expect(measuring.map((call) => call.id)).toEqual([id]);
      measuring.pop()!.finish(whole);
    }
    await turns();
    take();
    for (const row of [0, 1, 2]) {
      expect(table.flags(row) & FLAG_MEASURED).toBe(FLAG_MEASURED);
      expect(table.value(row, "solidity")).toBe(1);
    }
    expect(table.value(table.indexOf(3), "voxels")).toBe(3);
    expect(take()).toBeUndefined();
  });

  it("drops the measurement of an object that changed, and of one that is gone", async () => {
    const { maker, graph, measuring, table, take } = makeMaker("###.##");
    maker.change(graph.takeChanges().objects, []);
    await turns();
    const [first] = measuring;
    expect(first.id).toBe(1);
    maker.change([1], []);
    await turns();
    expect(first.aborted()).toBe(true);
    first.finish(whole);
    take();
    expect(table.flags(table.indexOf(1)) & FLAG_MEASURED).toBe(0);
    graph.remove([0, 0, 0]);
    maker.change([], graph.takeChanges().gone);
    take();
    expect(table.size).toBe(0);
    maker.dispose();
  });

  it("holds a bounded number of rows: those that changed longest ago go", () => {
    const { maker, graph, table, take } = makeMaker("#.##.###.####", 3);
    maker.change(graph.takeChanges().objects, []);
    take();
    expect(table.size).toBe(3);
    take();
    expect([1, 2, 3, 4].map((id) => table.indexOf(id) !== -1)).toEqual([false, true, true, true]);
    maker.change([1], []);
    take();
    expect([1, 2, 3, 4].map((id) => table.indexOf(id) !== -1)).toEqual([true, false, true, true]);
    maker.dispose();
  });
});
