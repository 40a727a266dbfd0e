import { histogramCounts, histogramQuantiles } from "../../src/morphology/prior_distance.js";
import type { RegionDistribution, RegionHistogram } from "../../src/morphology/types.js";

export const QUANTITIES = ["solidity", "eccentricity", "logArea", "density"] as const;
export type Quantity = (typeof QUANTITIES)[number];

/** Bins of each plot. */
export const BINS = 24;

/** Where the bins lie when no source is known. */
const RANGES: Readonly<Record<Quantity, readonly [number, number]>> = {
  solidity: [0.5, 1],
  eccentricity: [0, 1],
  logArea: [Math.log(10), Math.log(30_000)],
  density: [0, Math.log1p(2000)],
};

/** What a plot of one quantity shows: shares of all regions (or chunks) in equal bins of [from, to]; what lies outside is in the end bins. */
export interface QuantityPlot {
  readonly from: number;
  readonly to: number;
  /** Shares of the prediction; all 0 without a region. */
  readonly shares: readonly number[];
  /** Regions, or chunks for the density. */
  readonly count: number;
  /** Absent without any. */
  readonly median?: number;
  /** The source's, where it is known. */
  readonly source?: { readonly shares: readonly number[]; readonly median: number };
}

/** The regions that are plotted. */
export interface RegionsShown {
  readonly histogram: RegionHistogram;
  /** log(1 + regions per million pixels) of each chunk, pixels as in `RegionHistogram`. */
  readonly densities: Float64Array;
}

/**
 * @param pixelRatio area of a pixel of the prediction in pixels of the source's grid: areas and densities are those of the source's.
 */
export function plotOf(
  quantity: Quantity,
  { histogram, densities }: RegionsShown,
  source: RegionDistribution | null,
  pixelRatio: number,
): QuantityPlot {
  const quantiles = source?.[quantity].quantiles;
  const [from, to] = rangeOf(quantity, quantiles);
  const counts =
    quantity === "density"
      ? binned(densities, from, to, (value) => Math.log1p(Math.expm1(value) / pixelRatio))
      : histogramCounts(
          histogram,
          quantity,
          from - shiftOf(quantity, pixelRatio),
          to - shiftOf(quantity, pixelRatio),
          BINS,
        );
  const count = counts.reduce((sum, value) => sum + value, 0);
  return {
    from,
    to,
    shares: counts.map((value) => (count === 0 ? 0 : value / count)),
    count,
    ...(count > 0 && { median: medianOf(quantity, { histogram, densities }, pixelRatio) }),
    ...(quantiles && { source: { shares: sharesOf(quantiles, from, to), median: middle(quantiles) } }),
  };
}

const shiftOf = (quantity: Quantity, pixelRatio: number) =>
  quantity === "logArea" ? Math.log(pixelRatio) : 0;

function medianOf(quantity: Quantity, { histogram, densities }: RegionsShown, pixelRatio: number): number {
  if (quantity !== "density")
    return histogramQuantiles(histogram, quantity, 1)[0] + shiftOf(quantity, pixelRatio);
  return Math.log1p(Math.expm1(middle(densities.slice().sort())) / pixelRatio);
}

/** Middle of ascending values. */
function middle(values: ArrayLike<number>): number {
  const half = (values.length - 1) / 2;
  return (values[Math.floor(half)] + values[Math.ceil(half)]) / 2;
}

/** All of the source and a quarter more on each side where the quantity has no bounds of its own. */
function rangeOf(quantity: Quantity, quantiles: readonly number[] | undefined): readonly [number, number] {
  if (quantiles === undefined || quantity === "solidity" || quantity === "eccentricity")
    return RANGES[quantity];
  const [least, most] = [quantiles[0], quantiles[quantiles.length - 1]];
  const margin = Math.max(0.5, 0.25 * (most - least));
  return [Math.max(0, least - margin), most + margin];
}

function binned(
  values: Float64Array,
  from: number,
  to: number,
  convert: (value: number) => number,
): number[] {
  const counts = new Array<number>(BINS).fill(0);
  for (const value of values) {
    const bin = Math.floor(((convert(value) - from) / (to - from)) * BINS);
    counts[Math.min(BINS - 1, Math.max(0, bin))] += 1;
  }
  return counts;
}

/**
 * Shares in equal bins of a distribution that is known by its quantiles at (i + 0.5) / n: the differences of its cumulative
 * distribution, linear between them. What lies outside is in the end bins.
 */
export function sharesOf(quantiles: readonly number[], from: number, to: number): number[] {
  const edges = Array.from({ length: BINS + 1 }, (_, bin) =>
    bin === 0 ? 0 : bin === BINS ? 1 : cumulative(quantiles, from + (bin * (to - from)) / BINS),
  );
  return edges.slice(1).map((value, bin) => value - edges[bin]);
}

/** Share of the distribution below a value. */
function cumulative(quantiles: readonly number[], value: number): number {
  const n = quantiles.length;
  if (value < quantiles[0]) return 0;
  if (value >= quantiles[n - 1]) return 1;
  let low = 0;
  let high = n - 1;
  while (high - low > 1) {
    const half = (low + high) >> 1;
    if (quantiles[half] <= value) low = half;
    else high = half;
  }
  const within = (value - quantiles[low]) / (quantiles[high] - quantiles[low]);
  return (low + within + 0.5) / n;
}
