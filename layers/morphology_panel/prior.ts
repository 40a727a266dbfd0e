import type { MorphologyPrior, MorphologySummary } from "../../src/morphology/types.js";

/**
 * The prior that chunks are compared with: that of the source's chunks where the package has it, because chunk faces cut
 * objects, which raises solidity. null where the package knows none.
 */
export function chunkPrior(prior: MorphologyPrior | null): MorphologySummary | null {
  return prior?.chunks?.summary ?? prior;
}
