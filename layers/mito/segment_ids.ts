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
 * Segment ids of a chunk from its labels: 0 stays 0.
 * @param count Largest label.
 * @throws RangeError when there are more labels than ids.
 */
export function segmentIds(labels: Uint32Array, count: number, first: bigint): BigUint64Array<ArrayBuffer> {
  if (count >= 2 ** Number(ID_BITS))
    throw new RangeError(`${count} objects in one chunk: raise the threshold or the smallest object`);
  const ids = new BigUint64Array(labels.length);
  // As two halves, which is many times faster than a BigInt for each voxel. All that runs WebGL is little endian.
  const halves = new Uint32Array(ids.buffer);
  const low = Number(first & 0xffffffffn);
  const high = Number(first >> 32n);
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === 0) continue;
    halves[2 * i] = low | labels[i];
    halves[2 * i + 1] = high;
  }
  return ids;
}
