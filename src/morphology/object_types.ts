import type { Vec3 } from "../volume/types.js";

/**
 * What adds up over the pieces of an object, whatever chunks cut it into: one row of sums a piece. Coordinates are voxel indices relative
 * to the chunk's first voxel (sums of squares stay exact integers below 2^53); `mergeMeasures` moves them to a common origin.
 */
export const ADDITIVE = [
  "voxels",
  "x",
  "y",
  "z",
  "xx",
  "yy",
  "zz",
  "xy",
  "xz",
  "yz",
  /** Bounding box, half open. */
  "lowerX",
  "lowerY",
  "lowerZ",
  "upperX",
  "upperY",
  "upperZ",
  /** Raw EM intensity: voxels measured (0 when the EM was not at hand), sum and sum of squares. */
  "intensityVoxels",
  "intensity",
  "intensitySquared",
] as const;

/** Row p - 1 holds the sums of label p in the order of ADDITIVE. */
export interface PieceMeasures {
  readonly count: number;
  readonly values: Float64Array;
}

/** How a column of the object table is got. */
export type ColumnKind =
  /** From sums that add up over chunks: right at any time for the pieces seen so far. */
  | "additive"
  /** Measured on the whole object; absent (NaN in transit only, empty in tables) while it is partial or waits. */
  | "whole";

export interface ObjectColumn {
  readonly id: string;
  readonly title: string;
  /** "" for a plain number. nm, nm² and nm³ in values; views may show µm. */
  readonly unit: "" | "nm" | "nm²" | "nm³" | "voxels" | "°";
  readonly kind: ColumnKind;
  /** One sentence: definition and degenerate case. */
  readonly description: string;
}

/**
 * The columns of every object table (viewer, CSV, Parquet, segment properties), in order. Means "2-D" are over the object's sections (its
 * regions by the paper's definition, one a slice).
 */
export const OBJECT_COLUMN_IDS = [
  "voxels",
  "volume",
  "centroidX",
  "centroidY",
  "centroidZ",
  "lowerX",
  "lowerY",
  "lowerZ",
  "upperX",
  "upperY",
  "upperZ",
  "extent",
  "equivalentDiameter",
  "majorAxis",
  "middleAxis",
  "minorAxis",
  "elongation",
  "azimuth",
  "inclination",
  "radiusOfGyration",
  "intensityMean",
  "intensityDeviation",
  "sections",
  "sectionSolidity",
  "sectionEccentricity",
  "sectionArea",
  "sectionCircularity",
  "surfaceArea",
  "sphericity",
  "complexityIndex",
  "solidity",
  "feretDiameter",
  "eulerNumber",
  "skeletonLength",
  "branches",
] as const;
export type ObjectColumnId = (typeof OBJECT_COLUMN_IDS)[number];

/** Bits of an object's flags. */
export const FLAG_BORDER = 1; // touches the border of the volume
export const FLAG_PARTIAL = 2; // touches a chunk that is not there (yet)
export const FLAG_MEASURED = 4; // the "whole" columns are of the object as it is now
export const FLAG_FAILED = 8; // they could not be measured (too large, worker lost)

/**
 * A change of an object table, as it goes between threads: new or changed rows, and ids that are gone (merged into another, or
 * empty). Ids are segment ids as numbers (below 2^53).
 */
export interface ObjectRows {
  readonly ids: Float64Array;
  /** OBJECT_COLUMN_IDS.length values a row; NaN where a "whole" column is not measured or intensity is not known. */
  readonly values: Float64Array;
  readonly flags: Uint8Array;
  readonly gone: Float64Array;
}

/** Where an object's numbers come from. */
export interface MeasureFrame {
  /** nm, x y z. */
  readonly voxelSize: Vec3;
  /** Axis across which sections are taken. */
  readonly sliceAxis: 0 | 1 | 2;
}
