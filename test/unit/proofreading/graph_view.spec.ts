import { describe, expect, it } from "vitest";
import { GraphView } from "../../../src/proofreading/graph_view.js";
import { Replay } from "../../../src/proofreading/replay.js";
import type { VoxelSet } from "../../../src/proofreading/types.js";
import { fromPlaced, sameSet } from "../../../src/proofreading/voxel_set.js";
import { exportRuns } from "../../../src/segmentation/label_runs.js";
import { ObjectGraph } from "../../../src/segmentation/object_graph.js";
import { RunLabeller } from "../../../src/segmentation/runs.js";
import { boxSize } from "../../../src/volume/box.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";
import { outcome, randomOf, writeRandom } from "./random_operations.js";
import { type Blob, blobVolume, Scribe, viewOf, volumeOf } from "./scene.js";

const SIZE: Vec3 = [40, 22, 8];
const BLOBS: Blob[] = [
  { centre: [6, 6, 4], radius: 4 },
  { centre: [13, 7, 4], radius: 4 },
  { centre: [20, 6, 3], radius: 3.5 },
  { centre: [30, 6, 4], radius: 4 },
  { centre: [16, 16, 4], radius: 4 },
  { centre: [23, 16, 5], radius: 3.5 },
  { centre: [33, 16, 4], radius: 3, peak: 0.45 },
];
const PROBABILITY = blobVolume(SIZE, BLOBS);
const SOURCE = volumeOf(PROBABILITY, SIZE);
const BOUNDS: Box = { lower: [0, 0, 0], upper: SIZE };

/** A viewer's chunks, which come and go; probability is 0 where there is none, as in the viewer. */
function chunks(chunkSize: Vec3) {
  const graph = new ObjectGraph({ connectivity: 26, chunkSize, bounds: BOUNDS, maximumBytes: 1e9 });
  const labeller = new RunLabeller();
  const cut = async (box: Box) => (await SOURCE.read(0, box)) as Uint8Array;
  const put = async (position: Vec3) => {
    const box = graph.grid.boxOf(position);
    const values = await cut(box);
    const [width, height, depth] = boxSize(box);
    labeller.begin(width, height, 26);
    for (let z = 0; z < depth; ++z) labeller.addSlice(values, 128, z * width * height);
    labeller.finish(0);
    graph.put(position, exportRuns(labeller));
  };
  const view = new GraphView(graph, {
    voxelSize: [10, 10, 20],
    settings: { threshold: 0.5, minimumVoxels: 0, connectivity: 26 },
    probability: async (box) => {
      const values = await cut(box);
      const [width, height] = boxSize(box);
      return values.map((value, i) => {
        const voxel = [i % width, Math.floor(i / width) % height, Math.floor(i / (width * height))];
        const position = voxel.map((v, axis) => Math.floor((v + box.lower[axis]) / chunkSize[axis]));
        return graph.has(position as unknown as Vec3) ? value : 0;
      });
    },
  });
  const positions: Vec3[] = [];
  for (let z = 0; z < graph.grid.end[2]; ++z)
    for (let y = 0; y < graph.grid.end[1]; ++y)
      for (let x = 0; x < graph.grid.end[0]; ++x) positions.push([x, y, z]);
  return { graph, view, put, positions };
}

/** Voxels of every object, for finding what a change of chunks changed. */
function voxelsByObject(graph: ObjectGraph, view: GraphView): Map<number, VoxelSet> {
  return new Map(Array.from(graph.objects(), ({ id }) => [id, fromPlaced(view.runsOf(id))]));
}

/** Labels and what is said of objects, without ids. */
function withoutIds(replay: Replay) {
  const { labels, objects, conflicts } = outcome(replay);
  const numbers = new Map([[0, 0]]);
  const numbered = labels.map((label) => {
    const number = numbers.get(label) ?? numbers.size;
    numbers.set(label, number);
    return number;
  });
  const said = objects
    .filter(({ id, deleted }) => !deleted && numbers.has(id))
    .map(({ id, verdict, tags, comments }) => ({ number: numbers.get(id), verdict, tags, comments }))
    .sort((a, b) => Number(a.number) - Number(b.number));
  return { numbered, said, conflicts };
}

describe("edits over the chunks of a viewer", () => {
  it("come to what they come to over the whole volume, in whatever order chunks came, went and came back", async () => {
    const whole = await viewOf(PROBABILITY, SIZE);
    for (let seed = 0; seed < 12; ++seed) {
      const random = randomOf(seed);
      const operations = writeRandom(new Scribe(), random, BLOBS, SIZE, 50);
      const { graph, view, put, positions } = chunks(seed % 2 === 0 ? [16, 11, 4] : [9, 22, 8]);
      const replay = new Replay(view);
      let given = 0;
      const change = async (position: Vec3, come: boolean) => {
        const before = voxelsByObject(graph, view);
        if (come) await put(position);
        else graph.remove(position);
        const after = voxelsByObject(graph, view);
        const objects = [...new Set([...before.keys(), ...after.keys()])].filter((id) => {
          const [was, is] = [before.get(id), after.get(id)];
          return was === undefined || is === undefined || !sameSet(was, is);
        });
        await replay.refresh({ objects, boxes: [graph.grid.boxOf(position)] });
      };
      const shuffled = () => positions.map((p) => ({ p, key: random() })).sort((a, b) => a.key - b.key);
      for (const { p } of shuffled()) {
        await change(p, true);
        await replay.add(operations.slice(given, given + 3));
        given += 3;
      }
      await replay.add(operations);
      for (const { p } of shuffled().slice(0, 5)) await change(p, false);
      for (const { p } of shuffled()) if (!graph.has(p)) await change(p, true);
      const expected = withoutIds(await Replay.of(whole, operations));
      expect(withoutIds(replay).numbered, `seed ${seed}`).toEqual(expected.numbered);
      expect(withoutIds(replay).said, `seed ${seed}`).toEqual(expected.said);
      expect(outcome(replay), `seed ${seed}, replayed`).toEqual(outcome(await Replay.of(view, operations)));
    }
  }, 120_000);

  it("wait for labels that were dropped to save memory", async () => {
    const graph = new ObjectGraph({ connectivity: 26, chunkSize: SIZE, bounds: BOUNDS, maximumBytes: 0 });
    const view = new GraphView(graph, {
      voxelSize: [1, 1, 1],
      settings: { threshold: 0.5, minimumVoxels: 0, connectivity: 26 },
      probability: async () => PROBABILITY,
    });
    const labeller = new RunLabeller();
    labeller.begin(SIZE[0], SIZE[1], 26);
    for (let z = 0; z < SIZE[2]; ++z) labeller.addSlice(PROBABILITY, 128, z * SIZE[0] * SIZE[1]);
    labeller.finish(0);
    const runs = exportRuns(labeller);
    graph.put([0, 0, 0], runs);
    const replay = await Replay.of(view, [new Scribe().write({ kind: "delete", anchor: [6, 6, 4] })]);
    expect(replay.conflicts()).toMatchObject([{ reason: "no-prediction" }]);
    graph.restore([0, 0, 0], runs);
    await replay.refresh({ objects: [], boxes: [] });
    expect(replay.conflicts()).toEqual([]);
  });
});
