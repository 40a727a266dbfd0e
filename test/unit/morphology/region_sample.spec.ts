import { describe, expect, it } from "vitest";
import {
  meanAra,
  meanSolidity,
  measureTissue,
  RegionSampler,
  sampleRegions,
} from "../../../src/morphology/region_sample.js";
import { summarise } from "../../../src/morphology/summary.js";
import { labelMask } from "../../../src/segmentation/label.js";

const [W, H] = [20, 12];

/** A slice with filled rectangles [left, top, width, height]. */
function slice(...rectangles: [number, number, number, number][]): Uint8Array {
  const mask = new Uint8Array(W * H);
  for (const [left, top, width, height] of rectangles) {
    for (let y = top; y < top + height; ++y) mask.fill(1, y * W + left, y * W + left + width);
  }
  return mask;
}

describe("sampleRegions", () => {
  it("measures one region for each 3-D object and slice, above 10 px", () => {
    // Two blobs of slice 1 are one object through slice 0; a 2 x 5 blob of 10 px is left out; 11 px are not.
    const stack = [
      slice([1, 1, 12, 3]),
      slice([1, 1, 4, 3], [9, 1, 4, 3]),
      slice(),
      slice([1, 1, 5, 2], [8, 6, 11, 1]),
    ];
    const sample = sampleRegions(stack, W, H, 1);
    expect([...sample.area]).toEqual([36, 24, 11]);
    expect([...sample.counts]).toEqual([1, 1, 0, 1]);
    expect(sample.sliceArea).toBe(240);
    // 24 px of a hull that spans the gap: 12 x 3.
    expect([...sample.solidity]).toEqual([1, 24 / 36, 1]);
    expect(meanSolidity(sample)).toBeCloseTo((1 + 2 / 3 + 1) / 3, 15);
    expect(meanAra(sample)).toBeCloseTo((36 + 24 + 11) / 3 / 240, 15);
  });

  it("agrees with the summary of the labelled stack", () => {
    const stack = Array.from({ length: 6 }, (_, z) =>
      Uint8Array.from({ length: W * H }, (_v, i) => {
        const [x, y] = [i % W, Math.floor(i / W)];
        return Math.sin(x * 0.9 + z) + Math.cos(y * 0.8 - z) > 0.4 ? 255 : 0;
      }),
    );
    const volume = new Uint8Array(W * H * 6);
    stack.forEach((values, z) => {
      volume.set(values, z * W * H);
    });
    const summary = summarise(labelMask(volume, [W, H, 6]), { sliceAxis: 2 });
    const sample = sampleRegions(stack, W, H);
    expect(summary.regions).toBeGreaterThan(6);
    expect(sample.area.length).toBe(summary.regions);
    expect(meanSolidity(sample)).toBeCloseTo(summary.solidity, 14);
    expect(meanAra(sample)).toBeCloseTo(summary.ara, 16);
  });

  it("binarises probabilities at one half", () => {
    const soft = slice([2, 2, 6, 4]).map((value) => (value ? 128 : 127));
    expect([...sampleRegions([soft], W, H).area]).toEqual([24]);
  });

  it("has finite means without a region, and refuses slices that are too small", () => {
    const empty = sampleRegions([slice(), slice([0, 0, 2, 2])], W, H, 1);
    expect([meanSolidity(empty), meanAra(empty), empty.area.length]).toEqual([0, 0, 0]);
    expect([...empty.counts]).toEqual([0, 0]);
    expect(() => new RegionSampler(W, H).add(new Uint8Array(5))).toThrow(RangeError);
  });
});

describe("meanAra of tissue", () => {
  const em = (tissue: number) => Uint8Array.from({ length: W * H }, (_, i) => (i < tissue ? 90 : 0));

  it("leaves raw zeros out and grows the ratios by delta a slice", () => {
    // Worked by hand: delta = (200 / 100) / 2 = 1; ratios 20/100 * 1, 30/150 * 2, 40/200 * 3.
    const tissue = measureTissue([em(100), em(150), em(200)]);
    expect(tissue).toEqual({ area: [100, 150, 200], delta: 1 });
    const sample = sampleRegions([slice([0, 0, 5, 4]), slice([0, 0, 5, 6]), slice([0, 0, 5, 8])], W, H, 1);
    expect(meanAra(sample, tissue)).toBeCloseTo((0.2 + 0.4 + 0.6) / 3, 15);
    expect(meanAra(sample, { ...tissue, delta: 0 })).toBeCloseTo(0.2, 15);
  });

  it("takes a slice that is all padding as having no share", () => {
    const tissue = measureTissue([em(100), em(0)]);
    const sample = sampleRegions([slice([0, 0, 5, 4]), slice([0, 0, 5, 4])], W, H, 1);
    expect(tissue.delta).toBe(0);
    expect(meanAra(sample, tissue)).toBeCloseTo(0.1, 15);
  });

  it("refuses tissue that has no delta or is another stack's", () => {
    expect(() => measureTissue([em(0), em(9)])).toThrow("0 px in the first");
    expect(() => measureTissue([em(9)])).toThrow("1 slices");
    const sample = sampleRegions([slice()], W, H, 1);
    expect(() => meanAra(sample, measureTissue([em(9), em(9)]))).toThrow("2 slices for a sample of 1");
  });
});
