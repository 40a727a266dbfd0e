import type { Labelling, LabelRuns } from "../segmentation/types.js";
import { HistogramBuilder } from "./prior_distance.js";
import { type Region, type SliceAxis, SMALLEST_AREA, visitRegions, visitRunRegions } from "./regions.js";
import type { MorphologySummary } from "./types.js";

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

  /** Adds all that went into another summary, of a box of `voxels` voxels. */
  addSummary(summary: MorphologySummary, voxels: number): void {
    const { regions } = summary;
    this.addBox(summary.objects, summary.fraction * voxels, voxels);
    this.regions += regions;
    this.solidity += summary.solidity * regions;
    this.ara += summary.ara * regions;
    this.eccentricity += summary.eccentricity * regions;
    this.area += summary.area * regions;
    for (let bin = 0; bin < HISTOGRAM_BINS; ++bin) this.histogram[bin] += summary.solidityHistogram[bin] ?? 0;
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
      solidityHistogram: [...this.histogram],
    };
  }
}

/**
 * Morphology of a labelled box by the paper's definition (see `MorphologySummary`). Every number is finite; without a
 * region the means are 0. Objects that the box cuts are measured as far as they are in it: see `MorphologyPrior.chunks`.
 */
export function summarise(labelling: Labelling, { sliceAxis }: SummaryOptions): MorphologySummary {
  return summariseBox(labelling, sliceAxis, (visit) => visitRegions(labelling, sliceAxis, visit));
}

/** `summarise` of labelled runs, with the histogram, and faster: the cost is by runs and not by voxels. */
export function summariseRuns(runs: LabelRuns, { sliceAxis }: SummaryOptions): MorphologySummary {
  const histogram = new HistogramBuilder();
  const summary = summariseBox(runs, sliceAxis, (visit) =>
    visitRunRegions(runs, sliceAxis, (region) => {
      histogram.addRegion(region);
      visit(region);
    }),
  );
  histogram.addPixels(runs.size[0] * runs.size[1] * runs.size[2]);
  return { ...summary, histogram: histogram.result() };
}

function summariseBox(
  { size, count }: Pick<Labelling, "size" | "count">,
  sliceAxis: SliceAxis,
  visitAll: (visit: (region: Region) => void) => void,
): MorphologySummary {
  const builder = new SummaryBuilder();
  const voxels = size[0] * size[1] * size[2];
  const sliceArea = voxels / size[sliceAxis];
  let foreground = 0;
  visitAll((region) => {
    foreground += region.area;
    builder.addRegion(region, sliceArea);
  });
  builder.addBox(count, foreground, voxels);
  return builder.result();
}

/**
 * Summary of several boxes from their summaries: means weighted by regions, the fraction by voxels. Objects are counted
 * per box: one that crosses a face counts in both. Histograms are not in it: `mergeHistograms` adds them.
 */
export function combineSummaries(
  parts: Iterable<{ readonly summary: MorphologySummary; readonly voxels: number }>,
): MorphologySummary {
  const builder = new SummaryBuilder();
  for (const { summary, voxels } of parts) builder.addSummary(summary, voxels);
  return builder.result();
}
