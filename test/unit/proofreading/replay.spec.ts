import { describe, expect, it } from "vitest";
import { correctedLabels } from "../../../src/proofreading/corrected_labels.js";
import { FIRST_MADE_ID } from "../../../src/proofreading/operation_id.js";
import { Replay } from "../../../src/proofreading/replay.js";
import type { Action, CorrectedObject } from "../../../src/proofreading/types.js";
import { hasVoxel } from "../../../src/proofreading/voxel_set.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { blobVolume, renamed, Scribe, viewOf } from "./scene.js";

const SIZE: Vec3 = [60, 30, 16];
const LEFT: Vec3 = [12, 14, 8];
const RIGHT: Vec3 = [23, 14, 8];
const ALONE: Vec3 = [45, 14, 8];
const FAINT: Vec3 = [45, 26, 3];
/** Two blobs that touch, one alone, one that the threshold misses. */
const BLOBS = blobVolume(SIZE, [
  { centre: LEFT, radius: 6 },
  { centre: RIGHT, radius: 6 },
  { centre: ALONE, radius: 5 },
  { centre: FAINT, radius: 2.5, peak: 0.4 },
]);

async function replayed(actions: readonly Action[], threshold = 0.5) {
  const scribe = new Scribe();
  const operations = actions.map((action) => scribe.write(action));
  const view = await viewOf(BLOBS, SIZE, threshold);
  const replay = await Replay.of(view, operations);
  return { scribe, operations, view, replay, at: (voxel: Vec3) => replay.objectAt(voxel) as CorrectedObject };
}

const split = (...markers: Vec3[]): Action => ({
  kind: "split",
  parts: markers.map((marker) => [marker]),
  landscape: "probability",
});

const reasons = (replay: Replay) => replay.conflicts().map(({ reason }) => reason);
const labelsOf = (replay: Replay) => correctedLabels(replay.corrections, replay.corrections.view.bounds);

describe("merge", () => {
  it("makes one object of two, with the smaller id", async () => {
    const { at, view, replay } = await replayed([{ kind: "merge", anchors: [ALONE, LEFT] }]);
    expect(at(ALONE).id).toBe(Math.min(view.objectAt(ALONE), view.objectAt(LEFT)));
    expect(at(ALONE)).toBe(at(RIGHT));
    expect(replay.corrections.voxelsOf(at(ALONE)).count).toBe(
      view.voxelsOf(view.objectAt(ALONE)) + view.voxelsOf(view.objectAt(LEFT)),
    );
    expect(replay.conflicts()).toEqual([]);
  });

  it("lists anchors in background, and merges the rest", async () => {
    const { at, replay } = await replayed([{ kind: "merge", anchors: [[0, 0, 0], LEFT, ALONE] }]);
    expect(at(LEFT).id).toBe(at(ALONE).id);
    expect(replay.conflicts()).toMatchObject([{ reason: "no-object", anchors: [[0, 0, 0]] }]);
  });

  it("lists what is one object already", async () => {
    const { replay } = await replayed([{ kind: "merge", anchors: [LEFT, RIGHT] }]);
    expect(reasons(replay)).toEqual(["already-one"]);
  });
});

describe("split", () => {
  it("cuts touching blobs between their middles; every voxel stays in one part", async () => {
    const { at, view, replay, operations } = await replayed([split(LEFT, RIGHT)]);
    const whole = view.voxelsOf(view.objectAt(LEFT));
    const [a, b] = [at(LEFT), at(RIGHT)].map((object) => replay.corrections.voxelsOf(object).count);
    expect(a + b).toBe(whole);
    expect(Math.abs(a - b) / whole).toBeLessThan(0.05);
    expect(at(LEFT).id).toBe(view.objectAt(LEFT));
    expect(at(RIGHT).id).toBeGreaterThanOrEqual(FIRST_MADE_ID);
    expect([...replay.subjects(operations[0].id)]).toContain(view.objectAt(LEFT));
  });

  it("cuts in three, and through the inside when asked to", async () => {
    const { at, replay } = await replayed([
      { kind: "merge", anchors: [LEFT, ALONE] },
      { kind: "split", parts: [[LEFT], [RIGHT], [ALONE]], landscape: "distance" },
    ]);
    expect(new Set([at(LEFT).id, at(RIGHT).id, at(ALONE).id]).size).toBe(3);
    expect(replay.conflicts()).toEqual([]);
  });

  it("gives merged pieces without a marker to the nearest part", async () => {
    const { at } = await replayed([{ kind: "merge", anchors: [LEFT, ALONE] }, split(LEFT, RIGHT)]);
    expect(at(ALONE).id).toBe(at(RIGHT).id);
  });

  it("holds when the sides are joined later, as at a lower threshold", async () => {
    const actions = [split(LEFT, RIGHT)];
    const high = await replayed(actions, 0.995);
    expect(reasons(high.replay)).toEqual(["already-apart"]);
    const low = await replayed(actions, 0.3);
    expect(low.view.objectAt(LEFT)).toBe(low.view.objectAt(RIGHT));
    expect(low.at(LEFT).id).not.toBe(low.at(RIGHT).id);
  });

  it("lists a part whose markers are in nothing", async () => {
    const { replay } = await replayed([split(LEFT, [0, 0, 0])]);
    expect(reasons(replay)).toEqual(["no-object"]);
  });
});

