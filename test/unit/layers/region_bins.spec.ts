import { describe, expect, it } from "vitest";
import { BINS, plotOf, sharesOf } from "../../../layers/morphology_panel/region_bins.js";
import { regionHistogram } from "../../../src/morphology/prior_distance.js";
import type { Region } from "../../../src/morphology/regions.js";
import { QUANTILES, type RegionDistribution } from "../../../src/morphology/types.js";

const none = new Float64Array(0);
const total = (shares: readonly number[]) => shares.reduce((sum, share) => sum + share, 0);

function regionsOf(areas: readonly number[]): Region[] {
  return areas.map((area) => ({ area, convexArea: area / 0.9, eccentricity: 0.5 }) as Region);
}

function distribution(quantiles: (p: number) => number): RegionDistribution {
  const quantity = {
    quantiles: Array.from({ length: QUANTILES }, (_, i) => quantiles((i + 0.5) / QUANTILES)),
    spread: 1,
  };
  return { solidity: quantity, logArea: quantity, eccentricity: quantity, density: quantity };
}

describe("sharesOf", () => {
  it("gives equal shares of an even distribution", () => {
    const shares = sharesOf(distribution((p) => p).solidity.quantiles, 0, 1);
    expect(shares).toHaveLength(BINS);
    for (const share of shares) expect(share).toBeCloseTo(1 / BINS, 2);
    expect(total(shares)).toBeCloseTo(1, 12);
  });

  it("puts what lies outside into the end bins", () => {
    const shares = sharesOf(distribution((p) => p).solidity.quantiles, 0.5, 1);
    expect(shares[0]).toBeGreaterThan(0.5);
    expect(total(shares)).toBeCloseTo(1, 12);
    expect(sharesOf([2, 2, 2], 0, 1).at(-1)).toBe(1);
    expect(sharesOf([-2, -2], 0, 1)[0]).toBe(1);
  });

  it("takes a step for many equal values", () => {
    const shares = sharesOf([0.3, 0.3, 0.3, 0.3], 0, 1);
    expect(shares.filter((share) => share > 0)).toEqual([1]);
  });
});

describe("plotOf", () => {
  it("is empty, and finite, without a region or a source", () => {
    const histogram = regionHistogram([], 1000);
    for (const quantity of ["solidity", "eccentricity", "logArea", "density"] as const) {
      const plot = plotOf(quantity, { histogram, densities: none }, null, 1);
      expect(plot.count).toBe(0);
      expect(plot.median).toBeUndefined();
      expect(plot.source).toBeUndefined();
      expect(plot.shares).toEqual(new Array(BINS).fill(0));
      expect(plot.to).toBeGreaterThan(plot.from);
    }
  });

  it("finds regions in their bins, and their median", () => {
    const histogram = regionHistogram(regionsOf([100, 100, 100, 400]), 10_000);
    const plot = plotOf("solidity", { histogram, densities: none }, null, 1);
    expect(plot.count).toBe(4);
    expect(plot.median).toBeCloseTo(0.9, 2);
    expect(plot.shares[Math.floor(((0.9 - 0.5) / 0.5) * BINS)]).toBe(1);
  });

  it("converts areas and densities to pixels of the source's grid", () => {
    // 2 x 2 pixels of the prediction are one of the source.
    const histogram = regionHistogram(regionsOf([400, 400, 400]), 40_000);
    const source = distribution((p) => Math.log(50) + p * Math.log(4));
    const area = plotOf("logArea", { histogram, densities: none }, source, 0.25);
    expect(area.median).toBeCloseTo(Math.log(100), 1);
    expect(area.source?.median).toBeCloseTo(Math.log(100), 2);
    const densities = Float64Array.of(Math.log1p(10), Math.log1p(20), Math.log1p(30));
    const density = plotOf("density", { histogram, densities }, source, 0.25);
    expect(density.median).toBeCloseTo(Math.log1p(80), 10);
    expect(density.count).toBe(3);
  });
});
