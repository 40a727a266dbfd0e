import type { SourceStatistics } from "../model/types.js";
import { measureDistribution } from "../morphology/distribution.js";
import type { Slices } from "./slices.js";

/** Pixels of each grey value 0..255 over all `images`; length 256. */
export function histogramOf(images: Iterable<Uint8Array>): Float64Array {
  const counts = new Float64Array(256);
  for (const image of images) for (const value of image) counts[value]++;
  return counts;
}

/**
 * Measures what a package carries of its source in place of the images.
 * @param slices all labelled slices of the source on the model's grid, in their order in the stack.
 */
export function measureSource(slices: Slices): SourceStatistics {
  return {
    histogram: Array.from(histogramOf(slices.em)),
    regions: measureDistribution(slices.labels, slices.width, slices.height),
  };
}
