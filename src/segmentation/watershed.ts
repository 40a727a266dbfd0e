import type { Vec3 } from "../volume/types.js";
import type { Connectivity } from "./types.js";
import { BoxTooLargeError, boxVoxels } from "./voxel_box.js";

/** Most voxels of one flood: labels, queue and what the caller holds take about 1 GB. */
const MAX_VOXELS = 2 ** 26;

export interface WatershedOptions {
  /** Neighbours to which a label spreads; 26 as in labelling. */
  readonly connectivity?: Connectivity;
  /** Where the flood begins: "low" values of the landscape (as scikit-image) or "high" ones (a distance, a probability). */
  readonly from?: "low" | "high";
}

/**
 * Seeded watershed of a box: from the markers on, the voxels of `mask` get the label of the flood that reaches them first, floods
 * going from low to high values of the landscape (Meyer 1991, "Un algorithme optimal pour la ligne de partage des eaux"; as
 * skimage.segmentation.watershed without a line between the parts).
 *
 * The queue gives voxels by level, equal ones in the order in which they came in; a voxel's level is its value, or that of the flood that
 * reached it where that is higher. First the markers come in, in scan order. A voxel that comes out labels its neighbours without
 * a label and puts them in, in the order of their distance (faces, edges, corners), within it in scan order. So the result depends on the
 * voxels alone, neither on the values of the labels nor on who set them in which order. It is that of scikit-image 0.26, which
 * leaves open only the order of markers of one value.
 *
 * Voxels of the mask that no marker reaches stay 0; so do markers outside of the mask. Bytes are flooded with a queue of 256
 * buckets (linear in the voxels), floats with a heap.
 * @param mask voxels to be parted where not zero, x fastest. For one object in a box, its own voxels.
 * @param landscape e.g. the probability (`from: "high"`), or a distance.
 * @param markers label of each marked voxel, 0 elsewhere.
 * @throws RangeError when an array does not fit the size, or the landscape has a voxel in the mask that is not a number;
 * BoxTooLargeError.
 */
export function watershed(
  mask: Uint8Array,
  size: Vec3,
  landscape: Uint8Array | Float32Array,
  markers: Uint32Array,
  { connectivity = 26, from = "low" }: WatershedOptions = {},
): Uint32Array {
  const voxels = boxVoxels(size, mask, landscape, markers);
  if (voxels > MAX_VOXELS) throw new BoxTooLargeError("watershed", size, MAX_VOXELS);
  if (landscape instanceof Float32Array && !allNumbers(landscape, mask))
    throw new RangeError("watershed: the landscape has voxels that are not a number");
  const neighbours = new Neighbours(size, connectivity);
  const labels = new Uint32Array(voxels);
  const queue =
    landscape instanceof Uint8Array
      ? new BucketQueue(landscape, from === "high")
      : new HeapQueue(landscape, from === "high");
  for (let at = 0; at < voxels; ++at) {
    if (markers[at] === 0 || mask[at] === 0) continue;
    labels[at] = markers[at];
    queue.push(at);
  }
  const { found } = neighbours;
  for (let at = queue.pop(); at >= 0; at = queue.pop()) {
    const label = labels[at];
    const count = neighbours.find(at);
    for (let i = 0; i < count; ++i) {
      const next = found[i];
      if (labels[next] !== 0 || mask[next] === 0) continue;
      labels[next] = label;
      queue.push(next);
    }
  }
  return labels;
}

function allNumbers(values: Float32Array, mask: Uint8Array): boolean {
  for (let at = 0; at < values.length; ++at) if (mask[at] !== 0 && Number.isNaN(values[at])) return false;
  return true;
}

/** The neighbours of voxels in a box: those at faces, then at edges, then at corners, each in scan order. */
export class Neighbours {
  /** What `find` found. */
  readonly found: Int32Array;
  private readonly steps: Int8Array;
  private readonly offsets: Int32Array;

  /** @throws RangeError for another connectivity than 6, 18 and 26. */
  constructor(
    private readonly size: Vec3,
    connectivity: Connectivity,
  ) {
    const reach = { 6: 1, 18: 2, 26: 3 }[connectivity];
    if (reach === undefined) throw new RangeError(`connectivity must be 6, 18 or 26, not ${connectivity}`);
    const steps: number[][] = [];
    for (let apart = 1; apart <= reach; ++apart) {
      for (let bit = 0; bit < 27; ++bit) {
        const step = [(bit % 3) - 1, (Math.floor(bit / 3) % 3) - 1, Math.floor(bit / 9) - 1];
        if (Math.abs(step[0]) + Math.abs(step[1]) + Math.abs(step[2]) === apart) steps.push(step);
      }
    }
    this.steps = Int8Array.from(steps.flat());
    this.offsets = Int32Array.from(steps, ([x, y, z]) => x + size[0] * (y + size[1] * z));
    this.found = new Int32Array(steps.length);
  }