describe("separate", () => {
  it("takes a predicted object out of what was merged", async () => {
    const { at, view } = await replayed([
      { kind: "merge", anchors: [LEFT, ALONE] },
      { kind: "separate", anchor: ALONE },
    ]);
    expect(at(ALONE).id).toBe(view.objectAt(ALONE));
    expect(at(LEFT).id).toBe(view.objectAt(LEFT));
  });

  it("takes out what is in a box", async () => {
    const { at, replay } = await replayed([
      { kind: "separate", anchor: RIGHT, within: { lower: [18, 0, 0], upper: [60, 30, 16] } },
    ]);
    expect(at(RIGHT).id).not.toBe(at(LEFT).id);
    expect(at([17, 14, 8]).id).toBe(at(LEFT).id);
    expect(at([18, 14, 8]).id).toBe(at(RIGHT).id);
    expect(replay.conflicts()).toEqual([]);
  });

  it("lists an object that is by itself", async () => {
    const { replay } = await replayed([{ kind: "separate", anchor: ALONE }]);
    expect(reasons(replay)).toEqual(["already-apart"]);
  });
});

describe("delete and restore", () => {
  it("takes an object away and brings it back with what was said of it", async () => {
    const { scribe, replay, at } = await replayed([
      { kind: "verdict", anchor: ALONE, verdict: "accept" },
      { kind: "delete", anchor: ALONE },
    ]);
    expect(replay.objectAt(ALONE)).toBeUndefined();
    await replay.add([scribe.write({ kind: "restore", anchor: ALONE })]);
    expect(at(ALONE).verdict?.verdict).toBe("accept");
    await replay.add([scribe.write({ kind: "restore", anchor: ALONE })]);
    expect(reasons(replay)).toEqual(["not-deleted"]);
  });

  it("leaves to others what they took meanwhile", async () => {
    const { replay, at, view } = await replayed([
      { kind: "delete", anchor: ALONE },
      { kind: "add", seed: ALONE, threshold: 0.9, radius: [20, 20, 20] },
      { kind: "verdict", anchor: ALONE, verdict: "accept" },
      { kind: "restore", anchor: [45, 10, 8] },
    ]);
    const added = replay.corrections.voxelsOf(at(ALONE));
    const restored = replay.corrections.voxelsOf(at([45, 10, 8]));
    expect(at(ALONE).verdict?.verdict).toBe("accept");
    expect(at(ALONE).id).not.toBe(at([45, 10, 8]).id);
    expect(added.count + restored.count).toBe(view.voxelsOf(view.objectAt(ALONE)));
  });
});

describe("add", () => {
  it("grows an object where the probability is lower", async () => {
    const { at, replay } = await replayed([
      { kind: "add", seed: FAINT, threshold: 0.2, radius: [10, 10, 10] },
    ]);
    const voxels = replay.corrections.voxelsOf(at(FAINT));
    expect(voxels.count).toBeGreaterThan(30);
    expect(hasVoxel(voxels, ALONE)).toBe(false);
  });

  it("lists a seed in an object and one below the threshold", async () => {
    const { replay } = await replayed([
      { kind: "add", seed: LEFT, threshold: 0.2, radius: [10, 10, 10] },
      { kind: "add", seed: [0, 0, 0], threshold: 0.2, radius: [10, 10, 10] },
      { kind: "add", seed: [-5, 0, 0], threshold: 0.2, radius: [2, 2, 2] },
    ]);
    expect(reasons(replay)).toEqual(["already-there", "below-threshold", "no-object"]);
  });
});

