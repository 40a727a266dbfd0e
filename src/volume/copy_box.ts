import type { Vec3, VoxelArray } from "./types.js";

/**
 * Copy voxels of `source` from `lower` on to `at` in `target`, as many as both have along each axis. Both x fastest and of one type.
 * @returns target
 */
export function copyBox<T extends VoxelArray>(
  source: VoxelArray,
  size: Vec3,
  lower: Vec3,
  target: T,
  targetSize: Vec3,
  at: Vec3,
): T {
  const [nx, ny, nz] = [0, 1, 2].map((i) => Math.min(size[i] - lower[i], targetSize[i] - at[i]));
  for (let z = 0; z < nz; ++z) {
    for (let y = 0; y < ny; ++y) {
      const from = lower[0] + size[0] * (lower[1] + y + size[1] * (lower[2] + z));
      const row = source.subarray(from, from + nx);
      (target as Uint8Array).set(
        row as Uint8Array,
        at[0] + targetSize[0] * (at[1] + y + targetSize[1] * (at[2] + z)),
      );
    }
  }
  return target;
}
