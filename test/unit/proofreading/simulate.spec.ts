import { describe, expect, it } from "vitest";
import { Random } from "../../../src/network/random.js";
import { correctedLabels } from "../../../src/proofreading/corrected_labels.js";
import { formatLog } from "../../../src/proofreading/json_lines.js";
import { Replay } from "../../../src/proofreading/replay.js";
import { simulateOrders } from "../../../src/proofreading/simulate_orders.js";
import { addScore, NO_OBJECTS, qualityOf, Truth } from "../../../src/proofreading/simulate_score.js";
import { strokesAlong } from "../../../src/proofreading/simulate_strokes.js";
import { strokeRegion } from "../../../src/proofreading/stroke_region.js";
import { openVolumeView } from "../../../src/proofreading/volume_view.js";
import { fromMask, maskOf } from "../../../src/proofreading/voxel_set.js";
import { labelMask } from "../../../src/segmentation/label.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";
import { type Blob, blobVolume, volumeOf } from "./scene.js";

const SIZE: Vec3 = [110, 80, 10];
const BOX: Box = { lower: [0, 0, 0], upper: SIZE };

/** True objects, thresholded. */
function maskOfBlobs(blobs: readonly Blob[]): Uint8Array {
  return blobVolume(SIZE, blobs).map((value) => (value >= 128 ? 1 : 0));
}

const seen: Blob[] = [
  { centre: [18, 20, 5], radius: 11 },
  { centre: [46, 20, 5], radius: 10 },
  { centre: [18, 58, 5], radius: 11 },
];
const missed: Blob = { centre: [80, 56, 5], radius: 12 };
const truth = new Truth(labelMask(maskOfBlobs([...seen, missed]), SIZE), BOX);
/** What a model gets wrong: two are one, one is not seen at all, two are none. */
const predicted = volumeOf(
  blobVolume(SIZE, [
    ...seen,
    { centre: [32, 20, 5], radius: 6 },
    { centre: [88, 16, 5], radius: 9 },
    { centre: [48, 66, 5], radius: 7 },
  ]),
  SIZE,
);
const settings = { threshold: 0.5, minimumVoxels: 0, connectivity: 26 as const };
const model = { digest: "d", config: { voxelSize: [10, 10, 10] } as never };

function run(orders: readonly ("size" | "random")[], seed = 1) {
  return simulateOrders({
    predicted,
    truth,
    settings,
    orders,
    goal: { f1: 0.95, iou: 0.8 },
    hand: { voxels: 1, width: 0.05 },
    seed,
    repeats: 1,
    model,
    volume: "test://em",
  });
}

describe("the scripted proofreader", () => {
  it("splits, deletes and adds until the goal is reached, by operations that replay to the same voxels", async () => {
    expect(truth.count).toBe(4);
    const [{ reached, before, curve, checked, replay }] = await run(["size"]);
    expect(before.f1).toBeLessThan(0.5);
    expect(reached).toBe(true);
    const last = curve[curve.length - 1];
    expect(last.f1).toBeGreaterThanOrEqual(0.95);
    expect(last.iou).toBeGreaterThanOrEqual(0.8);
    // The sums that guide it are those of the labels.
    expect(checked.f1).toBeCloseTo(last.f1, 9);
    expect(checked.iou).toBeCloseTo(last.iou, 9);
    const kinds = new Set(curve.map(({ kind }) => kind));
    for (const kind of ["split", "delete", "add", "verdict"] as const) expect(kinds).toContain(kind);
    expect(curve.length).toBe(replay.log.size);
    expect(curve.length).toBeLessThan(16);
    expect(replay.conflicts()).toEqual([]);
    const view = await openVolumeView(predicted, {
      kind: "probability",
      settings,
      volume: { url: "test://em", scale: 0 },
    });
    const again = await Replay.of(view, replay.log.operations);
    expect(correctedLabels(again.corrections, BOX)).toEqual(correctedLabels(replay.corrections, BOX));
  });

  it("does the same each time, and reaches the goal in any order", async () => {
    const [first, random] = await run(["size", "random"]);
    const [second] = await run(["size"]);
    expect(formatLog(second.replay.log.operations)).toBe(formatLog(first.replay.log.operations));
    expect(random.reached).toBe(true);
  });

  it("stops where nothing helps", async () => {
    const [{ reached, curve }] = await simulateOrders({
      predicted,
      truth,
      settings,
      orders: ["size"],
      goal: { f1: 1, iou: 1 },
      hand: { voxels: 1, width: 0.05 },
      seed: 1,
      repeats: 1,
      model,
      volume: "test://em",
    });
    expect(reached).toBe(false);
    expect(curve.length).toBeLessThan(60);
    expect(curve[curve.length - 1].f1).toBe(1);
  });
});

describe("scores", () => {
  it("add up object by object to those of the whole", () => {
    const exact = truth.sets.slice(1).map((set) => truth.score(set));
    expect(exact.map(({ matches }) => matches)).toEqual([1, 2, 3, 4]);
    const all = exact.reduce((sum, score) => addScore(sum, score, 1), NO_OBJECTS);
    expect(qualityOf(all, truth)).toEqual({ f1: 1, iou: 1 });
    const without = addScore(all, exact[0], -1);
    expect(qualityOf(without, truth).f1).toBeCloseTo(6 / 7, 9);
    expect(qualityOf(without, truth).iou).toBeCloseTo(1 - truth.sets[1].count / truth.voxels, 9);
    const half = fromMask(new Uint8Array(55 * 80 * 10).fill(1), { lower: [0, 0, 0], upper: [55, 80, 10] });
    expect(truth.score(half)).toMatchObject({ voxels: 44_000, matches: 0 });
  });
});

describe("strokes of the scripted proofreader", () => {
  it("outline a bent object well, with a steady and with a shaky hand", () => {
    const mask = new Uint8Array(80 * 60 * 7);
    for (let z = 0; z < 7; ++z)
      for (let y = 0; y < 60; ++y)
        for (let x = 0; x < 80; ++x) {
          const bend = 30 + 0.006 * (x - 40) ** 2 + 2 * z;
          if (x > 8 && x < 72 && Math.abs(y - bend) < 6) mask[x + 80 * (y + 60 * z)] = 1;
        }
    const set = fromMask(mask, { lower: [100, 200, 3], upper: [180, 260, 10] });
    const iouBy = (voxels: number) => {
      const strokes = strokesAlong(set, { random: new Random(3), voxels, width: voxels / 30 });
      expect(strokes.lines.length).toBeLessThanOrEqual(7);
      const made = strokeRegion(strokes, set.box);
      const truth = maskOf(set, set.box);
      let both = 0;
      let either = 0;
      made.forEach((value, i) => {
        both += value & truth[i];
        either += value | truth[i];
      });
      return both / either;
    };
    expect(iouBy(0)).toBeGreaterThan(0.85);
    expect(iouBy(1.5)).toBeGreaterThan(0.75);
  });
});