describe("changes of shape", () => {
  it.each(["grow", "shrink", "smooth"] as const)("%s is bounded by the other objects", async (kind) => {
    const { at, replay } = await replayed([
      split(LEFT, RIGHT),
      { kind, anchor: LEFT, voxels: 2, reach: { dimensions: 3 } },
    ]);
    const other = replay.corrections.voxelsOf(at(RIGHT));
    const own = replay.corrections.voxelsOf(at(LEFT));
    for (let i = 0; i < own.runs.length; i += 4)
      for (let x = own.runs[i + 2]; x < own.runs[i + 3]; ++x)
        expect(hasVoxel(other, [x, own.runs[i + 1], own.runs[i]])).toBe(false);
  });

  it("changes one section only when asked to", async () => {
    const { at, replay, view } = await replayed([
      { kind: "grow", anchor: ALONE, voxels: 1, reach: { dimensions: 2, axis: 2, sections: "anchor" } },
    ]);
    const before = view.voxelsOf(view.objectAt(ALONE));
    const after = replay.corrections.voxelsOf(at(ALONE));
    expect(after.count).toBeGreaterThan(before);
    expect(after.box.lower[2]).toBe(view.runsOf(view.objectAt(ALONE))[0].lower[2]);
    expect(replay.objectAt([45, 14 + 6, 8])).toBeDefined();
    expect(replay.objectAt([45, 14 + 6, 7])).toBeUndefined();
  });

  it("does not let an object vanish, and lists what changes nothing", async () => {
    const { replay, at } = await replayed([
      { kind: "shrink", anchor: ALONE, voxels: 20, reach: { dimensions: 3 } },
      { kind: "fill_holes", anchor: ALONE, reach: { dimensions: 3 } },
    ]);
    expect(reasons(replay)).toEqual(["would-vanish", "no-change"]);
    expect(at(ALONE)).toBeDefined();
  });
});

describe("what is said of objects", () => {
  it("follows them through merges and splits", async () => {
    const { at, replay } = await replayed([
      { kind: "verdict", anchor: LEFT, verdict: "accept" },
      { kind: "tag", anchor: LEFT, tag: "long" },
      { kind: "tag", anchor: ALONE, tag: "dark" },
      { kind: "comment", anchor: RIGHT, text: "a neck?" },
      { kind: "merge", anchors: [LEFT, ALONE] },
      split(LEFT, RIGHT),
      { kind: "tag", anchor: LEFT, tag: "dark", remove: true },
    ]);
    expect(at(LEFT).verdict?.verdict).toBe("accept");
    expect(at(RIGHT).verdict?.verdict).toBe("accept");
    expect(at(LEFT).tags).toEqual(["long"]);
    expect(at(RIGHT).tags).toEqual(["dark", "long"]);
    expect(at(RIGHT).comments.map(({ text }) => text)).toEqual(["a neck?"]);
    expect(at(LEFT).comments).toEqual([]);
    expect(replay.conflicts()).toEqual([]);
  });

  it("is unsure where merged verdicts differ, and says so", async () => {
    const { at, replay } = await replayed([
      { kind: "verdict", anchor: LEFT, verdict: "accept" },
      { kind: "verdict", anchor: ALONE, verdict: "reject" },
      { kind: "merge", anchors: [LEFT, ALONE] },
    ]);
    expect(at(LEFT).verdict?.verdict).toBe("unsure");
    expect(reasons(replay)).toEqual(["verdicts-differ"]);
  });

  it("is taken back by the verdict none", async () => {
    const { at } = await replayed([
      { kind: "verdict", anchor: LEFT, verdict: "expert" },
      { kind: "verdict", anchor: LEFT, verdict: "none" },
    ]);
    expect(at(LEFT).verdict).toBeUndefined();
  });
});

