import type { Vec3 } from "../volume/types.js";

/** A box has more voxels than an operator takes: the result is "not measured", the person is told what to make smaller. */
export class BoxTooLargeError extends RangeError {
  override name = "BoxTooLargeError";
  constructor(
    /** What was to be done, as a message says it. */
    readonly operation: string,
    readonly size: Vec3,
    readonly limit: number,
  ) {
    super(
      `${operation}: a box of ${size.join(" x ")} voxels is more than the ${limit} that fit into memory: use a smaller object or a coarser scale`,
    );
  }
}

/**
 * Voxels of a box.
 * @throws RangeError when the size is not of whole numbers, or an array of the box has another length.
 */
export function boxVoxels(size: Vec3, ...arrays: readonly { readonly length: number }[]): number {
  if (size.length !== 3 || !size.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw new RangeError(`${size.join(" x ")} is not the size of a box`);
  const voxels = size[0] * size[1] * size[2];
  for (const { length } of arrays) {
    if (length !== voxels) throw new RangeError(`${length} voxels do not make a box of ${size.join(" x ")}`);
  }
  return voxels;
}

/** @throws RangeError when an edge of a voxel is not a length. */
export function checkVoxelSize(voxelSize: Vec3): void {
  if (voxelSize.length !== 3 || !voxelSize.every((edge) => edge > 0 && Number.isFinite(edge)))
    throw new RangeError(`a voxel of ${voxelSize.join(" x ")} nm does not exist`);
}
