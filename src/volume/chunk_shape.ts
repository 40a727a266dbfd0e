import type { Vec3 } from "./types.js";

const DEFAULT_SLAB_BYTES = 512 * 2 ** 20;

/**
 * Chunks hold 2^18 voxels (a quarter of a megabyte of EM: one request, decoded in about a millisecond) and are as
 * nearly cubes in nanometres as powers of two allow, so that Neuroglancer's three planes cost the same; they get
 * flatter for anisotropic volumes, and for slices so large that a row of chunks would not fit in `slabBytes`.
 */
export function chooseChunkSize(
  size: Vec3,
  voxelSize: Vec3,
  bytesPerVoxel: number,
  slabBytes = DEFAULT_SLAB_BYTES,
): Vec3 {
  const shapes: Vec3[] = [
    [64, 64, 64],
    [128, 128, 16],
    [256, 256, 4],
    [512, 512, 1],
  ];
  // Edge z / edge x of the four shapes is 1, 1/8, 1/64, 1/512: take the nearest on a logarithmic axis.
  const anisotropy = voxelSize[2] / Math.sqrt(voxelSize[0] * voxelSize[1]);
  let choice = Math.min(3, Math.max(0, Math.round(Math.log2(anisotropy) / 3)));
  while (choice < 3 && size[0] * size[1] * Math.min(size[2], shapes[choice][2]) * bytesPerVoxel > slabBytes)
    ++choice;
  const capped = (i: number) => Math.min(shapes[choice][i], 2 ** Math.ceil(Math.log2(size[i])));
  return [capped(0), capped(1), capped(2)];
}
