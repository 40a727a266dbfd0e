import type { PieceMeasures } from "../morphology/object_types.js";
import type { Box, Vec3 } from "../volume/types.js";
import type { Connectivity } from "./types.js";

export interface ObjectGraphOptions {
  readonly connectivity: Connectivity;
  /** Voxels, x y z; the grid starts at voxel 0. */
  readonly chunkSize: Vec3;
  /** Of the volume, at the scale of the chunks. */
  readonly bounds: Box;
  /** Above this the runs of the chunks not touched for longest are dropped. */
  readonly maximumBytes: number;
}

/** One label of one chunk. */
export interface Piece {
  readonly position: Vec3;
  readonly label: number;
}

export interface ObjectState {
  /** Smallest of the ids of its pieces. */
  readonly id: number;
  readonly voxels: number;
  /** It goes up to a chunk within the volume that is not there: there may be more of it. */
  readonly partial: boolean;
  /** It touches the border of the volume. */
  readonly border: boolean;
}

export interface GraphObject extends ObjectState {
  /** Its pieces, chunk by chunk. */
  readonly pieces: readonly Piece[];
}

/** Sums of the pieces of an object in one chunk. */
export interface PlacedMeasures {
  /** First voxel of the chunk, the origin of the sums. */
  readonly lower: Vec3;
  readonly measures: PieceMeasures;
  /** Those of the object: row label - 1. */
  readonly labels: readonly number[];
}

/** What became different since the changes were taken before. */
export interface GraphChanges {
  /** Ids of objects that are new, or of which anything may have changed. */
  readonly objects: readonly number[];
  /** Ids that were once in `objects` and are no object's any more. */
  readonly gone: readonly number[];
  /** Those of `gone` that live on as (part of) another object, the largest part of one that fell apart. */
  readonly renamed: readonly (readonly [from: number, to: number])[];
  /** Chunks for which `mappingOf` would answer otherwise than it did last; none for which it was never asked. */
  readonly chunks: readonly Vec3[];
}
