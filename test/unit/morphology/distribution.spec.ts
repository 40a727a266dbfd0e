import { describe, expect, it } from "vitest";
import {
  distributionDistance,
  FARTHEST,
  measureDistribution,
  quantilesOf,
  type RegionDistribution,
  wasserstein,
} from "../../../src/morphology/distribution.js";
import { sampleRegions } from "../../../src/morphology/region_sample.js";
import { QUANTILES } from "../../../src/morphology/types.js";
import { Random } from "../../../src/network/random.js";

const SIZE = 160;

/** Slices of ellipses on a jittered grid, each in its place through all slices. */
function stack(
  seed: number,
  { radius = 8, keep = 1, slices = 12, stretch = 1.3, bite = 0, sliver = 0 } = {},
): Uint8Array[] {
  const random = new Random(seed);
  const objects = Array.from({ length: 16 }, (_, i) => ({
    x: 20 + 40 * (i % 4) + random.uniform(-6, 6),
    y: 20 + 40 * Math.floor(i / 4) + random.uniform(-6, 6),
    r: radius * random.uniform(0.6, 1.4),
    kept: random.uniform(0, 1) < keep,
  }));
  return Array.from({ length: slices }, (_, z) => {
    const mask = new Uint8Array(SIZE * SIZE);
    for (const { x, y, r, kept } of objects) {
      const size = r * (1 + 0.2 * Math.sin(z + x));
      if (!kept) continue;
      for (let j = 0; j < SIZE; ++j) {
        for (let i = 0; i < SIZE; ++i) {
          const [u, v] = [(i - x) / stretch, (j - y) * stretch];
          const inside = u * u + v * v < size * size && !(bite > 0 && Math.abs(i - x) < bite && j > y);
          if (inside || (sliver > 0 && Math.abs(j - y) < 1 && Math.abs(i - x) < sliver))
            mask[j * SIZE + i] = 1;
        }
      }
    }
    return mask;
  });
}

const source = measureDistribution(stack(1), SIZE, SIZE, 1) as RegionDistribution;
const distance = (slices: Uint8Array[], pixelRatio?: number) =>
  distributionDistance(sampleRegions(slices, SIZE, SIZE, 1), source, pixelRatio);

describe("quantilesOf and wasserstein", () => {
  it("give the distance of shifted and scaled samples", () => {
    const a = Float64Array.from({ length: 1000 }, (_, i) => i / 1000);
    const shifted = a.map((v) => v + 0.3);
    expect(wasserstein(quantilesOf(a), quantilesOf(shifted))).toBeCloseTo(0.3, 12);
    // W of uniform [0, 1] and uniform [0, 2] is the integral of u over [0, 1].
    expect(wasserstein(quantilesOf(a), quantilesOf(a.map((v) => 2 * v)))).toBeCloseTo(0.5, 3);
    expect(wasserstein(quantilesOf(a), quantilesOf(a.slice().reverse()))).toBe(0);
  });

  it("hold for one value and for two", () => {
    expect(new Set(quantilesOf(Float64Array.of(4)))).toEqual(new Set([4]));
    const two = quantilesOf(Float64Array.of(0, 1));
    expect([two[0], two[QUANTILES - 1]]).toEqual([0, 1]);
    expect(two.reduce((sum, v) => sum + v, 0) / QUANTILES).toBeCloseTo(0.5, 12);
    expect(() => wasserstein([1], [1, 2])).toThrow(RangeError);
  });
});

