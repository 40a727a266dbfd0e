import type { Box, Vec3 } from "./types.js";

/** Extent of a box in voxels. */
export function boxSize({ lower, upper }: Box): Vec3 {
  return [upper[0] - lower[0], upper[1] - lower[1], upper[2] - lower[2]];
}

/** Number of voxels in a box. */
export function boxVolume(box: Box): number {
  const [x, y, z] = boxSize(box);
  return x * y * z;
}

/** Common part of two boxes; empty (some upper <= lower) when they do not meet. */
export function intersect(a: Box, b: Box): Box {
  const max = (i: number) => Math.max(a.lower[i], b.lower[i]);
  const min = (i: number) => Math.min(a.upper[i], b.upper[i]);
  return { lower: [max(0), max(1), max(2)], upper: [min(0), min(1), min(2)] };
}

export function isEmpty({ lower, upper }: Box): boolean {
  return upper[0] <= lower[0] || upper[1] <= lower[1] || upper[2] <= lower[2];
}

export function contains(outer: Box, inner: Box): boolean {
  return [0, 1, 2].every((i) => inner.lower[i] >= outer.lower[i] && inner.upper[i] <= outer.upper[i]);
}
