import {
  coverageOf,
  type DistributionDistance,
  FACTOR_SPREAD,
  FARTHEST,
  type Term,
  wasserstein,
} from "./distribution.js";
import { type Region, SMALLEST_AREA } from "./regions.js";
import { QUANTILES, type RegionDistribution, type RegionHistogram } from "./types.js";

export type { RegionHistogram } from "./types.js";

/** Equal bins of each quantity; their width is what is lost of it. */
const BINNED = {
  solidity: { first: 0, bins: 1000, lower: 0, width: 1e-3 },
  eccentricity: { first: 1000, bins: 1000, lower: 0, width: 1e-3 },
  /** Natural logarithm of the area in pixels, up to 22,000 x 22,000. */
  logArea: { first: 2000, bins: 1000, lower: 0, width: 0.02 },
} as const;
type Binned = keyof typeof BINNED;
const ALL_BINS = 3000;

/**
 * Gathers the regions of a chunk, or adds up chunks: of the view, of all seen so far, of a bootstrap sample. Everything that is
 * kept is a whole number, so the sum is the same in any order and equal to that of all regions gathered at once.
 */
export class HistogramBuilder {
  private readonly counts = new Float64Array(ALL_BINS);
  private regions = 0;
  private area = 0;
  private pixels = 0;

  /** Adds a region; those of at most `SMALLEST_AREA` pixels are not counted, as by the paper. */
  addRegion({ area, convexArea, eccentricity }: Region): void {
    if (area <= SMALLEST_AREA) return;
    this.regions += 1;
    this.area += area;
    this.counts[binOf("solidity", area / convexArea)] += 1;
    this.counts[binOf("eccentricity", eccentricity)] += 1;
    this.counts[binOf("logArea", Math.log(area))] += 1;
  }

  /** Adds pixels that were looked at: all slices of the box, whether they have regions or not. */
  addPixels(pixels: number): void {
    this.pixels += pixels;
  }

  /** Adds what another histogram has, `times` over (a bootstrap sample draws chunks with replacement; -1 takes one away). */
  add(histogram: RegionHistogram, times = 1): void {
    this.regions += times * histogram.regions;
    this.area += times * histogram.area;
    this.pixels += times * histogram.pixels;
    const { bins, counts } = histogram;
    for (let i = 0; i < bins.length; ++i) this.counts[bins[i]] += times * counts[i];
  }

  result(): RegionHistogram {
    const bins: number[] = [];
    for (let bin = 0; bin < ALL_BINS; ++bin) if (this.counts[bin] > 0) bins.push(bin);
    return {
      regions: this.regions,
      area: this.area,
      pixels: this.pixels,
      bins: Uint16Array.from(bins),
      counts: Uint32Array.from(bins, (bin) => this.counts[bin]),
    };
  }
}

/** Histogram of the regions of a box of `pixels` pixels in all of its slices. */
export function regionHistogram(regions: Iterable<Region>, pixels: number): RegionHistogram {
  const builder = new HistogramBuilder();
  for (const region of regions) builder.addRegion(region);
  builder.addPixels(pixels);
  return builder.result();
}

/** Sum of histograms; of none, an empty one. */
export function mergeHistograms(parts: Iterable<RegionHistogram>): RegionHistogram {
  const builder = new HistogramBuilder();
  for (const part of parts) builder.add(part);
  return builder.result();
}

/**
 * How far the regions of a chunk, of several or of a volume are from a source's: `distributionDistance` for sums of histograms. Two
 * things differ. Solidity, eccentricity and area are known by bins (0.001, 0.001 and 2 %). And density is the number of regions over all
 * pixels that were looked at, compared with each slice of the source, because the slices of chunks, of which many are empty, are no sample
 * of whole slices; coverage likewise is the share of foreground. Without a region it is `FARTHEST` in everything.
 *
 * @param pixelRatio area of a pixel of the histogram in pixels of the source's grid: 1 when they are of one size.
 * @throws RangeError when the ratio is no number above 0.
 */