describe("distributionDistance", () => {
  it("is nothing for the source itself and little for another sample of it", () => {
    expect(distance(stack(1)).distance).toBeLessThan(1e-5);
    expect(distance(stack(2)).distance).toBeLessThan(0.5);
  });

  it("is worked as its formula says", () => {
    const flat = (value: number, spread: number) => ({
      quantiles: new Array<number>(QUANTILES).fill(value),
      spread,
    });
    const known: RegionDistribution = {
      solidity: flat(0.9, 0.1),
      logArea: flat(Math.log(100), Math.log(2)),
      eccentricity: flat(0.5, 0.25),
      density: flat(Math.log(101), 1),
    };
    const sample = {
      area: Float64Array.of(50, 50),
      solidity: Float64Array.of(0.8, 0.8),
      eccentricity: Float64Array.of(0.5, 0.5),
      counts: Float64Array.of(1, 1),
      sliceArea: 1e4,
    };
    const { distance: d, terms } = distributionDistance(sample, known);
    for (const name of ["solidity", "logArea"] as const) expect(terms[name]).toBeCloseTo(1, 12);
    for (const name of ["eccentricity", "density"] as const) expect(terms[name]).toBeCloseTo(0, 12);
    // Regions of half the area, as many: half of the foreground.
    expect(terms.coverage).toBeCloseTo(Math.log(2), 12);
    expect(d).toBeCloseTo((1 + 1 + 0 + 0 + Math.log(2)) / 5, 12);
    // Pixels twice the size: the area fits, and the density is half of the source's.
    const larger = distributionDistance(sample, known, 2).terms;
    expect(larger.logArea).toBeCloseTo(0, 12);
    expect(larger.density).toBeCloseTo(Math.log(101 / 51), 12);
    expect(larger.coverage).toBeCloseTo(Math.log(2), 12);
    expect(() => distributionDistance(sample, known, 0)).toThrow(RangeError);
  });

  it.each([
    ["small", { radius: 4 }],
    ["few", { keep: 0.3 }],
    ["elongated", { stretch: 2.2, radius: 8 }],
    ["bitten", { bite: 3 }],
    ["spiked", { sliver: 22 }],
  ] as const)("is greater for regions that are %s", (_name, options) => {
    expect(distance(stack(2, options)).distance).toBeGreaterThan(distance(stack(2)).distance + 0.05);
  });

  it("grows with what is wrong", () => {
    const distances = [1, 0.7, 0.4, 0.2].map((keep) => distance(stack(1, { keep })).distance);
    expect(distances).toEqual([...distances].sort((a, b) => a - b));
    expect(new Set(distances).size).toBe(4);
  });

  it("stays a number for the worst source that a package may state", () => {
    const flat = (value: number) => ({ quantiles: new Array<number>(QUANTILES).fill(value), spread: 1e-300 });
    const odd = { solidity: flat(0), logArea: flat(1e308), eccentricity: flat(0), density: flat(0) };
    const { distance: d } = distributionDistance(sampleRegions(stack(1), SIZE, SIZE, 1), odd);
    expect(d).toBe(FARTHEST);
  });

  it("has nothing worse than an empty prediction", () => {
    const empty = distance([new Uint8Array(SIZE * SIZE)]);
    expect(empty.distance).toBe(FARTHEST);
    expect(new Set(Object.values(empty.terms))).toEqual(new Set([FARTHEST]));
    const everything = distance([new Uint8Array(SIZE * SIZE).fill(1)]).distance;
    expect(everything).toBeGreaterThan(1);
    expect(everything).toBeLessThan(FARTHEST);
    const speck = distance([new Uint8Array(SIZE * SIZE).fill(1, 0, 11)]).distance;
    expect(speck).toBeLessThan(FARTHEST);
  });
});

describe("measureDistribution", () => {
  it("is the same each time, of finite numbers that JSON keeps", () => {
    expect(measureDistribution(stack(1), SIZE, SIZE, 1)).toEqual(source);
    expect(JSON.parse(JSON.stringify(source))).toEqual(source);
    for (const { quantiles, spread } of Object.values(source)) {
      expect(quantiles).toHaveLength(QUANTILES);
      expect(quantiles).toEqual([...quantiles].sort((a, b) => a - b));
      expect(spread).toBeGreaterThan(0);
    }
  });

  it("keeps a spread above 0 where the regions of the source are all alike", () => {
    const disc = new Uint8Array(SIZE * SIZE).fill(1, 0, 40);
    for (const { spread } of Object.values(measureDistribution([disc, disc], SIZE, SIZE, 1)!)) {
      expect(spread).toBeGreaterThan(0);
    }
  });

  it("is null where there is nothing to compare with", () => {
    expect(measureDistribution([new Uint8Array(16)], 4, 4, 1)).toBeNull();
    expect(measureDistribution([], 4, 4, 1)).toBeNull();
  });
});
