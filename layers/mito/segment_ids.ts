import type { LabelRuns } from "../../src/segmentation/types.js";
import type { Vec3 } from "../../src/volume/types.js";
import { ID_BITS } from "./base.js";

/**
 * The first id of a chunk: its index in the grid, above the bits for the labels within it.
 * @param lower First voxel of the chunk.
 * @param upperBound End of the volume; the grid starts at 0.
 */
export function firstId(lower: Vec3, chunkSize: ArrayLike<number>, upperBound: ArrayLike<number>): bigint {
  const [x, y, z] = lower.map((l, i) => Math.floor(l / chunkSize[i]));
  const [columns, rows] = [0, 1].map((i) => Math.ceil(upperBound[i] / chunkSize[i]));
  return (BigInt(x) + BigInt(columns) * (BigInt(y) + BigInt(rows) * BigInt(z))) << ID_BITS;
}

/**
 * Segment ids of a chunk's voxels, x fastest: 0 where there is no label, or its id is 0.
 * @param ids Of the labels 0..count, whole numbers below 2^53.
 */
export function paintIds(
  { size, rows, starts, ends, labels }: LabelRuns,
  ids: Float64Array,
): BigUint64Array<ArrayBuffer> {
  const [width, height, depth] = size;
  const painted = new BigUint64Array(width * height * depth);
  const values = BigUint64Array.from(ids, BigInt);
  for (let row = 0; row < height * depth; row++)
    for (let run = rows[row]; run < rows[row + 1]; run++) {
      const value = values[labels[run]];
      if (value !== 0n) painted.fill(value, row * width + starts[run], row * width + ends[run]);
    }
  return painted;
}
