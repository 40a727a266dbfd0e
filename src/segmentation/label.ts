import type { Vec3 } from "../volume/types.js";
import { exportRuns } from "./label_runs.js";
import { RunLabeller } from "./runs.js";
import type { Connectivity, Labelling, LabelRuns } from "./types.js";

/** Scratch of more than this is given back after the call that needed it. */
const KEEP_BYTES = 16 * 2 ** 20;

let scratch = new RunLabeller();

/**
 * Smallest byte b with b / 255 >= threshold: a voxel of probability round(255 p) is foreground from there on.
 * 256 (no voxel) for a threshold above 1.
 * @throws RangeError when the threshold is not a number.
 */
export function thresholdByte(threshold: number): number {
  if (Number.isNaN(threshold)) throw new RangeError("the threshold is not a number");
  const byte = Math.min(256, Math.max(0, Math.ceil(threshold * 255)));
  // 255 * (k / 255) can come out above k: the definition is by the quotient.
  return byte > 0 && (byte - 1) / 255 >= threshold ? byte - 1 : byte;
}

/**
 * Labels the 3-D connected components of the voxels >= `minimum` (see `thresholdByte`) in scan order, as runs.
 * @param values x fastest.
 * @param minimumVoxels objects of fewer voxels are left out. They are taken to end with the box: chunks of a larger volume are
 * labelled without this filter, and joined.
 * @throws RangeError when the length does not fit the size or a setting makes no sense.
 */
export function labelRuns(
  values: Uint8Array,
  size: Vec3,
  minimum: number,
  connectivity: Connectivity,
  minimumVoxels = 0,
): LabelRuns {
  return labelled(values, size, minimum, connectivity, minimumVoxels, exportRuns);
}

/** Labels the voxels of `mask` that are not zero, in scan order. @throws RangeError as `labelRuns`. */
export function labelMask(mask: Uint8Array, size: Vec3, connectivity: Connectivity = 26): Labelling {
  return labelled(mask, size, 1, connectivity, 0, (labeller) => {
    const labels = new Uint32Array(mask.length);
    labeller.paint(labels);
    return { labels, count: labeller.count, size };
  });
}

function labelled<Result>(
  values: Uint8Array,
  size: Vec3,
  minimum: number,
  connectivity: Connectivity,
  minimumVoxels: number,
  take: (labeller: RunLabeller) => Result,
): Result {
  const [width, height, depth] = size;
  if (values.length !== width * height * depth)
    throw new RangeError(`${values.length} voxels do not make a box of ${size.join(" x ")}`);
  if (Number.isNaN(minimumVoxels)) throw new RangeError("the smallest object is not a number");
  scratch.begin(width, height, connectivity);
  for (let z = 0; z < depth; ++z) scratch.addSlice(values, minimum, z * width * height);
  scratch.finish(minimumVoxels);
  const result = take(scratch);
  if (scratch.byteLength > KEEP_BYTES) scratch = new RunLabeller();
  return result;
}
