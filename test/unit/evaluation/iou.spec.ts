import { describe, expect, it } from "vitest";
import { compareSlice, foregroundScores } from "../../../src/evaluation/iou.js";

const mask = (text: string) => Uint8Array.from(text, (c) => Number(c));

describe("compareSlice", () => {
  it("counts what is shared, too much and missed", () => {
    expect(compareSlice(mask("110010"), mask("101010"))).toEqual({
      truePositive: 2,
      falsePositive: 1,
      falseNegative: 1,
    });
  });

  it("leaves ignored pixels out, both ways", () => {
    expect(compareSlice(mask("1100"), mask("1010"), mask("0110"))).toEqual({
      truePositive: 1,
      falsePositive: 0,
      falseNegative: 0,
    });
  });
});

describe("foregroundScores", () => {
  const slice = (slice: number, truePositive: number, falsePositive: number, falseNegative: number) => ({
    slice,
    truePositive,
    falsePositive,
    falseNegative,
  });

  it("averages slices as the paper does: an empty one counts 0", () => {
    // Per slice 6/10, 0 (nothing there, nothing found), 1/2.
    const scores = foregroundScores([slice(0, 6, 2, 2), slice(1, 0, 0, 0), slice(2, 1, 1, 0)]);
    expect(scores.slices.map(({ iou }) => iou)).toEqual([0.6, 0, 0.5]);
    expect(scores.iouPerSlice).toBeCloseTo(1.1 / 3, 12);
    expect(scores.iouVolume).toBeCloseTo(7 / 12, 12);
    expect(scores.precision).toBeCloseTo(0.7, 12);
    expect(scores.recall).toBeCloseTo(7 / 9, 12);
    expect(scores.dice).toBeCloseTo(14 / 19, 12);
  });

  it("is 0, and a number, where there is nothing", () => {
    expect(foregroundScores([slice(0, 0, 0, 0)])).toMatchObject({ iouPerSlice: 0, iouVolume: 0, dice: 0 });
    expect(foregroundScores([])).toMatchObject({ iouPerSlice: 0, precision: 0, recall: 0 });
  });
});
