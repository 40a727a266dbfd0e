import type { Vec3, VoxelArray } from "../../src/volume/types.js";
import { fillVoxels } from "./make_zarr.js";

/** An integer hash, so that every voxel has its own noise wherever one starts. */
function noise(x: number, y: number, z: number): number {
  let h = (Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ Math.imul(z, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b) >>> 0;
  return ((h ^ (h >>> 13)) >>> 0) / 2 ** 32;
}

/**
 * Something like EM for the tiny network: dark ellipses, 40 to 80 voxels wide, on a bright, noisy ground, in a grid of 90
 * that drifts from slice to slice.
 */
export function blobs(size: Vec3, type: "uint8" | "uint16" = "uint8"): VoxelArray {
  return fillVoxels(type, size, (x, y, z) => {
    const u = x + 3 * z;
    const v = y + 2 * z;
    const radius = 20 + 20 * noise(Math.floor(u / 90), Math.floor(v / 90), 7);
    const [dx, dy] = [(u % 90) - 45, ((v % 90) - 45) * 1.3];
    const value = (dx * dx + dy * dy < radius * radius ? 60 : 170) + 40 * (noise(x, y, z) - 0.5);
    return Math.round(type === "uint8" ? value : value * 200);
  });
}
