import { boxVoxels } from "../segmentation/voxel_box.js";
import type { Vec3 } from "../volume/types.js";
import { eulerTable } from "./euler.js";

/** A mask with a border of background, values 0 and 1: voxel (x, y, z) is at x + 1 + row * (y + 1) + slice * (z + 1). */
export interface PaddedMask {
  readonly values: Uint8Array;
  readonly size: Vec3;
  readonly row: number;
  readonly slice: number;
}

/** Copies a mask (foreground where not zero) into a box with a border of one voxel. */
export function padMask(mask: Uint8Array, size: Vec3): PaddedMask {
  boxVoxels(size, mask);
  const [width, height, depth] = size;
  const row = width + 2;
  const slice = row * (height + 2);
  const values = new Uint8Array(slice * (depth + 2));
  for (let z = 0, from = 0; z < depth; ++z) {
    for (let y = 0; y < height; ++y) {
      let to = 1 + row * (y + 1) + slice * (z + 1);
      for (let x = 0; x < width; ++x) values[to++] = mask[from++] === 0 ? 0 : 1;
    }
  }
  return { values, size, row, slice };
}

/** Bit of neighbour (dx, dy, dz) in a neighbourhood: dx + 1 + 3 (dy + 1) + 9 (dz + 1); the voxel itself (13) is left out. */
export function neighbourhood(values: Uint8Array, at: number, row: number, slice: number): number {
  let bits = 0;
  let shift = 0;
  for (let z = at - slice; z <= at + slice; z += slice) {
    for (let y = z - row; y <= z + row; y += row) {
      bits |= (values[y - 1] | (values[y] << 1) | (values[y + 1] << 2)) << shift;
      shift += 3;
    }
  }
  return bits & ~CENTRE;
}

export function countBits(bits: number): number {
  let n = bits - ((bits >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return (((n + (n >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

const CENTRE = 1 << 13;
/** The eight 2 x 2 x 2 blocks of a neighbourhood: shift of their first voxel, and their voxels. */
const BLOCK_SHIFTS = [0, 1, 3, 4, 9, 10, 12, 13];
const BLOCKS = BLOCK_SHIFTS.map((shift) => (0b11011000011011 << shift) & ~CENTRE);
/** Change (x 8) of the Euler number (26) by the middle voxel in each block, by the arrangement of the block. */
const DELTAS = makeDeltas();

function makeDeltas(): Int8Array {
  const table = eulerTable(3, true);
  const deltas = new Int8Array(8 * 256);
  for (let block = 0; block < 8; ++block) {
    // The middle of the neighbourhood is the far corner of the first block, the near one of the last.
    const middle = 1 << (7 - block);
    for (let at = 0; at < 256; ++at) {
      deltas[block * 256 + at] = table[at | middle] - table[at & ~middle];
    }
  }
  return deltas;
}

/** Whether taking the middle voxel away leaves the Euler number as it is (Lee et al., condition 1). */
function keepsEuler(bits: number): boolean {
  let sum = 0;
  for (let block = 0; block < 8; ++block) {
    const part = bits >>> BLOCK_SHIFTS[block];
    const at = (part & 3) | ((part >>> 1) & 12) | ((part >>> 5) & 48) | ((part >>> 6) & 192);
    sum += DELTAS[block * 256 + at];
  }
  return sum === 0;
}

/** Whether the neighbours are one 26-connected component: voxels touch exactly when they share a block (Lee et al., condition 2). */
function isConnected(bits: number): boolean {
  let component = bits & -bits;
  while (component !== bits) {
    const before = component;
    for (let block = 0; block < 8; ++block) {
      if ((component & BLOCKS[block]) !== 0) component |= bits & BLOCKS[block];
    }
    if (component === before) return false;
  }
  return bits !== 0;
}

/**
 * Thins a 3-D object to lines of one voxel, in place, without a change of its topology (26-connected foreground): Lee, Kashyap & Chu
 * 1994, "Building skeleton models via 3-D medial surface/axis thinning algorithms", doi:10.1006/cgip.1994.1042, in the order of borders
 * of skimage.morphology.skeletonize(method="lee").
 *
 * From each of the six sides in turn, voxels at the border are taken away that are not the end of a line (one neighbour) and whose removal
 * keeps Euler number and connectivity; all found first, then checked again one by one in scan order. The second check
 * is of both conditions: connectivity alone, as in the paper, can open tunnels. An axis of one voxel has no sides, so that a flat mask
 * is thinned as in 2-D.
 *
 * Only voxels on the surface are looked at: the work is the surface over all layers, not box x layers.
 * @returns the voxels left, ascending, as indices of the padded array.
 */
export function thin({ values, size, row, slice }: PaddedMask): Int32Array {
  const front = new Front(values, row, slice);
  const sides: number[] = [];
  if (size[1] > 1) sides.push(-row, row);
  if (size[0] > 1) sides.push(1, -1);
  if (size[2] > 1) sides.push(slice, -slice);
  let candidates = new Int32Array(1024);
  let changed = sides.length > 0;
  while (changed) {
    changed = false;
    for (const side of sides) {
      front.dropBackground();
      if (candidates.length < front.count) candidates = new Int32Array(front.count * 2);
      let count = 0;
      const { voxels } = front;
      for (let i = 0; i < front.count; ++i) {
        const at = voxels[i];
        if (values[at + side] !== 0) continue;
        const bits = neighbourhood(values, at, row, slice);
        if ((bits & (bits - 1)) === 0 || !keepsEuler(bits) || !isConnected(bits)) continue;
        candidates[count++] = at;
      }
      candidates.subarray(0, count).sort();
      for (let i = 0; i < count; ++i) {
        const at = candidates[i];
        const bits = neighbourhood(values, at, row, slice);
        if (!isConnected(bits) || !keepsEuler(bits)) continue;
        values[at] = 0;
        front.expose(at);
        changed = true;
      }
    }
  }
  front.dropBackground();
  return front.voxels.slice(0, front.count).sort();
}

/** Foreground voxels with background at one of their six faces. */
class Front {
  voxels = new Int32Array(4096);
  count = 0;
  private readonly listed: Uint8Array;

  constructor(
    private readonly values: Uint8Array,
    private readonly row: number,
    private readonly slice: number,
  ) {
    this.listed = new Uint8Array(values.length);
    // The outermost layer is background, so that the neighbours of foreground are in the array.
    for (let at = 0; at < values.length; ++at) {
      if (values[at] === 0) continue;
      const faces =
        values[at - 1] &
        values[at + 1] &
        values[at - row] &
        values[at + row] &
        values[at - slice] &
        values[at + slice];
      if (faces === 0) this.add(at);
    }
  }

  /** Takes in the neighbours of a voxel that was taken away. */
  expose(at: number): void {
    this.add(at - 1);
    this.add(at + 1);
    this.add(at - this.row);
    this.add(at + this.row);
    this.add(at - this.slice);
    this.add(at + this.slice);
  }

  dropBackground(): void {
    let kept = 0;
    for (let i = 0; i < this.count; ++i) {
      const at = this.voxels[i];
      if (this.values[at] !== 0) this.voxels[kept++] = at;
    }
    this.count = kept;
  }

  private add(at: number): void {
    if (this.values[at] === 0 || this.listed[at] !== 0) return;
    this.listed[at] = 1;
    if (this.count === this.voxels.length) {
      const larger = new Int32Array(this.count * 2);
      larger.set(this.voxels);
      this.voxels = larger;
    }
    this.voxels[this.count++] = at;
  }
}
