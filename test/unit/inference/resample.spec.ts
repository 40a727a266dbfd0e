import { describe, expect, it } from "vitest";
import {
  modelSize,
  reflect,
  resampleImage,
  type Taps,
  tapsToModel,
  tapsToVoxels,
} from "../../../src/inference/resample.js";

const apply = (line: number[], taps: Taps) =>
  Array.from(
    resampleImage(
      { data: line, offset: 0, columnStride: 1, rowStride: line.length },
      taps,
      tapsToModel(0, 1, 1, 1),
      [0, 0],
    ),
  );

describe("reflect", () => {
  it("is numpy's, folded for short axes", () => {
    // numpy.pad([0, 1, 2], 5, "reflect")
    expect(Array.from({ length: 13 }, (_, i) => reflect(i - 5, 3))).toEqual([
      1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1,
    ]);
    expect([reflect(-7, 1), reflect(9, 1)]).toEqual([0, 0]);
  });
});

describe("to model pixels", () => {
  it("averages the area of a larger pixel", () => {
    expect(apply([1, 3, 5, 7, 9], tapsToModel(0, 3, 5, 2))).toEqual([2, 6, 9]);
    // Pixels of 2.5 voxels: [0, 2.5) and [2.5, 5).
    expect(apply([10, 20, 30, 40, 50], tapsToModel(0, 2, 5, 2.5))).toEqual([18, 42]);
  });

  it("interpolates between half-pixel centres for a smaller pixel", () => {
    // torch.nn.functional.interpolate([[[1, 3, 7]]], scale_factor=2, mode="linear", align_corners=False)
    expect(apply([1, 3, 7], tapsToModel(0, 6, 3, 0.5))).toEqual([1, 1.5, 2.5, 4, 6, 7]);
  });

  it("reflects beyond the volume on the model grid", () => {
    expect(apply([1, 3, 5, 7, 9, 11], tapsToModel(-2, 5, 6, 2))).toEqual([10, 6, 2, 6, 10, 6, 2]);
  });

  it("covers the volume to its last voxel, and does not reach beyond for a rounding error", () => {
    expect(modelSize(1023, 2)).toBe(512);
    expect(modelSize(1, 3.3)).toBe(1);
    for (const ratio of [1.1, 1.25, 10 / 4.6, 3.3, 0.7, 0.3]) {
      for (const length of [1, 7, 100, 1024]) {
        const { index, weight, start } = tapsToModel(0, modelSize(length, ratio), length, ratio);
        expect(Math.max(...index)).toBe(length - 1);
        expect(Math.min(...index)).toBe(0);
        for (let i = 0; i + 1 < start.length; i++)
          expect(weight.subarray(start[i], start[i + 1]).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      }
    }
  });
});

describe("to voxels", () => {
  it("interpolates between the centres of model pixels", () => {
    expect(apply([1, 3, 7], tapsToVoxels(0, 6, 6, 2))).toEqual([1, 1.5, 2.5, 4, 6, 7]);
    expect(apply([1, 3, 7], tapsToVoxels(2, 4, 6, 2))).toEqual([2.5, 4]);
    expect(apply([4, 5, 6], tapsToVoxels(0, 3, 3, 1))).toEqual([4, 5, 6]);
  });

  it("gives back a constant and a ramp in the middle", () => {
    const ramp = Array.from({ length: modelSize(40, 2.5) }, (_, i) => (i + 0.5) * 2.5);
    const voxels = apply(ramp, tapsToVoxels(0, 40, 40, 2.5));
    for (let v = 2; v < 37; v++) expect(voxels[v]).toBeCloseTo(v + 0.5, 4);
  });
});
