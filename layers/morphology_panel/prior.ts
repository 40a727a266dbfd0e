import type { ChondriaConfig } from "../../src/model/types.js";
import { type DistributionDistance, FARTHEST } from "../../src/morphology/distribution.js";
import { distanceToDistribution } from "../../src/morphology/prior_distance.js";
import type {
  MorphologyPrior,
  MorphologySummary,
  RegionDistribution,
  RegionHistogram,
} from "../../src/morphology/types.js";
import type { MitoSource } from "../mito/base.js";

/**
 * The prior that chunks are compared with: that of the source's chunks where the package has it, because chunk faces cut
 * objects, which raises solidity. null where the package knows none.
 */
export function chunkPrior(prior: MorphologyPrior | null): MorphologySummary | null {
  return prior?.chunks?.summary ?? prior;
}

/** What a model's package knows of its source's regions, and how pixels of its grid compare with those of a prediction. */
export interface SourceRegions {
  /** null where the package does not say. */
  readonly distribution: RegionDistribution | null;
  /** Area of a pixel of the prediction in pixels of the source's grid. */
  readonly pixelRatio: number;
  /** Area of a pixel of the source's grid, µm². */
  readonly pixelArea: number;
  /** Area of a pixel that the prior's means were measured on, µm². */
  readonly priorPixelArea: number;
}

export function sourceRegions({
  model: { config },
  voxelSize,
  geometry,
}: {
  readonly model: { readonly config: Pick<ChondriaConfig, "sourceSummary" | "voxelSize" | "prior"> };
  readonly voxelSize: MitoSource["voxelSize"];
  readonly geometry: Pick<MitoSource["geometry"], "planeAxes">;
}): SourceRegions {
  const grid = config.voxelSize[0] * config.voxelSize[1];
  const [columns, rows] = geometry.planeAxes;
  return {
    distribution: config.sourceSummary?.regions ?? null,
    pixelRatio: (voxelSize[columns] * voxelSize[rows]) / grid,
    pixelArea: grid * 1e-6,
    priorPixelArea: config.prior === null ? 0 : config.prior.voxelSize[0] * config.prior.voxelSize[1] * 1e-6,
  };
}

/** Distance of regions from the source's distribution; undefined where that is not known, or no pixel was looked at. */
export function regionDistance(
  histogram: RegionHistogram | undefined,
  { distribution, pixelRatio }: SourceRegions,
): DistributionDistance | undefined {
  if (distribution === null || histogram === undefined || histogram.pixels === 0) return undefined;
  return distanceToDistribution(histogram, distribution, pixelRatio);
}

const TERM_WORDS: Readonly<Record<keyof DistributionDistance["terms"], string>> = {
  solidity: "solidity",
  logArea: "area",
  eccentricity: "eccentricity",
  density: "number of regions",
  coverage: "share of foreground",
};

/** Which quantity is farthest from the source's, in words. */
export function farthestTerm({ distance, terms }: DistributionDistance): string {
  if (distance >= FARTHEST) return "nothing predicted";
  const entries = Object.entries(terms) as [keyof typeof terms, number][];
  const [name] = entries.reduce((most, entry) => (entry[1] > most[1] ? entry : most));
  return `most by ${TERM_WORDS[name]}`;
}