describe("undo and redo", () => {
  it("take back the last operation, an earlier one, and an undo", async () => {
    const { scribe, operations, replay, at } = await replayed([
      { kind: "merge", anchors: [LEFT, ALONE] },
      { kind: "verdict", anchor: ALONE, verdict: "accept" },
    ]);
    const undo = scribe.write({ kind: "undo", target: operations[0].id });
    await replay.add([undo]);
    expect(at(LEFT).id).not.toBe(at(ALONE).id);
    expect(at(LEFT).verdict).toBeUndefined();
    expect(at(ALONE).verdict?.verdict).toBe("accept");
    await replay.add([scribe.write({ kind: "undo", target: undo.id })]);
    expect(at(LEFT).id).toBe(at(ALONE).id);
    expect(at(LEFT).verdict?.verdict).toBe("accept");
    await replay.add([scribe.write({ kind: "redo", target: undo.id })]);
    expect(at(LEFT).id).not.toBe(at(ALONE).id);
    await replay.add([scribe.write({ kind: "redo", target: operations[0].id })]);
    expect(at(LEFT).id).toBe(at(ALONE).id);
    expect(replay.conflicts()).toEqual([]);
  });

  it("leave what depended on the operation as a conflict that goes with its redo", async () => {
    const { scribe, operations, replay, at } = await replayed([
      { kind: "add", seed: FAINT, threshold: 0.2, radius: [10, 10, 10] },
      { kind: "verdict", anchor: FAINT, verdict: "accept" },
    ]);
    await replay.add([scribe.write({ kind: "undo", target: operations[0].id })]);
    expect(replay.conflicts()).toMatchObject([{ operation: operations[1].id, reason: "no-object" }]);
    await replay.add([scribe.write({ kind: "redo", target: operations[0].id })]);
    expect(replay.conflicts()).toEqual([]);
    expect(at(FAINT).verdict?.verdict).toBe("accept");
  });

  it("of what is not there is a conflict", async () => {
    const { replay } = await replayed([{ kind: "undo", target: "nothing" }]);
    expect(reasons(replay)).toEqual(["no-target"]);
  });
});

describe("Replay", () => {
  it("previews without changing anything", async () => {
    const { scribe, replay, at, view } = await replayed([]);
    const { objects } = await replay.preview(scribe.write(split(LEFT, RIGHT)));
    expect(objects).toHaveLength(2);
    expect(at(LEFT)).toEqual({
      id: view.objectAt(LEFT),
      atoms: [{ id: view.objectAt(LEFT) }],
      tags: [],
      comments: [],
    });
    expect([...replay.corrections.corrected()]).toEqual([]);
  });

  it("refuses operations on another volume", async () => {
    const scribe = new Scribe();
    const view = Object.assign(Object.create(await viewOf(BLOBS, SIZE)), {
      volume: { url: "other", scale: 0 },
    });
    const replay = await Replay.of(view, [scribe.write({ kind: "delete", anchor: LEFT })]);
    expect(reasons(replay)).toEqual(["other-volume"]);
    expect(replay.objectAt(LEFT)).toBeDefined();
  });

  it("lists an operation whose probabilities cannot be read, and applies it once they can", async () => {
    const scribe = new Scribe();
    const view = await viewOf(BLOBS, SIZE);
    let broken = true;
    const flaky = Object.assign(Object.create(view), {
      probability: (box: Parameters<typeof view.probability>[0]) =>
        broken ? Promise.reject(new Error("the chunk is gone")) : view.probability(box),
    });
    const replay = await Replay.of(flaky, [scribe.write(split(LEFT, RIGHT))]);
    expect(replay.conflicts()).toMatchObject([{ reason: "no-prediction", message: "the chunk is gone" }]);
    broken = false;
    const { changed } = await replay.refresh({ objects: [view.objectAt(LEFT)], boxes: [] });
    expect(changed.has(view.objectAt(LEFT))).toBe(true);
    expect(replay.objectAt(LEFT)?.id).not.toBe(replay.objectAt(RIGHT)?.id);
  });

  it("stops when it is told to, and goes on with the next call", async () => {
    const { scribe, replay } = await replayed([]);
    await expect(
      replay.add([scribe.write({ kind: "delete", anchor: LEFT })], AbortSignal.abort(new Error("enough"))),
    ).rejects.toThrow("enough");
    expect(replay.objectAt(LEFT)).toBeDefined();
    await replay.add([]);
    expect(replay.objectAt(LEFT)).toBeUndefined();
  });

  it("gives the same voxels whatever ids the predictions have", async () => {
    const { operations, view, replay } = await replayed([
      { kind: "merge", anchors: [ALONE, LEFT] },
      split(LEFT, RIGHT),
      { kind: "grow", anchor: ALONE, voxels: 1, reach: { dimensions: 3 } },
    ]);
    const other = await Replay.of(
      renamed(
        view,
        (id) => 1000 - id,
        (id) => 1000 - id,
      ),
      operations,
    );
    const pairs = new Map<number, number>();
    const [a, b] = [labelsOf(replay), labelsOf(other)];
    a.forEach((label, i) => {
      if (!pairs.has(label)) pairs.set(label, b[i]);
      expect(b[i]).toBe(pairs.get(label));
    });
  });
});
