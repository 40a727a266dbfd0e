import { ADDITIVE_WIDTH } from "../src/morphology/additive.js";
import { ADDITIVE, type PieceMeasures } from "../src/morphology/object_types.js";
import type { Box, Vec3 } from "../src/volume/types.js";

/** Whether there is more of the volume behind each face of a box: lower x y z, then upper x y z. */
export type OpenFaces = readonly [boolean, boolean, boolean, boolean, boolean, boolean];

/** @param bounds of the volume that the box is in. */
export function openFaces({ lower, upper }: Box, bounds: Box): OpenFaces {
  const below = (axis: number) => lower[axis] > bounds.lower[axis];
  const above = (axis: number) => upper[axis] < bounds.upper[axis];
  return [below(0), below(1), below(2), above(0), above(1), above(2)];
}

const VOXELS = ADDITIVE.indexOf("voxels");
const LOWER = ADDITIVE.indexOf("lowerX");
const UPPER = ADDITIVE.indexOf("upperX");

/** Whether the object of a label has, or may have with its pieces in other chunks, at least `minimumVoxels` voxels. */
export function largerElsewhere(
  { values }: PieceMeasures,
  label: number,
  size: Vec3,
  minimumVoxels: number,
  open: OpenFaces | undefined,
): boolean {
  const base = (label - 1) * ADDITIVE_WIDTH;
  if (values[base + VOXELS] >= minimumVoxels) return true;
  if (open === undefined) return false;
  for (let axis = 0; axis < 3; ++axis) {
    if (open[axis] && values[base + LOWER + axis] === 0) return true;
    if (open[3 + axis] && values[base + UPPER + axis] === size[axis]) return true;
  }
  return false;
}
