import { describe, expect, it } from "vitest";
import { formatLog, readLog } from "../../../src/proofreading/json_lines.js";
import { mergeLogs } from "../../../src/proofreading/merge.js";
import { Replay } from "../../../src/proofreading/replay.js";
import type { Operation, PredictionView } from "../../../src/proofreading/types.js";
import type { VolumeView } from "../../../src/proofreading/volume_view.js";
import { fromPlaced, sameSet } from "../../../src/proofreading/voxel_set.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { outcome, randomOf, writeRandom } from "./random_operations.js";
import { type Blob, blobVolume, renamed, Scribe, viewOf } from "./scene.js";

const SIZE: Vec3 = [40, 22, 8];
const BLOBS: Blob[] = [
  { centre: [6, 6, 4], radius: 4 },
  { centre: [13, 7, 4], radius: 4 },
  { centre: [20, 6, 3], radius: 3.5 },
  { centre: [30, 6, 4], radius: 4 },
  { centre: [7, 16, 4], radius: 3 },
  { centre: [16, 16, 4], radius: 4 },
  { centre: [23, 16, 5], radius: 3.5 },
  { centre: [33, 16, 4], radius: 3, peak: 0.45 },
];
const PROBABILITY = blobVolume(SIZE, BLOBS);
const SEQUENCES = 100;
const OPERATIONS = 100;

/** The voxel each object is first seen at: an id that does not depend on what else is there. */
function byFirstVoxel(view: VolumeView): PredictionView {
  const first = (id: number) => {
    const { lower, runs } = view.runsOf(id)[0];
    const row = runs.rows.findIndex((_, i) => runs.rows[i + 1] > 0);
    const [y, z] = [lower[1] + (row % runs.size[1]), lower[2] + Math.floor(row / runs.size[1])];
    return 1 + lower[0] + runs.starts[0] + SIZE[0] * (y + SIZE[1] * z);
  };
  const ids = Array.from(view.ids);
  const to = new Map(ids.map((id) => [id, first(id)]));
  const back = new Map(ids.map((id) => [first(id), id]));
  return renamed(
    view,
    (id) => to.get(id) as number,
    (id) => back.get(id) ?? 0,
  );
}

/** Predictions that can be taken away and come back under a replay. */
function switchable(first: PredictionView) {
  let now = first;
  const view: PredictionView = {
    bounds: first.bounds,
    voxelSize: first.voxelSize,
    settings: first.settings,
    objectAt: (voxel) => now.objectAt(voxel),
    runsOf: (id) => now.runsOf(id),
    objectsIn: (box) => now.objectsIn(box),
    probability: (box) => now.probability(box),
  };
  /** Ids of objects that are not what they were. */
  const change = (next: PredictionView): number[] => {
    const ids = new Set([...now.objectsIn(first.bounds), ...next.objectsIn(first.bounds)]);
    const was = now;
    now = next;
    return [...ids].filter((id) => !sameSet(fromPlaced(was.runsOf(id)), fromPlaced(next.runsOf(id))));
  };
  return { view, change };
}