  /** Writes the neighbours of a voxel that are in the box to `found`; gives their number. */
  find(at: number): number {
    const { steps, offsets, found } = this;
    const [width, height, depth] = this.size;
    const x = at % width;
    const row = (at - x) / width;
    const y = row % height;
    const z = (row - y) / height;
    if (x > 0 && y > 0 && z > 0 && x + 1 < width && y + 1 < height && z + 1 < depth) {
      for (let i = 0; i < offsets.length; ++i) found[i] = at + offsets[i];
      return offsets.length;
    }
    let count = 0;
    for (let i = 0, s = 0; i < offsets.length; ++i, s += 3) {
      const u = x + steps[s];
      const v = y + steps[s + 1];
      const w = z + steps[s + 2];
      if (u < 0 || v < 0 || w < 0 || u >= width || v >= height || w >= depth) continue;
      found[count++] = at + offsets[i];
    }
    return count;
  }
}

/** Voxels by their level, equal ones first in, first out. Each voxel comes in once, at the level of the one that came out last at least. */
class BucketQueue {
  private readonly heads = new Int32Array(256).fill(-1);
  private readonly tails = new Int32Array(256);
  private readonly next: Int32Array;
  private level = 0;
  private readonly flip: number;

  constructor(
    private readonly values: Uint8Array,
    high: boolean,
  ) {
    this.next = new Int32Array(values.length);
    this.flip = high ? 255 : 0;
  }

  push(at: number): void {
    const bucket = Math.max(this.values[at] ^ this.flip, this.level);
    this.next[at] = -1;
    if (this.heads[bucket] < 0) this.heads[bucket] = at;
    else this.next[this.tails[bucket]] = at;
    this.tails[bucket] = at;
  }

  /** -1 when there is none left. */
  pop(): number {
    while (this.level < 256 && this.heads[this.level] < 0) ++this.level;
    if (this.level === 256) return -1;
    const at = this.heads[this.level];
    this.heads[this.level] = this.next[at];
    return at;
  }
}

/** The same for floats: a binary heap of (level, age). */
class HeapQueue {
  private keys = new Float32Array(1024);
  private ages = new Uint32Array(1024);
  private voxels = new Int32Array(1024);
  private count = 0;
  private age = 0;
  private level = -Infinity;
  private readonly sign: number;

  constructor(
    private readonly values: Float32Array,
    high: boolean,
  ) {
    this.sign = high ? -1 : 1;
  }

  push(at: number): void {
    if (this.count === this.keys.length) this.grow();
    const { keys, ages, voxels } = this;
    const key = Math.max(this.values[at] * this.sign, this.level);
    let hole = this.count++;
    // The newest goes behind all of its value.
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (keys[parent] <= key) break;
      keys[hole] = keys[parent];
      ages[hole] = ages[parent];
      voxels[hole] = voxels[parent];
      hole = parent;
    }
    keys[hole] = key;
    ages[hole] = this.age++;
    voxels[hole] = at;
  }

  /** -1 when there is none left. */
  pop(): number {
    if (this.count === 0) return -1;
    const { keys, ages, voxels } = this;
    const first = voxels[0];
    this.level = keys[0];
    const last = --this.count;
    const key = keys[last];
    const age = ages[last];
    let hole = 0;
    while (true) {
      let child = 2 * hole + 1;
      if (child >= last) break;
      if (child + 1 < last && before(keys, ages, child + 1, keys[child], ages[child])) ++child;
      if (!before(keys, ages, child, key, age)) break;
      keys[hole] = keys[child];
      ages[hole] = ages[child];
      voxels[hole] = voxels[child];
      hole = child;
    }
    keys[hole] = key;
    ages[hole] = age;
    voxels[hole] = voxels[last];
    return first;
  }

  private grow(): void {
    const length = this.keys.length * 2;
    const keys = new Float32Array(length);
    keys.set(this.keys);
    this.keys = keys;
    const ages = new Uint32Array(length);
    ages.set(this.ages);
    this.ages = ages;
    const voxels = new Int32Array(length);
    voxels.set(this.voxels);
    this.voxels = voxels;
  }
}

function before(keys: Float32Array, ages: Uint32Array, at: number, key: number, age: number): boolean {
  return keys[at] < key || (keys[at] === key && ages[at] < age);
}
