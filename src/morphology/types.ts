/**
 * Morphology of the objects in a box by the paper's definition: 3-D labels, one region per label and slice, means
 * over the regions of more than 10 px (`docs/architecture.md` says where the definition comes from).
 */
export interface MorphologySummary {
  /** 3-D objects in the box. */
  readonly objects: number;
  /** Foreground voxels / voxels of the box. */
  readonly fraction: number;
  /** Regions (one label in one slice) counted in the means: area > 10 px. */
  readonly regions: number;
  /** Mean region area / convex area; 0 when there is no region. */
  readonly solidity: number;
  /** Mean region area / slice area (the first version's criterion). */
  readonly ara: number;
  /** Mean eccentricity of the regions. */
  readonly eccentricity: number;
  /** Mean area of the regions in pixels. */
  readonly area: number;
  /** Solidity counts in equal bins of [0, 1], for the histogram. */
  readonly solidityHistogram: readonly number[];
  /** The regions as counts that add up; with the summary of a chunk's runs, not in packages. */
  readonly histogram?: RegionHistogram;
}

/**
 * Morphology of the regions of a box, of several or of a volume as counts: plain data of about 10 bytes a region that adds up
 * exactly. Made, merged and compared by `prior_distance.ts`.
 */
export interface RegionHistogram {
  /** Regions of more than 10 px. */
  readonly regions: number;
  /** Their pixels. */
  readonly area: number;
  /** All pixels of the slices that were looked at. */
  readonly pixels: number;
  /** Bins that are not empty, ascending. */
  readonly bins: Uint16Array;
  /** Regions in each of them. */
  readonly counts: Uint32Array;
}

/** What the source domain's ground truth looks like; a model package carries one. */
export interface MorphologyPrior extends MorphologySummary {
  /** Voxel size in nm (x, y, z) at which the prior was measured: compare like with like. */
  readonly voxelSize: readonly [number, number, number];
  /** Data set and split it was measured on. */
  readonly source: string;
  /**
   * The same labels measured chunk by chunk, as the viewer measures predictions. Chunk faces cut objects (a cut side is
   * straight, which raises solidity) and part blobs that are one object elsewhere in the volume, so a chunk is to be
   * compared with this, a whole volume with the fields above.
   */
  readonly chunks?: {
    /** Voxels in plane (columns, rows) and slices. */
    readonly size: readonly [number, number, number];
    readonly summary: MorphologySummary;
  };
}

/** One quantity of the regions of a source's ground truth. */
export interface QuantityDistribution {
  /** At the probabilities (i + 0.5) / n, ascending. */
  readonly quantiles: readonly number[];
  /** Above 0: the unit in which distances from it are measured. */
  readonly spread: number;
}

/**
 * Region morphology of a source's ground truth as distributions, small enough for a model package: solidity and eccentricity
 * (0..1), the natural logarithms of the area in pixels of the model's grid, and of the density of each slice: 1 + regions per
 * million pixels. Made and compared by `distribution.ts`.
 */
export interface RegionDistribution {
  readonly solidity: QuantityDistribution;
  readonly logArea: QuantityDistribution;
  readonly eccentricity: QuantityDistribution;
  readonly density: QuantityDistribution;
}

/** Quantiles kept of each quantity. */
export const QUANTILES = 64;

/** Morphology of a target prediction: the regions of more than 10 px by the paper's definition. */
export interface RegionSample {
  /** One entry a region; px of the grid that the source's sample was measured on. */
  readonly area: Float64Array;
  readonly solidity: Float64Array;
  readonly eccentricity: Float64Array;
  /** Regions in each slice. */
  readonly counts: Float64Array;
  /** Pixels of a slice. */
  readonly sliceArea: number;
}
