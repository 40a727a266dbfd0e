import type { Vec3 } from "../volume/types.js";
import { RunLabeller } from "./runs.js";
import type { Connectivity, Labelling, LabelSettings } from "./types.js";

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
 * Binarises a box of probabilities and labels its 3-D connected components in scan order. Objects are taken to end with the
 * box, also by the filter for small ones: chunks of a larger volume are labelled without (`minimumVoxels` 0) and joined.
 * @param probability round(255 p) of each voxel, x fastest.
 * @throws RangeError when the length does not fit the size or a setting makes no sense.
 */
export function labelProbability(probability: Uint8Array, size: Vec3, settings: LabelSettings): Labelling {
  const { threshold, minimumVoxels, connectivity } = settings;
  return labelAtLeast(probability, size, thresholdByte(threshold), minimumVoxels, connectivity);
}

/** Labels the voxels of `mask` that are not zero; see `labelProbability`. */
export function labelMask(mask: Uint8Array, size: Vec3, connectivity: Connectivity = 26): Labelling {
  return labelAtLeast(mask, size, 1, 0, connectivity);
}

function labelAtLeast(
  values: Uint8Array,
  size: Vec3,
  minimum: number,
  minimumVoxels: number,
  connectivity: Connectivity,
): Labelling {
  const [width, height, depth] = size;
  const voxels = width * height * depth;
  if (values.length !== voxels) {
    throw new RangeError(`${values.length} voxels do not make a box of ${size.join(" x ")}`);
  }
  if (Number.isNaN(minimumVoxels)) throw new RangeError("the smallest object is not a number");
  const labels = new Uint32Array(voxels);
  scratch.begin(width, height, connectivity);
  for (let z = 0; z < depth; ++z) scratch.addSlice(values, minimum, z * width * height);
  scratch.finish(minimumVoxels);
  scratch.paint(labels);
  const { count } = scratch;
  if (scratch.byteLength > KEEP_BYTES) scratch = new RunLabeller();
  return { labels, count, size };
}
