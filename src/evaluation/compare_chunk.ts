import { HistogramBuilder } from "../morphology/prior_distance.js";
import { visitRunRegions } from "../morphology/regions.js";
import type { RegionHistogram } from "../morphology/types.js";
import { labelRuns, thresholdByte } from "../segmentation/label.js";
import type { LabelRuns, LabelSettings } from "../segmentation/types.js";
import type { Vec3 } from "../volume/types.js";
import { type Agreement, countAgreement } from "./agreement.js";
import { MATCH_THRESHOLDS, type MatchCounts, matchObjects, overlapTableOfRuns } from "./matching.js";

/** Counts of one chunk that say how several models compare in it; they add up over chunks. Plain data. */
export interface ChunkComparison {
  readonly agreement: Agreement;
  /** For each pair of models (`pairsOf`), at each of MATCH_THRESHOLDS. */
  readonly pairs: readonly (readonly MatchCounts[])[];
  /** Each model's objects against the reference's, at each of MATCH_THRESHOLDS; absent without a reference. */
  readonly reference?: readonly (readonly MatchCounts[])[];
  /** Regions of each model's objects. */
  readonly histograms: readonly RegionHistogram[];
}

export interface ComparedChunk {
  readonly size: Vec3;
  readonly sliceAxis: 0 | 1 | 2;
  /** round(255 p) of each model, x fastest. */
  readonly probabilities: readonly Uint8Array[];
  /** What each model's layer does with its probability. */
  readonly settings: readonly LabelSettings[];
  /** Foreground where not 0. */
  readonly reference?: Uint8Array;
}

/** Pairs of 0..models-1 in the order in which they are counted: 0-1, 0-2, ..., 1-2, ... */
export function pairsOf(models: number): [number, number][] {
  const pairs: [number, number][] = [];
  for (let a = 0; a < models; a++) for (let b = a + 1; b < models; b++) pairs.push([a, b]);
  return pairs;
}

/**
 * Compares models in one chunk. Voxels are compared at the thresholds alone. Objects are the connected components in the chunk of at
 * least `minimumVoxels` (a piece that the chunk's face cuts off counts as an object of its own); those of the reference are its
 * 26-connected components of any size, since predictions are taken apart like that.
 * @param out Filled with the category of each voxel (see `agreement.ts`), when given.
 * @throws RangeError when sizes do not fit together.
 */
export function compareChunk(
  { size, sliceAxis, probabilities, settings, reference }: ComparedChunk,
  out?: Uint8Array,
): ChunkComparison {
  const votes = probabilities.map((values, k) => ({ values, minimum: thresholdByte(settings[k].threshold) }));
  const agreement = countAgreement(votes, reference, out);
  const objects = probabilities.map((values, k) =>
    labelRuns(values, size, votes[k].minimum, settings[k].connectivity, settings[k].minimumVoxels),
  );
  const match = (a: LabelRuns, b: LabelRuns) => {
    const table = overlapTableOfRuns(a, b);
    return MATCH_THRESHOLDS.map((threshold) => matchObjects(table, threshold));
  };
  const truth = reference && labelRuns(reference, size, 1, 26);
  return {
    agreement,
    pairs: pairsOf(objects.length).map(([a, b]) => match(objects[a], objects[b])),
    ...(truth && { reference: objects.map((one) => match(one, truth)) }),
    histograms: objects.map((one) => histogramOf(one, sliceAxis)),
  };
}

function histogramOf(runs: LabelRuns, sliceAxis: 0 | 1 | 2): RegionHistogram {
  const histogram = new HistogramBuilder();
  visitRunRegions(runs, sliceAxis, (region) => histogram.addRegion(region));
  const [x, y, z] = runs.size;
  histogram.addPixels(x * y * z);
  return histogram.result();
}
