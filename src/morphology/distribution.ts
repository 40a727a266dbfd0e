import { sampleRegions } from "./region_sample.js";
import type { RegionSample } from "./types.js";
import { QUANTILES, type QuantityDistribution, type RegionDistribution } from "./types.js";

export type { QuantityDistribution, RegionDistribution } from "./types.js";

/** What is known of the regions; each is a distribution of its own. */
export const QUANTITIES = ["solidity", "logArea", "eccentricity", "density"] as const;
type Quantity = (typeof QUANTITIES)[number];
/** What is compared: the distributions, and the foreground share that follows from areas and density. */
export type Term = Quantity | "coverage";

/** No quantity is told apart more finely than this, however alike the regions of a source are. */
const LEAST_SPREAD = { solidity: 0.005, logArea: 0.05, eccentricity: 0.01 } as const;
/**
 * Density and coverage are compared by factors of e: within a source it hardly varies, between tissues it does, so that the source's own
 * spread would make it outweigh the rest.
 */
export const FACTOR_SPREAD = 1;
/** The most that a quantity can be off, and so what an empty prediction is. */
export const FARTHEST = 10;

/**
 * Measures the ground truth of a source.
 * @param slices row-major masks or foreground fractions, in their order in the stack.
 * @param minimum a pixel is foreground when its byte is at least this.
 * @returns null where there is no region (nothing can then be compared with it).
 */
export function measureDistribution(
  slices: readonly Uint8Array[],
  width: number,
  height: number,
  minimum = 128,
): RegionDistribution | null {
  const whole = valuesOf(sampleRegions(slices, width, height, minimum));
  if (whole.solidity.length === 0) return null;
  const distribution = (quantity: Quantity, spread: number): QuantityDistribution => ({
    quantiles: quantilesOf(whole[quantity]).map(rounded),
    spread: rounded(spread),
  });
  const own = (quantity: keyof typeof LEAST_SPREAD) =>
    distribution(quantity, Math.max(LEAST_SPREAD[quantity], deviation(whole[quantity])));
  return {
    solidity: own("solidity"),
    logArea: own("logArea"),
    eccentricity: own("eccentricity"),
    density: distribution("density", FACTOR_SPREAD),
  };
}

/** Seven digits: what a package needs of a number. */
const rounded = (value: number) => Number(value.toPrecision(7));

export interface DistributionDistance {
  /** 0: the same in everything; `FARTHEST`: nothing was predicted, the worst. */
  readonly distance: number;
  /** Distance in each, in units of the source's spread, at most `FARTHEST`. */
  readonly terms: Readonly<Record<Term, number>>;
}

/**
 * How far the morphology of a prediction is from a source's, as whole distributions, where the published criterion compares
 * two means. For each quantity the one-dimensional Wasserstein distance W (the area between the two quantile functions, here
 * from their values at `QUANTILES` probabilities) is divided by the standard deviation s that the quantity has among the
 * source's regions, so that quantities of different units count alike; density, by factors of e. To them comes coverage, the
 * foreground's share (mean area x mean density), by factors of e: it stays the same when an object falls into pieces, and tells
 * of what is missing or too much when size and number make up for each other. The distance is the mean over all five of
 * min(W / s, 10). An empty prediction is at 10 in everything.
 *
 * @param pixelRatio area of a pixel of the sample in pixels of the source's grid: 1 when they are of one size.
 */
export function distributionDistance(
  sample: RegionSample,
  source: RegionDistribution,
  pixelRatio = 1,
): DistributionDistance {
  if (!(pixelRatio > 0 && Number.isFinite(pixelRatio))) {
    throw new RangeError(`a pixel cannot be ${pixelRatio} pixels`);
  }
  const values = valuesOf(sample, pixelRatio);
  if (values.solidity.length === 0) {
    const terms = { solidity: 0, logArea: 0, eccentricity: 0, density: 0, coverage: 0 };
    for (const name of Object.keys(terms) as Term[]) terms[name] = FARTHEST;
    return { distance: FARTHEST, terms };
  }
  const quantiles = (quantity: Quantity) => quantilesOf(values[quantity]);
  const term = (quantity: Quantity) =>
    Math.min(
      FARTHEST,
      wasserstein(quantiles(quantity), source[quantity].quantiles) / source[quantity].spread,
    );
  const covered = coverageOf(quantiles("logArea"), quantiles("density"));
  const expected = coverageOf(source.logArea.quantiles, source.density.quantiles);
  const factors = Math.abs(Math.log(covered / expected)) / FACTOR_SPREAD;
  const terms = {
    solidity: term("solidity"),
    logArea: term("logArea"),
    eccentricity: term("eccentricity"),
    density: term("density"),
    // Nothing divided by nothing is no number, and so no nearness.
    coverage: factors <= FARTHEST ? factors : FARTHEST,
  };
  const all = Object.values(terms);
  return { distance: all.reduce((sum, value) => sum + value, 0) / all.length, terms };
}

/** Mean area x mean density of distributions given by their quantiles: foreground pixels in a million. */
export function coverageOf(logArea: readonly number[], density: readonly number[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return mean(logArea.map(Math.exp)) * mean(density.map(Math.expm1));
}

/** The quantities of a sample, in the units of `RegionDistribution`. */
function valuesOf(sample: RegionSample, pixelRatio = 1): Record<Quantity, Float64Array> {
  const { area, solidity, eccentricity, counts, sliceArea } = sample;
  return {
    solidity,
    logArea: area.map((pixels) => Math.log(pixels * pixelRatio)),
    eccentricity,
    density: counts.map((regions) => Math.log1p((regions / (sliceArea * pixelRatio)) * 1e6)),
  };
}

/** Quantile function at (i + 0.5) / QUANTILES, linear between the sorted values, which stand at (k + 0.5) / n. */
export function quantilesOf(values: Float64Array): number[] {
  const sorted = values.slice().sort();
  const last = sorted.length - 1;
  return Array.from({ length: QUANTILES }, (_, i) => {
    const position = Math.min(last, Math.max(0, ((i + 0.5) / QUANTILES) * sorted.length - 0.5));
    const below = Math.floor(position);
    const above = Math.min(last, below + 1);
    return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
  });
}

/** Mean distance of two quantile functions given at the same probabilities. */
export function wasserstein(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length || a.length === 0) {
    throw new RangeError(`${a.length} and ${b.length} quantiles cannot be compared`);
  }
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += Math.abs(a[i] - b[i]);
  return sum / a.length;
}

function deviation(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