export function distanceToDistribution(
  histogram: RegionHistogram,
  source: RegionDistribution,
  pixelRatio = 1,
): DistributionDistance {
  if (!(pixelRatio > 0 && Number.isFinite(pixelRatio))) {
    throw new RangeError(`a pixel cannot be ${pixelRatio} pixels`);
  }
  const terms = {} as Record<Term, number>;
  const names: readonly Term[] = ["solidity", "logArea", "eccentricity", "density", "coverage"];
  if (!(histogram.regions > 0 && histogram.pixels > 0)) {
    for (const name of names) terms[name] = FARTHEST;
    return { distance: FARTHEST, terms };
  }
  const term = (quantity: "solidity" | "logArea" | "eccentricity" | "density", own: readonly number[]) => {
    terms[quantity] = Math.min(
      FARTHEST,
      wasserstein(own, source[quantity].quantiles) / source[quantity].spread,
    );
  };
  const shift = Math.log(pixelRatio);
  term("solidity", histogramQuantiles(histogram, "solidity"));
  term(
    "logArea",
    histogramQuantiles(histogram, "logArea").map((value) => value + shift),
  );
  term("eccentricity", histogramQuantiles(histogram, "eccentricity"));
  const density = Math.log1p((histogram.regions / (histogram.pixels * pixelRatio)) * 1e6);
  term("density", new Array<number>(QUANTILES).fill(density));
  const expected = coverageOf(source.logArea.quantiles, source.density.quantiles) / 1e6;
  const factors = Math.abs(Math.log(histogram.area / histogram.pixels / expected)) / FACTOR_SPREAD;
  terms.coverage = factors <= FARTHEST ? factors : FARTHEST;
  return { distance: names.reduce((sum, name) => sum + terms[name], 0) / names.length, terms };
}

/**
 * Quantiles of a binned quantity at the probabilities (i + 0.5) / `count`, for `distanceToDistribution` and plots: those of the values spread
 * evenly over each bin (k-th of n values at (k + 0.5) / n, linear between). Empty without a region.
 */
export function histogramQuantiles(
  { bins, counts, regions }: RegionHistogram,
  quantity: Binned,
  count = QUANTILES,
): number[] {
  if (regions === 0) return [];
  const { first, bins: length, lower, width } = BINNED[quantity];
  let at = 0;
  while (bins[at] < first) ++at;
  // Values before this bin of the quantity.
  let before = 0;
  const value = (index: number, from: { at: number; before: number }) => {
    while (index >= from.before + counts[from.at] && bins[from.at + 1] < first + length)
      from.before += counts[from.at++];
    return lower + width * (bins[from.at] - first + (index - from.before + 0.5) / counts[from.at]);
  };
  return Array.from({ length: count }, (_, i) => {
    const position = Math.min(regions - 1, Math.max(0, ((i + 0.5) / count) * regions - 0.5));
    const below = Math.floor(position);
    const place = { at, before };
    const low = value(below, place);
    at = place.at;
    before = place.before;
    const high = value(Math.min(regions - 1, below + 1), place);
    return low + (position - below) * (high - low);
  });
}

/** Counts of a binned quantity in `count` equal bins of [from, to); values outside are in the first and the last. For plots. */
export function histogramCounts(
  { bins, counts }: RegionHistogram,
  quantity: Binned,
  from: number,
  to: number,
  count: number,
): number[] {
  const { first, bins: length, lower, width } = BINNED[quantity];
  const out = new Array<number>(count).fill(0);
  for (let i = 0; i < bins.length; ++i) {
    if (bins[i] < first || bins[i] >= first + length) continue;
    const middle = lower + width * (bins[i] - first + 0.5);
    const bin = Math.floor(((middle - from) / (to - from)) * count);
    out[Math.min(count - 1, Math.max(0, bin))] += counts[i];
  }
  return out;
}

function binOf(quantity: Binned, value: number): number {
  const { first, bins, lower, width } = BINNED[quantity];
  return first + Math.min(bins - 1, Math.max(0, Math.floor((value - lower) / width)));
}
