import { boxVoxels, checkVoxelSize } from "../segmentation/voxel_box.js";
import type { Vec3 } from "../volume/types.js";
import { countBits, neighbourhood, type PaddedMask, padMask, thin } from "./thinning.js";

/** Most voxels of a box that is thinned as it is; larger ones are made smaller first. */
export const SKELETON_VOXELS = 6 * 2 ** 20;

export interface SkeletonMeasures {
  /** nm. */
  readonly length: number;
  readonly branches: number;
}

/**
 * Skeleton of a 3-D object (see `thin`): 1 on the lines, 0 elsewhere, x fastest. It has the components, tunnels and cavities of
 * the object.
 * @param mask foreground where not zero.
 * @throws RangeError when the mask does not fit the size.
 */
export function skeletonize(mask: Uint8Array, size: Vec3): Uint8Array {
  const padded = padMask(mask, size);
  thin(padded);
  const skeleton = new Uint8Array(mask.length);
  const [width, height, depth] = size;
  for (let z = 0, to = 0; z < depth; ++z) {
    for (let y = 0; y < height; ++y, to += width) {
      const from = 1 + padded.row * (y + 1) + padded.slice * (z + 1);
      skeleton.set(padded.values.subarray(from, from + width), to);
    }
  }
  return skeleton;
}

/**
 * Integer factors by which `skeletonMeasures` makes a box smaller, so that it has at most `limit` voxels: the axis of the
 * smallest edge of a voxel is halved, cut to a third and so on first, so that voxels get nearer to cubes.
 */
export function skeletonReduction(size: Vec3, voxelSize: Vec3, limit = SKELETON_VOXELS): Vec3 {
  const factors: [number, number, number] = [1, 1, 1];
  const reduced = (axis: number) => Math.ceil(size[axis] / factors[axis]);
  while (reduced(0) * reduced(1) * reduced(2) > limit) {
    let finest = -1;
    for (let axis = 0; axis < 3; ++axis) {
      if (reduced(axis) === 1) continue;
      if (finest < 0 || factors[axis] * voxelSize[axis] < factors[finest] * voxelSize[finest]) finest = axis;
    }
    ++factors[finest];
  }
  return factors;
}

/**
 * Length and branches of an object's skeleton.
 *
 * The skeleton is that of Lee, Kashyap & Chu 1994 (`thin`), made in voxels; lengths are in nm. As in AnalyzeSkeleton
 * (Arganda-Carreras et al. 2010, doi:10.1002/jemt.20829), voxels with one of 26 neighbours are ends, with two slabs, with more junctions; junction
 * voxels that touch are one junction.
 * - branches: lines between two of ends and junctions, and rings without either. Spurs are not pruned.
 * - length: the distances of the centres of touching voxels, added; within a junction along its minimum spanning tree, so that
 *   the triangles of its voxels are not counted as lines.
 *
 * One voxel, and anything that thins to one, has length 0 and no branch; no foreground neither. A ball thins to one or two voxels. Compared
 * with a smooth line a digital one is up to 8 % longer in the plane of two axes, and at each end it is short of as many voxels as the object is thick
 * from surface to middle.
 *
 * A box of more than SKELETON_VOXELS is made smaller first, by the factors of `skeletonReduction`; a block is foreground when any of its voxels is
 * (thin parts stay connected, gaps and tunnels of less than a block close).
 * @param mask foreground where not zero, x fastest.
 * @param voxelSize nm.
 * @throws RangeError when the mask does not fit the size, or for a voxel size that is no length.
 */
export function skeletonMeasures(mask: Uint8Array, size: Vec3, voxelSize: Vec3): SkeletonMeasures {
  boxVoxels(size, mask);
  checkVoxelSize(voxelSize);
  const factors = skeletonReduction(size, voxelSize);
  const full = factors.every((factor) => factor === 1);
  const small = full ? mask : anyInBlocks(mask, size, factors);
  const smallSize = size.map((n, axis) => Math.ceil(n / factors[axis])) as unknown as Vec3;
  const edges = voxelSize.map((edge, axis) => edge * factors[axis]) as unknown as Vec3;
  const padded = padMask(small, smallSize);
  return graphMeasures(padded, thin(padded), edges);
}

