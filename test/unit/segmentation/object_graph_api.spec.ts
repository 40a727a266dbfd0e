import { describe, expect, it } from "vitest";
import { firstId } from "../../../layers/mito/segment_ids.js";
import { ADDITIVE } from "../../../src/morphology/object_types.js";
import { labelRuns } from "../../../src/segmentation/label.js";
import { LabelRunsError } from "../../../src/segmentation/label_runs.js";
import { ObjectGraph } from "../../../src/segmentation/object_graph.js";
import type { LabelRuns } from "../../../src/segmentation/types.js";
import type { Vec3 } from "../../../src/volume/types.js";

const STEP = 2 ** 20;

/** One row of voxels along x as text: "#" is foreground. */
const row = (text: string): LabelRuns =>
  labelRuns(
    Uint8Array.from(text, (c) => (c === "#" ? 1 : 0)),
    [text.length, 1, 1],
    1,
    26,
  );

const graphOf = (length: number, maximumBytes = 2 ** 20, lower = 0) =>
  new ObjectGraph({
    connectivity: 26,
    chunkSize: [4, 1, 1],
    bounds: { lower: [lower, 0, 0], upper: [length, 1, 1] },
    maximumBytes,
  });

describe("ObjectGraph", () => {
  it("joins, names and hides objects", () => {
    const graph = graphOf(12);
    graph.put([1, 0, 0], row("##.#"));
    expect(graph.object(STEP + 1)).toEqual({
      id: STEP + 1,
      voxels: 2,
      partial: true,
      border: true,
      pieces: [{ position: [1, 0, 0], label: 1 }],
    });
    expect([...graph.mappingOf([1, 0, 0])!]).toEqual([0, STEP + 1, STEP + 2]);
    expect(graph.takeChanges()).toEqual({
      objects: [STEP + 1, STEP + 2],
      gone: [],
      renamed: [],
      chunks: [],
    });
    graph.put([0, 0, 0], row("#..#"));
    expect(graph.takeChanges()).toEqual({
      objects: expect.arrayContaining([1, 2]),
      gone: [STEP + 1],
      renamed: [[STEP + 1, 2]],
      chunks: [[1, 0, 0]],
    });
    expect([...graph.mappingOf([1, 0, 0])!]).toEqual([0, 2, STEP + 2]);
    expect(graph.objectOf([1, 0, 0], 1)).toBe(2);
    expect(graph.objectOfPiece(STEP + 1)).toBe(2);
    expect(graph.object(STEP + 1)).toBeUndefined();
    expect(graph.state(2)).toEqual({ id: 2, voxels: 3, partial: false, border: true });
    graph.minimumVoxels = 3;
    expect(graph.isShown(1)).toBe(false);
    expect(graph.isShown(STEP + 2)).toBe(true);
    expect([...graph.mappingOf([0, 0, 0])!]).toEqual([0, 0, 2]);
    graph.put([2, 0, 0], row(".#.."));
    // No more can come of it.
    expect(graph.isShown(STEP + 2)).toBe(false);
    expect(graph.takeChanges().chunks).toEqual([[1, 0, 0]]);
    expect([...graph.mappingOf([1, 0, 0])!]).toEqual([0, 2, 0]);
    graph.minimumVoxels = 0;
    expect([...graph.takeChanges().chunks].sort()).toEqual([
      [0, 0, 0],
      [1, 0, 0],
    ]);
    expect(graph.size).toBe(4);
    for (const position of graph.positions()) graph.remove(position);
    expect(graph.size).toBe(0);
    expect(graph.positions()).toEqual([]);
    expect(graph.takeChanges().gone.length).toBe(4);
    expect(graph.byteLength).toBe(0);
  });

  it("says nothing of what is as it was told", () => {
    const graph = graphOf(12);
    graph.put([0, 0, 0], row("####"));
    graph.put([1, 0, 0], row("####"));
    graph.mappingOf([1, 0, 0]);
    graph.takeChanges();
    expect(graph.takeChanges()).toEqual({ objects: [], gone: [], renamed: [], chunks: [] });
    // Forgotten and come again in between.
    graph.remove([0, 0, 0]);
    graph.put([0, 0, 0], row("####"));
    expect(graph.takeChanges()).toEqual({ objects: [1], gone: [], renamed: [], chunks: [] });
    graph.remove([2, 0, 0]);
    graph.remove([7, 0, 0]);
    expect(graph.takeChanges().objects).toEqual([]);
  });

  it("follows an object that loses its first piece to its largest part", () => {
    const graph = graphOf(16);
    graph.put([1, 0, 0], row("##.#"));
    for (const x of [0, 2, 3]) graph.put([x, 0, 0], row("####"));
    graph.takeChanges();
    const { renamed } = graph.takeChanges();
    expect(renamed).toEqual([]);
    graph.put([1, 0, 0], row("####"));
    expect(graph.takeChanges()).toMatchObject({ gone: [STEP + 2], renamed: [[STEP + 2, 1]] });
    graph.remove([0, 0, 0]);
    expect(graph.takeChanges()).toMatchObject({ objects: [STEP + 1], gone: [1], renamed: [[1, STEP + 1]] });
  });

  it("drops the runs used longest ago, and takes only the same ones back", () => {
    const runs = row("####");
    const all = graphOf(4000);
    for (let x = 0; x < 40; ++x) all.put([x, 0, 0], runs);
    const graph = graphOf(4000, all.byteLength - 100);
    for (let x = 0; x < 40; ++x) {
      graph.put([x, 0, 0], runs);
      graph.piecesOf(graph.objectOf([0, 0, 0], 1)!);
    }
    expect(graph.byteLength).toBeLessThanOrEqual(all.byteLength - 100);
    expect(graph.piecesOf(1)).toBeNull();
    const dropped = graph.droppedOf(1);
    expect(dropped.length).toBeGreaterThan(0);
    expect(graph.restore(dropped[0], row("###."))).toBe(false);
    expect(graph.restore([90, 0, 0], runs)).toBe(false);
    expect(() => graph.restore(dropped[0], row("#####"))).toThrow(LabelRunsError);
    for (const position of dropped) expect(graph.restore(position, row("####"))).toBe(true);
    expect(graph.piecesOf(1)).toEqual(
      Array.from({ length: 40 }, (_, x) => ({ lower: [4 * x, 0, 0], runs, labels: [1] })),
    );
    expect(graph.byteLength).toBe(all.byteLength);
    expect(graph.droppedOf(1)).toEqual([]);
    expect(graph.state(1)?.voxels).toBe(160);
    expect(graph.piecesOf(2)).toBeUndefined();
    const none = graphOf(4000, 0);
    none.put([0, 0, 0], runs);
    expect(none.piecesOf(1)).toBeNull();
    expect([...none.mappingOf([0, 0, 0])!]).toEqual([0, 1]);
  });

  it("hands out sums by chunk", () => {
    const graph = graphOf(12);
    const sums = (count: number) => ({ count, values: new Float64Array(count * ADDITIVE.length) });
    const [first, second] = [sums(1), sums(1)];
    graph.put([0, 0, 0], row("####"), first);
    graph.put([1, 0, 0], row("#..."), second);
    const placed = graph.measuresOf(1)!;
    expect(placed.map(({ lower, labels }) => ({ lower, labels }))).toEqual([
      { lower: [0, 0, 0], labels: [1] },
      { lower: [4, 0, 0], labels: [1] },
    ]);
    expect(placed[0].measures).toBe(first);
    graph.put([1, 0, 0], row("#..."));
    expect(graph.measuresOf(1)).toBeUndefined();
    expect(() => graph.put([2, 0, 0], row("#..."), sums(2))).toThrow("sums of 2 pieces for 1 labels");
    expect(graph.has([2, 0, 0])).toBe(false);
  });

  it("counts ids and places as the viewer does", () => {
    const bounds = { lower: [9, 5, 2] as Vec3, upper: [30, 21, 9] as Vec3 };
    const graph = new ObjectGraph({ connectivity: 6, chunkSize: [8, 8, 4], bounds, maximumBytes: 0 });
    const { grid } = graph;
    expect([grid.first, grid.end]).toEqual([
      [1, 0, 0],
      [4, 3, 3],
    ]);
    for (const position of [
      [1, 0, 0],
      [3, 2, 2],
      [2, 1, 0],
    ] as Vec3[]) {
      const { lower } = grid.boxOf(position);
      expect(BigInt(grid.indexOf(position) * STEP)).toBe(firstId(lower, [8, 8, 4], bounds.upper));
      expect(grid.positionOf(grid.indexOf(position))).toEqual(position);
    }
    expect(grid.boxOf([3, 2, 2])).toEqual({ lower: [24, 16, 8], upper: [30, 21, 9] });
    expect(grid.has([0, 0, 0])).toBe(false);
    expect(grid.has([1, 0, 0.5])).toBe(false);
  });

  it("knows the border of a volume that begins within a chunk", () => {
    const bounds = { lower: [2, 1, 0] as Vec3, upper: [12, 9, 9] as Vec3 };
    const graph = new ObjectGraph({ connectivity: 6, chunkSize: [4, 3, 3], bounds, maximumBytes: 0 });
    const at = (voxel: Vec3) => {
      const position = voxel.map((v, i) => Math.floor(v / [4, 3, 3][i])) as unknown as Vec3;
      const [x, y, z] = voxel.map((v, i) => v % [4, 3, 3][i]);
      const mask = new Uint8Array(36);
      mask[x + 4 * (y + 3 * z)] = 1;
      const { upper } = graph.grid.boxOf(position);
      expect(upper).toEqual(position.map((p, i) => (p + 1) * [4, 3, 3][i]));
      graph.put(position, labelRuns(mask, [4, 3, 3], 1, 6));
      return graph.state(graph.objectOf(position, 1)!)!.border;
    };
    expect(at([2, 4, 4])).toBe(true);
    expect(at([3, 4, 4])).toBe(false);
    expect(at([4, 1, 4])).toBe(true);
    expect(at([4, 2, 4])).toBe(false);
    expect(at([4, 4, 0])).toBe(true);
    expect(at([11, 4, 4])).toBe(true);
  });

  it("does not change when it is given what does not fit", () => {
    const graph = graphOf(12);
    graph.put([0, 0, 0], row("#..#"));
    graph.takeChanges();
    const bad = { ...row("#..#"), labels: Uint32Array.of(1, 9) };
    expect(() => graph.put([0, 0, 0], bad)).toThrow(LabelRunsError);
    const gap = { ...row("#..#"), labels: Uint32Array.of(2, 2) };
    expect(() => graph.put([0, 0, 0], gap)).toThrow("label 1 of a chunk has no voxel");
    expect(() => graph.put([3, 0, 0], row("####"))).toThrow("no chunk at 3,0,0");
    expect(() => graph.put([1.5, 0, 0], row("####"))).toThrow(RangeError);
    expect(graph.takeChanges().objects).toEqual([]);
    expect(graph.size).toBe(2);
    expect(graph.mappingOf([5, 0, 0])).toBeUndefined();
    expect(graph.objectOf([0, 0, 0], 9)).toBeUndefined();
    expect(graph.objectOfPiece(Number.NaN)).toBeUndefined();
    expect(() => {
      graph.minimumVoxels = Number.NaN;
    }).toThrow("not a number");
    const options = {
      chunkSize: [4, 1, 1] as Vec3,
      bounds: { lower: [0, 0, 0] as Vec3, upper: [4, 1, 1] as Vec3 },
    };
    expect(() => new ObjectGraph({ ...options, connectivity: 8 as 6, maximumBytes: 1 })).toThrow(
      "6, 18 or 26",
    );
    expect(() => new ObjectGraph({ ...options, connectivity: 6, maximumBytes: Number.NaN })).toThrow(
      "no limit",
    );
    expect(
      () => new ObjectGraph({ ...options, chunkSize: [0, 1, 1], connectivity: 6, maximumBytes: 1 }),
    ).toThrow("cannot be stitched");
  });
});
