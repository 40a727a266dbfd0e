import { describe, expect, it } from "vitest";
import { distributionDistance, FARTHEST, measureDistribution } from "../../../src/morphology/distribution.js";
import { placeMask } from "../../../src/morphology/object_runs.js";
import {
  distanceToDistribution,
  HistogramBuilder,
  histogramCounts,
  histogramQuantiles,
  mergeHistograms,
  regionHistogram,
} from "../../../src/morphology/prior_distance.js";
import { sampleRegions } from "../../../src/morphology/region_sample.js";
import { type Region, visitRegions, visitRunRegions } from "../../../src/morphology/regions.js";
import { summarise, summariseRuns } from "../../../src/morphology/summary.js";
import type { RegionDistribution } from "../../../src/morphology/types.js";
import { labelMask } from "../../../src/segmentation/label.js";
import { exportRuns } from "../../../src/segmentation/label_runs.js";
import { RunLabeller } from "../../../src/segmentation/runs.js";
import type { Vec3 } from "../../../src/volume/types.js";

const WIDTH = 200;
const HEIGHT = 160;

function random(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Slices of ellipses of about a radius. */
function slices(count: number, radius: number, seed: number, objects = 9): Uint8Array[] {
  const next = random(seed);
  return Array.from({ length: count }, () => {
    const slice = new Uint8Array(WIDTH * HEIGHT);
    for (let i = 0; i < objects; ++i) {
      const [x0, y0, a, b] = [
        next() * WIDTH,
        next() * HEIGHT,
        radius * (0.6 + next()),
        radius * (0.6 + next()),
      ];
      for (let y = 0; y < HEIGHT; ++y)
        for (let x = 0; x < WIDTH; ++x)
          if (((x - x0) / a) ** 2 + ((y - y0) / b) ** 2 <= 1) slice[y * WIDTH + x] = 255;
    }
    return slice;
  });
}

function regionsOf(images: readonly Uint8Array[]): Region[] {
  const volume = Uint8Array.from(images.flatMap((slice) => [...slice]));
  const found: Region[] = [];
  visitRegions(labelMask(volume, [WIDTH, HEIGHT, images.length]), 2, (region) => void found.push(region));
  return found;
}

const histogramOf = (images: readonly Uint8Array[]) =>
  regionHistogram(regionsOf(images), WIDTH * HEIGHT * images.length);

const source = measureDistribution(slices(6, 14, 1), WIDTH, HEIGHT) as RegionDistribution;

describe("distanceToDistribution", () => {
  it("is that of whole samples but for the bins", () => {
    for (const [radius, objects] of [
      [14, 9],
      [8, 9],
      [20, 5],
      [14, 30],
    ]) {
      const images = slices(5, radius, 7 + radius, objects);
      const sample = distributionDistance(sampleRegions(images, WIDTH, HEIGHT), source);
      const { distance, terms } = distanceToDistribution(histogramOf(images), source);
      for (const name of ["solidity", "logArea", "eccentricity"] as const)
        expect(Math.abs(terms[name] - sample.terms[name]), name).toBeLessThan(0.03);
      // Density is the mean one here, and coverage that of the pixels.
      expect(Math.abs(terms.density - sample.terms.density)).toBeLessThan(0.15);
      expect(Math.abs(terms.coverage - sample.terms.coverage)).toBeLessThan(0.15);
      expect(Math.abs(distance - sample.distance)).toBeLessThan(0.06);
    }
  });

  it("tells what is like the source from what is not", () => {
    const like = distanceToDistribution(histogramOf(slices(5, 14, 22)), source).distance;
    const smaller = distanceToDistribution(histogramOf(slices(5, 5, 22)), source).distance;
    const fewer = distanceToDistribution(histogramOf(slices(5, 14, 22, 2)), source).distance;
    expect(like).toBeLessThan(0.5 * smaller);
    expect(like).toBeLessThan(fewer);
  });

  it("knows pixels of another size", () => {
    const histogram = histogramOf(slices(5, 14, 3));
    const fine = distanceToDistribution(histogram, source);
    const coarse = distanceToDistribution(histogram, source, 4);
    expect(coarse.terms.solidity).toBe(fine.terms.solidity);
    expect(coarse.terms.logArea).toBeGreaterThan(fine.terms.logArea + 0.5);
    expect(coarse.terms.coverage).toBeCloseTo(fine.terms.coverage, 12);
    expect(() => distanceToDistribution(histogram, source, 0)).toThrow(/0 pixels/);
  });

  it("is farthest without a region", () => {
    const none = regionHistogram([], 1000);
    const { distance, terms } = distanceToDistribution(none, source);
    expect(distance).toBe(FARTHEST);
    expect(new Set(Object.values(terms))).toEqual(new Set([FARTHEST]));
    expect(distanceToDistribution(mergeHistograms([]), source).distance).toBe(FARTHEST);
  });
});

describe("mergeHistograms", () => {
  it("is exact in any order and grouping", () => {
    const parts = [3, 9, 14, 25].map((radius, i) => slices(2, radius, 40 + i));
    const histograms = parts.map(histogramOf);
    const whole = regionHistogram(parts.flatMap(regionsOf), 8 * WIDTH * HEIGHT);
    expect(mergeHistograms(histograms)).toEqual(whole);
    expect(mergeHistograms([mergeHistograms(histograms.slice(2)), histograms[1], histograms[0]])).toEqual(
      whole,
    );
    expect(whole.regions).toBe(histogramCounts(whole, "solidity", 0, 1, 20).reduce((a, b) => a + b));
    expect(structuredClone(whole)).toEqual(whole);
  });

  it("takes a chunk away that was measured anew", () => {
    const [a, b] = [histogramOf(slices(2, 8, 1)), histogramOf(slices(2, 15, 2))];
    const builder = new HistogramBuilder();
    builder.add(a);
    builder.add(b, 2);
    builder.add(a, -1);
    expect(builder.result()).toEqual(mergeHistograms([b, b]));
  });
});

describe("histogramQuantiles", () => {
  it("are those of the values to within a bin", () => {
    const next = random(8);
    const regions = Array.from({ length: 400 }, (_, i): Region => {
      const area = 11 + Math.floor(next() ** 3 * 9000);
      return { label: i, slice: 0, area, convexArea: area * (1 + next() / 3), eccentricity: next() };
    });
    const histogram = regionHistogram(regions, 1e6);
    const exact = (pick: (region: Region) => number) => {
      const sorted = regions.map(pick).sort((a, b) => a - b);
      return Array.from({ length: 50 }, (_, i) => {
        const position = ((i + 0.5) / 50) * 400 - 0.5;
        return (
          sorted[Math.floor(position)] +
          (position % 1) * (sorted[Math.ceil(position)] - sorted[Math.floor(position)])
        );
      });
    };
    const check = (
      quantity: "solidity" | "eccentricity" | "logArea",
      pick: (region: Region) => number,
      bin: number,
    ) =>
      histogramQuantiles(histogram, quantity, 50).forEach((value, i) => {
        expect(Math.abs(value - exact(pick)[i])).toBeLessThanOrEqual(bin);
      });
    check("solidity", ({ area, convexArea }) => area / convexArea, 1e-3);
    check("eccentricity", ({ eccentricity }) => eccentricity, 1e-3);
    check("logArea", ({ area }) => Math.log(area), 0.02);
    expect(histogramQuantiles(regionHistogram([], 9), "solidity")).toEqual([]);
  });
});

describe("summariseRuns", () => {
  it.each([0, 1, 2] as const)("is the summary of the labels, across axis %i", (sliceAxis) => {
    const next = random(sliceAxis + 1);
    const size: Vec3 = [40, 30, 12];
    const mask = Uint8Array.from({ length: 40 * 30 * 12 }, (_, i) =>
      Math.hypot((i % 20) - 9, (Math.floor(i / 40) % 15) - 7, (Math.floor(i / 1200) % 6) - 3) < 6 - 2 * next()
        ? 1
        : 0,
    );
    const labeller = new RunLabeller();
    labeller.begin(40, 30, 26);
    for (let z = 0; z < 12; ++z) labeller.addSlice(mask, 1, z * 1200);
    labeller.finish();
    const runs = exportRuns(labeller);
    const labelling = labelMask(mask, size);
    const { histogram, ...summary } = summariseRuns(runs, { sliceAxis });
    expect(summary).toEqual(summarise(labelling, { sliceAxis }));
    const regions: Region[] = [];
    visitRegions(labelling, sliceAxis, (region) => void regions.push(region));
    expect(histogram).toEqual(regionHistogram(regions, mask.length));
    const fromRuns: Region[] = [];
    visitRunRegions(runs, sliceAxis, (region) => void fromRuns.push(region));
    expect(fromRuns).toEqual(regions);
  });

  it("of a box without objects has pixels and no regions", () => {
    const { runs } = placeMask(new Uint8Array(8), [2, 2, 2]);
    const { histogram } = summariseRuns({ ...runs, count: 0 }, { sliceAxis: 2 });
    expect(histogram).toEqual(regionHistogram([], 8));
  });
});
