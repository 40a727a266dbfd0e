import { boxSize, boxVolume, intersect } from "../volume/box.js";
import type { Box, Vec3 } from "../volume/types.js";

/** Parts of a box along a grid: what is rendered at once, so that memory does not grow with the box. */
export function* partsOf(box: Box, grid: Vec3): Generator<Box> {
  const first = box.lower.map((v, a) => Math.floor(v / grid[a]) * grid[a]);
  for (let z = first[2]; z < box.upper[2]; z += grid[2]) {
    for (let y = first[1]; y < box.upper[1]; y += grid[1]) {
      for (let x = first[0]; x < box.upper[0]; x += grid[0]) {
        yield intersect(box, { lower: [x, y, z], upper: [x + grid[0], y + grid[1], z + grid[2]] });
      }
    }
  }
}

/** Copies the voxels of `part` to their place in those of `box`. */
export function placePart<T extends Uint8Array | BigUint64Array>(
  target: T,
  box: Box,
  voxels: T,
  part: Box,
): void {
  const [sx, sy] = boxSize(box);
  const [px, py] = boxSize(part);
  const rows = boxVolume(part) / px;
  for (let row = 0; row < rows; ++row) {
    const y = part.lower[1] - box.lower[1] + (row % py);
    const z = part.lower[2] - box.lower[2] + Math.floor(row / py);
    const at = part.lower[0] - box.lower[0] + sx * (y + sy * z);
    // One of the two array types, the same for both: the cast only spares two copies of this loop.
    (target as Uint8Array).set((voxels as Uint8Array).subarray(row * px, (row + 1) * px), at);
  }
}