describe(`${SEQUENCES * OPERATIONS} random operations`, () => {
  it("come to the same one by one, at once, and in any order; undoing all gives the predictions", async () => {
    const view = await viewOf(PROBABILITY, SIZE);
    let applied = 0;
    for (let seed = 0; seed < SEQUENCES; ++seed) {
      const random = randomOf(seed);
      const scribe = new Scribe();
      const operations = writeRandom(scribe, random, BLOBS, SIZE, OPERATIONS);
      const oneByOne = new Replay(view);
      for (const operation of operations) await oneByOne.add([operation]);
      applied += operations.length;
      const expected = outcome(oneByOne);
      expect(outcome(await Replay.of(view, operations)), `seed ${seed}, at once`).toEqual(expected);

      const shuffled = operations
        .map((operation) => ({ operation, key: random() }))
        .sort((a, b) => a.key - b.key);
      const inParts = new Replay(view);
      for (let i = 0; i < shuffled.length; i += 25)
        await inParts.add(shuffled.slice(i, i + 25).map(({ operation }) => operation));
      expect(outcome(inParts), `seed ${seed}, shuffled`).toEqual(expected);

      const held = operations.filter(
        ({ id, kind }) => kind !== "undo" && kind !== "redo" && oneByOne.holds(id),
      );
      if (seed % 2 === 0) held.reverse();
      for (const { id } of held) await oneByOne.add([scribe.write({ kind: "undo", target: id })]);
      expect([...oneByOne.corrections.corrected()], `seed ${seed}, all undone`).toEqual([]);
      expect(outcome(oneByOne).labels).toEqual(outcome(new Replay(view)).labels);
      await oneByOne.add(held.map(({ id }) => scribe.write({ kind: "redo", target: id })));
      expect(outcome(oneByOne).objects, `seed ${seed}, all redone`).toEqual(expected.objects);
    }
    expect(applied).toBe(10_000);
  }, 300_000);

  it("come to the same whatever chunks were gone and came back meanwhile", async () => {
    const whole = byFirstVoxel(await viewOf(PROBABILITY, SIZE));
    const parts: PredictionView[] = [];
    for (const cut of [9, 16, 27]) {
      const some = PROBABILITY.map((value, i) => (i % SIZE[0] < cut ? value : 0));
      parts.push(byFirstVoxel(await viewOf(some, SIZE)));
    }
    for (let seed = 100; seed < 112; ++seed) {
      const random = randomOf(seed);
      const operations = writeRandom(new Scribe(), random, BLOBS, SIZE, 60);
      const { view, change } = switchable(parts[seed % 3]);
      const replay = new Replay(view);
      for (let i = 0; i < operations.length; i += 10) {
        await replay.add(operations.slice(i, i + 10));
        const next = [...parts, whole][Math.floor(random() * 4)];
        const changed = change(next);
        const boxes = [{ lower: [9, 0, 0], upper: SIZE }] as const;
        await replay.refresh(random() < 0.3 ? undefined : { objects: changed, boxes });
        const expected = outcome(await Replay.of(next, operations.slice(0, i + 10)));
        expect(outcome(replay), `seed ${seed}, after ${i + 10}`).toEqual(expected);
      }
    }
  }, 120_000);
});

describe("merging logs", () => {
  const logs = [1, 2, 3].map((author) =>
    writeRandom(new Scribe(`author ${author}`, 1_000 + author), randomOf(author), BLOBS, SIZE, 60),
  );
  const text = (...parts: (readonly Operation[])[]) => formatLog(mergeLogs(...parts).log.operations);

  it("is commutative, associative and idempotent, byte for byte", () => {
    const [a, b, c] = logs;
    const ab = mergeLogs(a, b).log.operations;
    const bc = mergeLogs(b, c).log.operations;
    expect(text(a, b)).toBe(text(b, a));
    expect(text(ab, c)).toBe(text(a, bc));
    expect(text(ab, ab)).toBe(text(a, b));
    expect(text(ab, a)).toBe(text(a, b));
    expect(ab).toHaveLength(a.length + b.length);
  });

  it("keeps the same one of two operations with one id, and shows both", () => {
    const [a] = logs;
    const forged = { ...a[5], author: "somebody else" };
    const one = mergeLogs(a, [forged]);
    const other = mergeLogs([forged], a);
    expect(formatLog(one.log.operations)).toBe(formatLog(other.log.operations));
    expect(one.clashes).toHaveLength(1);
    expect(one.clashes).toEqual(other.clashes);
  });

  it("gives one state from logs merged in any order", async () => {
    const [a, b, c] = logs;
    const view = await viewOf(PROBABILITY, SIZE);
    const replay = await Replay.of(view, a);
    await replay.add(c);
    await replay.add(b);
    expect(outcome(replay)).toEqual(outcome(await Replay.of(view, mergeLogs(c, b, a).log.operations)));
  });
});

describe("a log file", () => {
  const operations = writeRandom(new Scribe('Žofie, "the second"'), randomOf(7), BLOBS, SIZE, 200);
  const file = formatLog(operations);

  it("gives back what was written", () => {
    expect(readLog(file, "log").operations).toEqual(operations);
  });

  it("cut anywhere, loses at most the operation that was being written", () => {
    const random = randomOf(3);
    for (let i = 0; i < 300; ++i) {
      const cut = file.slice(0, Math.floor(random() * file.length));
      const { operations: read, damage } = readLog(cut, "log");
      const whole = cut.split("\n").length - 1;
      expect(damage).toEqual([]);
      expect(read.length).toBeGreaterThanOrEqual(whole);
      expect(read).toEqual(operations.slice(0, read.length));
    }
  });
});
