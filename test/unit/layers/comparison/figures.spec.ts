import { describe, expect, it } from "vitest";
import { alignAxes } from "../../../../layers/comparison/align.js";
import { ALL_COLOUR, agreementShader, modelColour } from "../../../../layers/comparison/colours.js";
import { comparisonFigures, rankingOf, shortNames } from "../../../../layers/comparison/figures.js";
import { Pump } from "../../../../layers/comparison/pump.js";
import { compareChunk, pairsOf } from "../../../../src/evaluation/compare_chunk.js";
import type { Ranking } from "../../../../src/evaluation/ranking.js";
import { measureDistribution } from "../../../../src/morphology/distribution.js";
import type { Box } from "../../../../src/volume/types.js";

const size = [24, 20, 2] as const;
const settings = { threshold: 0.5, minimumVoxels: 10, connectivity: 26 } as const;

/** 255 inside of a box of each slice. */
function block(x0: number, x1: number, y0: number, y1: number): Uint8Array {
  const out = new Uint8Array(size[0] * size[1] * size[2]);
  for (let i = 0; i < out.length; i++) {
    const x = i % size[0];
    const y = Math.floor(i / size[0]) % size[1];
    if (x >= x0 && x < x1 && y >= y0 && y < y1) out[i] = 255;
  }
  return out;
}

const box: Box = { lower: [0, 0, 0], upper: size };
const compare = (reference?: Uint8Array) =>
  compareChunk({
    size,
    sliceAxis: 2,
    // The second finds half of the first's object; the third a speck below the smallest object.
    probabilities: [block(2, 12, 2, 12), block(2, 7, 2, 12), block(20, 22, 1, 3)],
    settings: [settings, settings, settings],
    ...(reference && { reference }),
  });

describe("figures of a comparison", () => {
  it("compares a chunk's voxels and objects", () => {
    const comparison = compare(block(2, 12, 2, 12));
    expect(comparison.pairs[0]).toEqual([
      { truePositive: 1, falsePositive: 0, falseNegative: 0 },
      { truePositive: 0, falsePositive: 1, falseNegative: 1 },
    ]);
    // Without its speck the third has no object, as its layer shows none.
    expect(comparison.pairs[1][0]).toEqual({ truePositive: 0, falsePositive: 1, falseNegative: 0 });
    expect(comparison.histograms.map(({ regions }) => regions)).toEqual([2, 2, 0]);
    expect(pairsOf(3)).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
    ]);
  });

  it("adds chunks up, and scores where there is a reference", () => {
    const figures = comparisonFigures([
      { key: "0,0,0", box, comparison: compare(block(2, 12, 2, 12)) },
      { key: "1,0,0", box, comparison: compare() },
      { key: "2,0,0", box, error: "no EM" },
    ]);
    expect(figures).toMatchObject({ chunks: 2, referenceChunks: 1, failed: 1 });
    expect(figures?.agreement).toMatchObject({ all: 0, several: 200, only: [200, 0, 16] });
    expect(figures?.pairs[0].iou).toBe(0.5);
    expect(figures?.pairs[0].objects.map(({ f1 }) => f1)).toEqual([1, 0]);
    expect(figures?.reference?.map(({ voxels }) => voxels.iou)).toEqual([1, 0.5, 0]);
    expect(comparisonFigures([])).toBeUndefined();
  });

  it("ranks only what all packages say enough of, and lets others have their turn", async () => {
    const reports = [{ key: "0,0,0", box, comparison: compare() }];
    const distribution = measureDistribution([block(2, 12, 2, 12).subarray(0, 480)], 24, 20);
    const prior = { distribution, pixelRatio: 1 };
    const ranking = await new Promise<Ranking>((resolve) =>
      new Pump<Ranking>().run(rankingOf(reports, [prior, prior, prior])!, resolve),
    );
    expect(ranking.models[0].model).toBe(0);
    expect(rankingOf(reports, [prior, prior, { distribution: null, pixelRatio: 1 }])).toBeUndefined();
  });

  it("ranks the same chunks the same way in whatever order they came", () => {
    const distribution = measureDistribution([block(2, 12, 2, 12).subarray(0, 480)], 24, 20);
    const prior = { distribution, pixelRatio: 1 };
    const shapes = [block(2, 12, 2, 12), block(2, 20, 2, 5), block(3, 6, 3, 9), block(1, 23, 1, 19)];
    const reports = shapes.map((shape, i) => ({
      key: `${i},0,0`,
      box,
      comparison: compareChunk({
        size,
        sliceAxis: 2,
        probabilities: [shape, shapes[(i + 1) % 4]],
        settings: [settings, settings],
      }),
    }));
    const last = (steps: Generator<undefined, Ranking>) => {
      for (let next = steps.next(); ; next = steps.next()) if (next.done) return next.value;
    };
    const ranking = last(rankingOf(reports, [prior, prior])!);
    expect(ranking.resamplings).toBe(100);
    expect(last(rankingOf([...reports].reverse(), [prior, prior])!)).toEqual(ranking);
  });

  it("calls models by their strategies where that tells them apart", () => {
    const one = { id: "lucchi-to-vnc-self-training-unfiltered", strategy: "self-training" };
    expect(shortNames([one, { id: "lucchi-source-only", strategy: "source-only" }])).toEqual([
      "self-training-unfiltered",
      "source-only",
    ]);
    const other = { id: "vnc-source-only", strategy: "source-only" };
    expect(shortNames([other, { ...other, id: "lucchi-source-only" }])).toEqual([
      "vnc-source-only",
      "lucchi-source-only",
    ]);
    expect(shortNames([{ id: "mine", strategy: "cut" }])).toEqual(["mine"]);
  });

  it("draws each category in its colour", () => {
    const shader = agreementShader(2);
    expect(shader).toContain("v == 1u");
    expect(shader).toContain("v == 4u");
    expect(shader).not.toContain("v == 2u");
    expect(agreementShader(3)).toContain("v == 2u");
    expect(new Set([ALL_COLOUR, ...[0, 1, 2, 3].map(modelColour)]).size).toBe(5);
  });
});

describe("a reference's place", () => {
  const row = (view: number, linear: number[], offset: number) => ({ view, linear, offset });

  it("follows voxel sizes, offsets and the order of axes", () => {
    const from = [row(0, [2, 0, 0], 0), row(1, [0, 2, 0], 0), row(2, [0, 0, 1], 0)];
    const to = [row(0, [0, 0, 1], 4), row(1, [0, 1, 0], 0), row(2, [0.5, 0, 0], 0)];
    expect(alignAxes(from, to)).toEqual({ dims: [2, 1, 0], scale: [2, 2, 2], offset: [-4, 0, 0] });
  });

  it("refuses other axes and rotations", () => {
    const from = [row(0, [1, 0, 0], 0), row(1, [0, 1, 0], 0), row(2, [0, 0, 1], 0)];
    expect(() => alignAxes(from, [from[0], from[1], row(3, [0, 0, 1], 0)])).toThrow("same axes");
    expect(() => alignAxes(from, [row(0, [1, 1, 0], 0), from[1], from[2]])).toThrow("rotated");
  });
});
