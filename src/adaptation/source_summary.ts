import type { ChondriaConfig, SourceStatistics } from "../model/types.js";
import type { Slices } from "../training/slices.js";
import { measureDistribution } from "./distribution.js";
import { histogramOf } from "./histogram.js";
import type { SourceSummary } from "./types.js";

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

/** What a package says of its source; null where it carries no summary or no prior. */
export function sourceSummaryOf({ prior, sourceSummary }: ChondriaConfig): SourceSummary | null {
  if (!prior || !sourceSummary) return null;
  const { histogram, regions } = sourceSummary;
  return { histogram, prior, regions: regions ?? undefined };
}
