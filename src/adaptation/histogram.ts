import type { Slices } from "../training/slices.js";
import { histogramOf } from "../training/source_statistics.js";
import type { Images } from "./types.js";

/** The look that images are to get: a cumulative distribution over the grey values 0..254. */
export interface MatchingTemplate {
  readonly cumulative: Float64Array;
}

/** The count of value 0 that a line through the counts of 1 and 2 announces: black padding is no tissue. */
const extrapolateZero = (one: number, two: number) => Math.max(0, 2 * one - two);

function cumulate(counts: Float64Array): Float64Array {
  let sum = 0;
  return counts.map((count) => {
    sum += count;
    return sum;
  });
}

/**
 * Template of a histogram as the authors of the paper make it (`hist_match.ipynb` of danifranco/EM_domain_adaptation):
 * numpy's histogram with the edges 0..255 has 255 bins, the last of which holds 254 and 255; the count of 0, which holds
 * padding, is extrapolated from those of 1 and 2.
 *
 * @param histogram 256 counts (or fractions), of all images of the wanted look together.
 * @throws RangeError when these are not 256 counts, or nothing but black is in them.
 */
export function matchingTemplate(histogram: ArrayLike<number>): MatchingTemplate {
  const counts = Float64Array.from(histogram);
  if (counts.length !== 256 || counts.some((count) => !(count >= 0 && count < Number.POSITIVE_INFINITY)))
    throw new RangeError("a histogram is 256 counts of 0 or more");
  const bins = counts.slice(0, 255);
  bins[254] += counts[255];
  bins[0] = extrapolateZero(bins[1], bins[2]);
  const cumulative = cumulate(bins);
  const total = cumulative[254];
  if (!(total > 0)) throw new RangeError("the histogram to match has no pixel that is not black");
  return { cumulative: cumulative.map((count) => count / total) };
}

/** numpy.interp(x, xp, [0, 1, 2, ...]) for an ascending `xp` that may have flat parts. */
function indexAt(x: number, xp: Float64Array): number {
  if (x < xp[0]) return 0;
  // The last index whose xp does not exceed x.
  let [low, high] = [0, xp.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xp[middle] <= x) low = middle;
    else high = middle;
  }
  return low === xp.length - 1 || xp[low] === x ? low : low + (x - xp[low]) / (xp[low + 1] - xp[low]);
}

/**
 * What each grey value 0..255 of an image (or of a set of images) of this histogram becomes, so that it has the template's
 * distribution; 0 stays 0. The count of 0 is extrapolated only when 1 and 2 occur as well, else it is left out, as the
 * authors do. Values that do not occur become what the next lower one does.
 *
 * @returns 256 values in 0..254, not rounded.
 */
export function matchingTable(histogram: ArrayLike<number>, template: MatchingTemplate): Float32Array {
  const counts = Float64Array.from(histogram);
  if (counts[0] > 0) {
    const black = counts.every((count, value) => value === 0 || count === 0);
    if (black) counts[0] = 1;
    else counts[0] = counts[1] > 0 && counts[2] > 0 ? extrapolateZero(counts[1], counts[2]) : 0;
  }
  const cumulative = cumulate(counts);
  const total = cumulative[255];
  const table = new Float32Array(256);
  if (!(total > 0)) return table;
  for (let value = 1; value < 256; value++)
    table[value] = indexAt(cumulative[value] / total, template.cumulative);
  return table;
}

/** One image matched on its own, as the authors do; rounded to 8 bit (their PNG writer cut the fraction off). */
export function matchImage(image: Uint8Array, template: MatchingTemplate): Uint8Array {
  const table = Uint8Array.from(matchingTable(histogramOf([image]), template), Math.round);
  return image.map((value) => table[value]);
}

/** Every slice matched on its own; labels as they are. */
export function matchSlices(slices: Slices, template: MatchingTemplate): Slices {
  return { ...slices, em: slices.em.map((image) => matchImage(image, template)) };
}

export function matchImages(images: Images, template: MatchingTemplate): Images {
  return { ...images, em: images.em.map((image) => matchImage(image, template)) };
}

/**
 * A patch matched on its own.
 * @param em intensities 0..1, looked at as 8 bit.
 * @returns intensities 0..1, not rounded.
 */
export function matchPatch(em: Float32Array, template: MatchingTemplate): Float32Array {
  const bytes = Uint8Array.from(em, (value) => Math.round(Math.min(1, Math.max(0, value)) * 255));
  const table = matchingTable(histogramOf([bytes]), template);
  return Float32Array.from(bytes, (value) => table[value] / 255);
}

/** Template of all pixels of the target's stacks together. @throws RangeError when they are black. */
export function templateOf(target: readonly Images[]): MatchingTemplate {
  return matchingTemplate(histogramOf(target.flatMap((stack) => stack.em)));
}
