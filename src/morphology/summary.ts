import type { Labelling } from "../segmentation/types.js";
import { type Region, type SliceAxis, visitRegions } from "./regions.js";
import type { MorphologySummary } from "./types.js";

/** Regions of this many pixels or fewer are left out of the means (the paper's rule). */
export const SMALLEST_AREA = 10;
export const HISTOGRAM_BINS = 20;

export interface SummaryOptions {
  /** Slices are taken across this axis. */
  readonly sliceAxis: SliceAxis;
}

/** Gathers regions into a summary; regions of at most `SMALLEST_AREA` pixels are not counted. */
export class SummaryBuilder {
  private readonly histogram = new Array<number>(HISTOGRAM_BINS).fill(0);
  private objects = 0;
  private foreground = 0;
  private voxels = 0;
  private regions = 0;
  private solidity = 0;
  private ara = 0;
  private eccentricity = 0;
  private area = 0;

  /** @param sliceArea pixels of the slice that the region lies in. */
  addRegion({ area, convexArea, eccentricity }: Region, sliceArea: number): void {
    if (area <= SMALLEST_AREA) return;
    this.regions += 1;
    this.solidity += area / convexArea;
    this.ara += area / sliceArea;
    this.eccentricity += eccentricity;
    this.area += area;
    this.histogram[Math.min(HISTOGRAM_BINS - 1, Math.floor((area * HISTOGRAM_BINS) / convexArea))] += 1;
  }

  /** Adds a box: how many 3-D objects, foreground voxels and voxels it has. */
  addBox(objects: number, foreground: number, voxels: number): void {
    this.objects += objects;
    this.foreground += foreground;
    this.voxels += voxels;
  }

  result(): MorphologySummary {
    const mean = (sum: number) => (this.regions === 0 ? 0 : sum / this.regions);
    return {
      objects: this.objects,
      fraction: this.voxels === 0 ? 0 : this.foreground / this.voxels,
      regions: this.regions,
      solidity: mean(this.solidity),
      ara: mean(this.ara),
      eccentricity: mean(this.eccentricity),
      area: mean(this.area),
      solidityHistogram: this.histogram,
    };
  }
}

/**
 * Morphology of a labelled box by the paper's definition (see `MorphologySummary`). Every number is finite; without a
 * region the means are 0. Objects that the box cuts are measured as far as they are in it: see `MorphologyPrior.chunks`.
 */
export function summarise(labelling: Labelling, { sliceAxis }: SummaryOptions): MorphologySummary {
  const builder = new SummaryBuilder();
  const voxels = labelling.labels.length;
  const sliceArea = voxels / labelling.size[sliceAxis];
  let foreground = 0;
  visitRegions(labelling, sliceAxis, (region) => {
    foreground += region.area;
    builder.addRegion(region, sliceArea);
  });
  builder.addBox(labelling.count, foreground, voxels);
  return builder.result();
}

/**
 * Summary of several boxes from their summaries: means weighted by regions, the fraction by voxels. Objects are counted
 * per box: one that crosses a face counts in both.
 */
export function combineSummaries(
  parts: Iterable<{ readonly summary: MorphologySummary; readonly voxels: number }>,
): MorphologySummary {
  const histogram = new Array<number>(HISTOGRAM_BINS).fill(0);
  const sums = { objects: 0, fraction: 0, regions: 0, solidity: 0, ara: 0, eccentricity: 0, area: 0 };
  let total = 0;
  for (const { summary, voxels } of parts) {
    total += voxels;
    sums.objects += summary.objects;
    sums.regions += summary.regions;
    sums.fraction += summary.fraction * voxels;
    for (const key of ["solidity", "ara", "eccentricity", "area"] as const) {
      sums[key] += summary[key] * summary.regions;
    }
    for (let bin = 0; bin < HISTOGRAM_BINS; ++bin) histogram[bin] += summary.solidityHistogram[bin] ?? 0;
  }
  const weight = sums.regions === 0 ? 0 : 1 / sums.regions;
  return {
    objects: sums.objects,
    fraction: total === 0 ? 0 : sums.fraction / total,
    regions: sums.regions,
    solidity: sums.solidity * weight,
    ara: sums.ara * weight,
    eccentricity: sums.eccentricity * weight,
    area: sums.area * weight,
    solidityHistogram: histogram,
  };
}
