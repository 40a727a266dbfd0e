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
 * Only voxels on the surface whose neighbourhood has changed since they were last looked at are looked at: the work is the surface over
 * all layers, not box x layers.
 * @returns the voxels left, ascending, as indices of the padded array.
 */
export function thin(padded: PaddedMask): Int32Array {
  const { values, size, row, slice } = padded;
  const front = new Front(padded);
  const sides: number[] = [];
  if (size[1] > 1) sides.push(-row, row);
  if (size[0] > 1) sides.push(1, -1);
  if (size[2] > 1) sides.push(slice, -slice);
  let changed = sides.length > 0;
  while (changed) {
    changed = false;
    for (const side of sides) {
      for (const at of front.candidates(side)) {
        if (!isSimple(neighbourhood(values, at, row, slice))) continue;
        front.remove(at);
        changed = true;
      }
    }
  }
  let count = 0;
  for (let at = 0; at < values.length; ++at) count += values[at];
  const left = new Int32Array(count);
  for (let at = 0, i = 0; i < count; ++at) if (values[at] !== 0) left[i++] = at;
  return left;
}

/** Whether a voxel with background at a face can go without a change of topology. */
function isSimple(bits: number): boolean {
  return isConnected(bits) && keepsEuler(bits);
}

const INSIDE = 0; // or background
const WAITING = 1;
/** Cannot go as long as its neighbours stay. */
const SETTLED = 2;

/** The foreground voxels with background at one of their six faces, as far as they may go. */
class Front {
  private readonly states: Uint8Array;
  private waiting = new Int32Array(4096);
  private count = 0;
  private found = new Int32Array(4096);
  /** Offsets of the neighbours, those at faces first. */
  private readonly offsets: Int32Array;

  constructor(private readonly mask: PaddedMask) {
    const { values, row, slice } = mask;
    this.states = new Uint8Array(values.length);
    const faces = [-1, 1, -row, row, -slice, slice];
    const others: number[] = [];
    for (const z of [-slice, 0, slice]) {
      for (const y of [-row, 0, row]) {
        for (const x of [-1, 0, 1]) if (x + y + z !== 0 && !faces.includes(x + y + z)) others.push(x + y + z);
      }
    }
    this.offsets = Int32Array.of(...faces, ...others);
    // The outermost layer is background, so that the neighbours of foreground are in the array.
    for (let at = 0; at < values.length; ++at) {
      if (values[at] === 0) continue;
      const x = values[at - 1] & values[at + 1];
      const y = values[at - row] & values[at + row];
      if ((x & y & values[at - slice] & values[at + slice]) === 0) this.add(at);
    }
  }

  /** Voxels with background at `side` that may go, ascending; holds until the next call. */
  candidates(side: number): Int32Array {
    const { waiting, states } = this;
    const { values, row, slice } = this.mask;
    if (this.found.length < this.count) this.found = new Int32Array(this.count * 2);
    let kept = 0;
    let found = 0;
    for (let i = 0; i < this.count; ++i) {
      const at = waiting[i];
      if (values[at] === 0) continue;
      if (values[at + side] === 0) {
        const bits = neighbourhood(values, at, row, slice);
        const end = (bits & (bits - 1)) === 0;
        if (end || !isSimple(bits)) {
          states[at] = SETTLED;
          continue;
        }
        this.found[found++] = at;
      }
      waiting[kept++] = at;
    }
    this.count = kept;
    return this.found.subarray(0, found).sort();
  }

  /** Makes a voxel background: what was behind it is at the surface, what was settled around it is to be looked at again. */
  remove(at: number): void {
    const { states, offsets } = this;
    const { values } = this.mask;
    values[at] = 0;
    for (let i = 0; i < 26; ++i) {
      const next = at + offsets[i];
      if (values[next] !== 0 && (states[next] === SETTLED || (i < 6 && states[next] === INSIDE)))
        this.add(next);
    }
  }

  private add(at: number): void {
    this.states[at] = WAITING;
    if (this.count === this.waiting.length) {
      const larger = new Int32Array(this.count * 2);
      larger.set(this.waiting);
      this.waiting = larger;
    }
    this.waiting[this.count++] = at;
  }
}
