import type { DataType, Vec3, VoxelArray } from "./types.js";
import { cleanLength } from "./voxel_size.js";

/** One level of a resolution pyramid, level 0 being the data themselves. */
export interface PyramidLevel {
  /** How many voxels of level 0 one voxel spans along x, y, z. */
  readonly factor: Vec3;
  /** The same against the level before (1 or 2 each; all 1 for level 0). */
  readonly step: Vec3;
  readonly size: Vec3;
  /** nm */
  readonly voxelSize: Vec3;
}

const map3 = (f: (axis: 0 | 1 | 2) => number): Vec3 => [f(0), f(1), f(2)];

/**
 * Levels of a volume, fine to coarse. Each level halves the axes that are finer than the coarsest by more than sqrt(2),
 * so that an anisotropic volume becomes isotropic first, and then all axes. A last voxel that has no partner is kept
 * (sizes round up), an axis of one voxel stays. It ends when a level fits in `chunkSize`.
 */
export function planPyramid(size: Vec3, voxelSize: Vec3, chunkSize: Vec3): PyramidLevel[] {
  const levels: PyramidLevel[] = [{ factor: [1, 1, 1], step: [1, 1, 1], size, voxelSize }];
  for (;;) {
    const last = levels[levels.length - 1];
    if (last.size.every((length, i) => length <= chunkSize[i])) return levels;
    const coarsest = Math.max(...last.voxelSize);
    const finer = map3((i) => (last.size[i] > 1 && last.voxelSize[i] * Math.SQRT2 < coarsest ? 2 : 1));
    const all = map3((i) => (last.size[i] > 1 ? 2 : 1));
    // Halving only axes that already fit would never end (a thin stack of fine slices).
    const helps = finer.some((step, i) => step === 2 && last.size[i] > chunkSize[i]);
    const step = helps ? finer : all;
    levels.push({
      factor: map3((i) => last.factor[i] * step[i]),
      step,
      size: map3((i) => Math.ceil(last.size[i] / step[i])),
      voxelSize: map3((i) => cleanLength(last.voxelSize[i] * step[i])),
    });
  }
}

type Numbers = Uint8Array | Uint16Array | Uint32Array;

/** A zeroed array for `length` voxels. */
export function allocateVoxels(type: DataType, length: number): VoxelArray {
  if (type === "uint8") return new Uint8Array(length);
  if (type === "uint16") return new Uint16Array(length);
  return type === "uint32" ? new Uint32Array(length) : new BigUint64Array(length);
}

/**
 * Mean of each block of `step` voxels (x, y, z; 1 or 2 each), rounded to the nearest integer, halves up:
 * floor((sum + n / 2) / n) on exact integer sums. At an odd border the mean is over the voxels that are there.
 * This is the rounding of every stored EM level; code that averages on the fly and wants the same bytes does the same.
 *
 * @param size of `data`, x fastest.
 * @returns ceil(size / step) voxels of the same type.
 */
export function downsampleMean<T extends Numbers>(data: T, size: Vec3, step: Vec3): T {
  const out = map3((i) => Math.ceil(size[i] / step[i]));
  const result = new (data.constructor as new (length: number) => T)(out[0] * out[1] * out[2]);
  forEachBlock(size, step, out, (target, offsets, n) => {
    let sum = 0;
    for (let k = 0; k < n; ++k) sum += data[offsets[k]];
    // Doubled, so that the half is a whole number; sums stay below 2^36, far from where doubles lose integers.
    result[target] = Math.floor((2 * sum + n) / (2 * n));
  });
  return result;
}

/**
 * Most frequent label of each block of `step` voxels; of equally frequent ones the first in x, y, z order. Labels are
 * never averaged: the mean of two labels is a third object.
 *
 * @param size of `data`, x fastest.
 * @returns ceil(size / step) voxels of the same type.
 */
export function downsampleMode<T extends VoxelArray>(data: T, size: Vec3, step: Vec3): T {
  const out = map3((i) => Math.ceil(size[i] / step[i]));
  const result = new (data.constructor as new (length: number) => T)(out[0] * out[1] * out[2]);
  forEachBlock(size, step, out, (target, offsets, n) => {
    let best = offsets[0];
    let bestCount = 0;
    // A label whose count is not above the best so far can stop the search early: uniform blocks take one round.
    for (let k = 0; k + bestCount < n; ++k) {
      let count = 1;
      for (let m = k + 1; m < n; ++m) if (data[offsets[m]] === data[offsets[k]]) ++count;
      if (count > bestCount) {
        bestCount = count;
        best = offsets[k];
      }
    }
    result[target] = data[best];
  });
  return result;
}

/** Calls `visit` for each block with the indices of its voxels, of which the first `n` are valid. */
function forEachBlock(
  size: Vec3,
  step: Vec3,
  out: Vec3,
  visit: (target: number, offsets: Int32Array, n: number) => void,
): void {
  const offsets = new Int32Array(step[0] * step[1] * step[2]);
  let target = 0;
  for (let z = 0; z < out[2]; ++z) {
    const z1 = Math.min(size[2], (z + 1) * step[2]);
    for (let y = 0; y < out[1]; ++y) {
      const y1 = Math.min(size[1], (y + 1) * step[1]);
      for (let x = 0; x < out[0]; ++x) {
        const x1 = Math.min(size[0], (x + 1) * step[0]);
        let n = 0;
        for (let k = z * step[2]; k < z1; ++k) {
          for (let j = y * step[1]; j < y1; ++j) {
            for (let i = x * step[0]; i < x1; ++i) offsets[n++] = i + size[0] * (j + size[1] * k);
          }
        }
        visit(target++, offsets, n);
      }
    }
  }
}
