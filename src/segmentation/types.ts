import type { Vec3 } from "../volume/types.js";

/** Voxel adjacency in 3-D: by faces (6), faces and edges (18), or also corners (26). */
export type Connectivity = 6 | 18 | 26;

/** What is done with a probability chunk; changing it re-labels, it never re-runs the network. */
export interface LabelSettings {
  /** A voxel is foreground when probability >= threshold, 0..1. */
  readonly threshold: number;
  /** Objects of fewer voxels than this (within the chunk) are removed. */
  readonly minimumVoxels: number;
  readonly connectivity: Connectivity;
}

export interface Labelling {
  /** 0 = background, 1..count = objects, x fastest. */
  readonly labels: Uint32Array;
  readonly count: number;
  readonly size: Vec3;
}