function anyInBlocks(mask: Uint8Array, size: Vec3, factors: Vec3): Uint8Array {
  const [width, height, depth] = size;
  const columns = Math.ceil(width / factors[0]);
  const rows = Math.ceil(height / factors[1]);
  const small = new Uint8Array(columns * rows * Math.ceil(depth / factors[2]));
  const columnOf = Int32Array.from({ length: width }, (_, x) => Math.floor(x / factors[0]));
  for (let z = 0, from = 0; z < depth; ++z) {
    for (let y = 0; y < height; ++y) {
      const row = columns * (Math.floor(y / factors[1]) + rows * Math.floor(z / factors[2]));
      for (let x = 0; x < width; ++x) if (mask[from++] !== 0) small[row + columnOf[x]] = 1;
    }
  }
  return small;
}

/** Neighbours after a voxel in scan order: bits of a neighbourhood from 14. */
const FORWARD = Array.from({ length: 13 }, (_, i) => {
  const bit = i + 14;
  return { bit, dx: (bit % 3) - 1, dy: (Math.floor(bit / 3) % 3) - 1, dz: Math.floor(bit / 9) - 1 };
});

/** See `skeletonMeasures`; `voxels` are the foreground of `padded`, ascending. */
function graphMeasures(padded: PaddedMask, voxels: Int32Array, voxelSize: Vec3): SkeletonMeasures {
  const { values, row, slice } = padded;
  const steps = FORWARD.map(({ bit, dx, dy, dz }) => ({
    bit,
    offset: dx + row * dy + slice * dz,
    length: Math.hypot(dx * voxelSize[0], dy * voxelSize[1], dz * voxelSize[2]),
  })).sort((a, b) => a.length - b.length);
  const count = voxels.length;
  const around = Int32Array.from(voxels, (at) => neighbourhood(values, at, row, slice));
  const degrees = Uint8Array.from(around, countBits);
  const parents = Int32Array.from({ length: count }, (_, i) => i);
  let length = 0;
  let branches = 0;
  for (let i = 0; i < count; ++i) if (degrees[i] === 2) ++branches;
  // By ascending length: what joins two parts of a junction is an edge of its minimum spanning tree (Kruskal).
  for (const step of steps) {
    for (let i = 0; i < count; ++i) {
      if ((around[i] & (1 << step.bit)) === 0) continue;
      const j = indexOf(voxels, voxels[i] + step.offset);
      const junctions = degrees[i] > 2 && degrees[j] > 2;
      const slabs = degrees[i] === 2 && degrees[j] === 2;
      if (junctions || slabs) {
        const joined = unite(parents, i, j);
        // Each line of slabs is one branch, so that each join makes one less.
        if (slabs && joined) --branches;
        if (joined || slabs) length += step.length;
      } else {
        length += step.length;
        // An end that touches an end or a junction: a branch without a slab.
        if (degrees[i] !== 2 && degrees[j] !== 2) ++branches;
      }
    }
  }
  return { length, branches };
}

function indexOf(sorted: Int32Array, value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a and b were apart. */
function unite(parents: Int32Array, a: number, b: number): boolean {
  const rootA = rootOf(parents, a);
  const rootB = rootOf(parents, b);
  if (rootA === rootB) return false;
  parents[Math.max(rootA, rootB)] = Math.min(rootA, rootB);
  return true;
}

function rootOf(parents: Int32Array, at: number): number {
  let root = at;
  while (parents[root] !== root) {
    parents[root] = parents[parents[root]];
    root = parents[root];
  }
  return root;
}
