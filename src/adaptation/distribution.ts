import { QUANTILES, type QuantityDistribution, type RegionDistribution } from "../morphology/types.js";
import { sampleRegions } from "./region_sample.js";
import type { RegionSample } from "./types.js";

export type { QuantityDistribution, RegionDistribution } from "../morphology/types.js";

/** What is compared of the regions; each is a distribution of its own. */
export const QUANTITIES = ["solidity", "logArea", "eccentricity", "density"] as const;
type Quantity = (typeof QUANTITIES)[number];

/** No quantity is told apart more finely than this, however alike the halves of a source are. */
const LEAST_SPREAD: Readonly<Record<Quantity, number>> = {
  solidity: 0.002,
  logArea: 0.02,
  eccentricity: 0.005,
  density: 0.5,
};
/** Nor more finely than this part of its standard deviation: two halves of a small source may be alike by chance. */
const LEAST_PART = 0.1;

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
  const half = Math.ceil(slices.length / 2);
  const sample = (part: readonly Uint8Array[]) => valuesOf(sampleRegions(part, width, height, minimum));
  const whole = sample(slices);
  if (whole.solidity.length === 0) return null;
  // An object that the cut goes through is in both halves, as it is in any two halves of such a volume.
  const first = sample(slices.slice(0, half));
  const second = sample(slices.slice(half));
  const distribution = (quantity: Quantity): QuantityDistribution => {
    const quantiles = quantilesOf(whole[quantity]).map((value) => Number(value.toPrecision(7)));
    const [a, b] = [first[quantity], second[quantity]];
    const between = a.length > 0 && b.length > 0 ? wasserstein(quantilesOf(a), quantilesOf(b)) : 0;
    const least = Math.max(LEAST_SPREAD[quantity], LEAST_PART * deviation(whole[quantity]));
    return { quantiles, spread: Number(Math.max(between, least).toPrecision(7)) };
  };
  return {
    solidity: distribution("solidity"),
    logArea: distribution("logArea"),
    eccentricity: distribution("eccentricity"),
    density: distribution("density"),
  };
}

export interface DistributionDistance {
  /** 0: the same in everything; 1: nothing was predicted, the worst. */
  readonly distance: number;
  /** Wasserstein distance of each quantity in units of the source's spread; null where nothing was predicted. */
  readonly terms: Readonly<Record<Quantity, number>> | null;
}

/**
 * How far the morphology of a prediction is from a source's, as whole distributions, where solidity alone compares two
 * means. For each quantity the one-dimensional Wasserstein distance W (the area between the two quantile functions, here from
 * their values at `QUANTILES` probabilities) is divided by the spread s that the source has in itself, so that 1 is "as
 * far as one half of the source from the other". The distance is the mean over the quantities of (W / s) / (1 + W / s): no single
 * quantity outweighs the others however far off it is, and an empty prediction, 1 by definition, is worse than all.
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
  if (values.solidity.length === 0) return { distance: 1, terms: null };
  const term = (quantity: Quantity) =>
    wasserstein(quantilesOf(values[quantity]), source[quantity].quantiles) / source[quantity].spread;
  const terms = {
    solidity: term("solidity"),
    logArea: term("logArea"),
    eccentricity: term("eccentricity"),
    density: term("density"),
  };
  const bounded = QUANTITIES.map((quantity) => terms[quantity] / (1 + terms[quantity]));
  return { distance: bounded.reduce((sum, value) => sum + value, 0) / bounded.length, terms };
}

/** The quantities of a sample, in the units of `RegionDistribution`. */
function valuesOf(sample: RegionSample, pixelRatio = 1): Record<Quantity, Float64Array> {
  const { area, solidity, eccentricity, counts, sliceArea } = sample;
  return {
    solidity,
    logArea: area.map((pixels) => Math.log(pixels * pixelRatio)),
    eccentricity,
    density: counts.map((regions) => (regions / (sliceArea * pixelRatio)) * 1e6),
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
