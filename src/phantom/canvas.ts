import type { Box } from "../volume/types.js";
import type { Neurite } from "./growth.js";
import type { Mitochondrion } from "./mitochondria.js";

/** What the first pass leaves for the others, one entry a voxel of the box, x fastest. */
export interface Canvas {
  readonly box: Box;
  readonly size: readonly [number, number, number];
  /** Noise-free grey level. */
  readonly grey: Float32Array;
  /** Distance to the nearest cell wall in nm, large far from walls. */
  readonly wall: Float32Array;
  /** How much of the cytoplasm's texture shows, 0..1. */
  readonly texture: Float32Array;
  /** Index + 1 into `mitos`. */
  readonly label: Uint32Array;
  readonly mitos: Mitochondrion[];
  /** Cells met, numbered from 1, for what lies in them. */
  readonly neurites: Map<Neurite, number>;
  /** Numbers of the cell that the voxel is in and of the cell behind the nearest wall; 0 = glia or none. */
  readonly owner: Uint16Array;
  readonly beyond: Uint16Array;
}

export const farFromWall = 1e3;
export function makeCanvas(box: Box): Canvas {
  const size = [0, 1, 2].map((a) => box.upper[a] - box.lower[a]) as [number, number, number];
  const voxels = size[0] * size[1] * size[2];
  return {
    box,
    size,
    grey: new Float32Array(voxels),
    wall: new Float32Array(voxels).fill(farFromWall),
    texture: new Float32Array(voxels),
    label: new Uint32Array(voxels),
    mitos: [],
    neurites: new Map(),
    owner: new Uint16Array(voxels),
    beyond: new Uint16Array(voxels),
  };
}
