import type { Vec3 } from "../volume/types.js";
import { type ConvexRows, hullCorners } from "./hull3d.js";

/**
 * Greatest Feret diameter as skimage.measure.regionprops 0.26 has it (feret_diameter_max): the greatest distance between two points of the
 * surface at 0.5 of the convex image, which runs through the middles between a voxel inside and its neighbour outside. One voxel has its
 * longest edge; no voxel 0.
 * @param edges of a voxel along columns, rows and slices.
 * @param flat the object is one slice, in 2-D: its surface has no extent across.
 */
export function feretDiameter(convex: ConvexRows, edges: Vec3, flat = false): number {
  if (convex.volume === 0) return 0;
  const { points } = hullCorners(convex);
  const placed: number[] = [];
  for (let i = 0; i < points.length; i += 3) {
    // In 2-D the corners at +-0.5 across the slice do not exist.
    if (flat && points[i + 2] % 2 !== 0) continue;
    for (let axis = 0; axis < 3; ++axis) placed.push((points[i + axis] * edges[axis]) / 2);
  }
  let most = 0;
  for (let i = 0; i < placed.length; i += 3) {
    const x = placed[i];
    const y = placed[i + 1];
    const z = placed[i + 2];
    for (let j = i + 3; j < placed.length; j += 3) {
      const dx = placed[j] - x;
      const dy = placed[j + 1] - y;
      const dz = placed[j + 2] - z;
      const squared = dx * dx + dy * dy + dz * dz;
      if (squared > most) most = squared;
    }
  }
  return Math.sqrt(most);
}
