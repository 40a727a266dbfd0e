import type { Vec3 } from "../volume/types.js";

/** Voxel adjacency in 3-D: by faces (6), faces and edges (18), or also corners (26). */
export type Connectivity = 6 | 18 | 26;

/** What is done with a probability chunk; changing it re-labels, it never re-runs the network. */
export interface LabelSettings {
  /** A voxel is foreground when probability >= threshold, 0..1. */
  readonly threshold: number;
  /** Objects of fewer voxels than this (whole objects, over all chunks) are removed. */
  readonly minimumVoxels: number;
  readonly connectivity: Connectivity;
}

export interface Labelling {
  /** 0 = background, 1..count = objects, x fastest. */
  readonly labels: Uint32Array;
  readonly count: number;
  readonly size: Vec3;
}

/**
 * Labelled foreground of a box as runs along x: all that is kept of a chunk's labels to stitch, measure and mesh its objects,
 * 8 bytes a run. Plain data, to be sent between threads.
 */
export interface LabelRuns {
  /** Voxels of the box; at most 65,535 along x. */
  readonly size: Vec3;
  /** Labels are 1..count. */
  readonly count: number;
  /** First run of row y + height * z; one more entry closes the last row. */
  readonly rows: Uint32Array;
  /** Half open: voxels starts..ends-1 of the row, ascending. */
  readonly starts: Uint16Array;
  readonly ends: Uint16Array;
  readonly labels: Uint32Array;
}

/** Part of an object in one chunk, with the chunk's place. */
export interface PlacedRuns {
  /** First voxel of the chunk in the volume. */
  readonly lower: Vec3;
  readonly runs: LabelRuns;
  /** Labels in `runs` that belong to the object. */
  readonly labels: readonly number[];
}
