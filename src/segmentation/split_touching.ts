import type { Vec3 } from "../volume/types.js";
import { distanceTransform } from "./distance_transform.js";
import { objectMask } from "./object_mask.js";
import type { Connectivity, Labelling, PlacedRuns } from "./types.js";
import { BoxTooLargeError, boxVoxels, checkVoxelSize } from "./voxel_box.js";
import { Neighbours, watershed } from "./watershed.js";

/** Most voxels of a box that is split: about 0.7 GB of distances, regions, seeds, labels and queue. */
export const SPLIT_VOXELS = 2 ** 25;

export interface SplitOptions {
  /** A part holds a ball of this radius, nm. Default 75: thinner than that are necks and noise, not mitochondria. */
  readonly minimumRadius?: number;
  /**
   * At the neck between two parts, the largest ball inside has at most this fraction of the radius of the smaller part's largest ball. Default
   * 0.7: mitochondria that touch meet in less, the swellings of one mitochondrion in more.
   */
  readonly neckRatio?: number;
  /** That ball is also smaller by this length, nm, so that the steps of voxels are no necks. Default: a voxel's longest edge, at least 30. */
  readonly minimumDepth?: number;
  /** Voxels of one object touch by faces (6), edges (18) or corners (26, default). */
  readonly connectivity?: Connectivity;
  /** What is outside of the box: "background" (default: the box was cut around the object), or "ignored" (a box of a larger volume). */
  readonly outside?: "ignored" | "background";
}

/** Parts of one object in the box around it. */
export interface SplitObject extends Labelling {
  /** First voxel of the box in the volume. */
  readonly lower: Vec3;
}

/**
 * Parts mitochondria that touch. Seeds are the maxima of the distance to the background (nm, so voxels need not be cubes)
 * that a neck separates, in the sense of `SplitOptions`: the dynamics of Grimaud 1992 (doi:10.1117/12.60650), with the depth also
 * relative to the lower maximum. From them the distance is flooded (`watershed`). An object without a neck is one part.
 *
 * It needs whole objects: a piece that a chunk's face cuts has other maxima than the object, and two chunks would split it differently. So it is
 * not part of a chunk's labelling, but is called for an object once its chunks are there, or for a whole volume.
 *
 * Parts are numbered 1..count in scan order; the result depends on the voxels alone.
 * @param mask one or more objects where not zero, x fastest.
 * @param voxelSize nm.
 * @throws RangeError when the mask does not fit the size or an option makes no sense; BoxTooLargeError.
 */
export function splitTouching(
  mask: Uint8Array,
  size: Vec3,
  voxelSize: Vec3,
  options: SplitOptions = {},
): Labelling {
  const voxels = boxVoxels(size, mask);
  if (voxels > SPLIT_VOXELS) throw new BoxTooLargeError("split touching objects", size, SPLIT_VOXELS);
  const { connectivity = 26, outside = "background" } = options;
  const isNeck = neckRule(voxelSize, options);
  const distances = distanceTransform(mask, size, voxelSize, { outside });
  const seeds = findSeeds(distances, new Neighbours(size, connectivity), isNeck);
  const markers = new Uint32Array(voxels);
  seeds.forEach((at, i) => {
    markers[at] = i + 1;
  });
  const labels = watershed(mask, size, distances, markers, { connectivity, from: "high" });
  const numbers = new Uint32Array(seeds.length + 1);
  let count = 0;
  for (let at = 0; at < voxels; ++at) {
    const label = labels[at];
    if (label === 0) continue;
    if (numbers[label] === 0) numbers[label] = ++count;
    labels[at] = numbers[label];
  }
  return { labels, count, size };
}

/**
 * Splits one object, put together from its parts in chunks in any order; see `splitTouching`.
 * @throws BoxTooLargeError when the object's box has more than SPLIT_VOXELS.
 */
export function splitObject(
  pieces: readonly PlacedRuns[],
  voxelSize: Vec3,
  options: SplitOptions = {},
): SplitObject {
  const { lower, size, mask } = objectMask(pieces, "split touching objects", SPLIT_VOXELS);
  return { lower, ...splitTouching(mask, size, voxelSize, options) };
}

/** Whether two parts are parted: radius of the lower of their maxima, radius where they meet. */
type NeckRule = (radius: number, neck: number) => boolean;

function neckRule(voxelSize: Vec3, options: SplitOptions): NeckRule {
  checkVoxelSize(voxelSize);
  const { minimumRadius = 75, neckRatio = 0.7 } = options;
  const { minimumDepth = Math.max(30, ...voxelSize) } = options;
  if (!(minimumRadius >= 0 && minimumDepth >= 0))
    throw new RangeError("the smallest radius and depth of a split are lengths in nm");
  if (!(neckRatio > 0 && neckRatio <= 1)) throw new RangeError("a neck's ratio is above 0 and at most 1");
  // Infinite radii (no background at all) have no neck.
  return (radius, neck) =>
    radius >= minimumRadius && radius - neck >= minimumDepth && neck <= neckRatio * radius;
}

/**
 * Maxima of the distance that are parted by necks, ascending voxels; one at least in each object. Voxels are taken from high to low and join the
 * region beside them; where two regions meet without a neck, the one of the lower maximum goes over into the other (union-find).
 */
function findSeeds(distances: Float32Array, neighbours: Neighbours, isNeck: NeckRule): number[] {
  const order = descending(distances);
  // A region's root is its highest voxel; -1 where no region has come yet.
  const parents = new Int32Array(distances.length).fill(-1);
  const { found } = neighbours;
  for (const at of order) {
    parents[at] = at;
    const count = neighbours.find(at);
    let best = at;
    for (let i = 0; i < count; ++i) {
      if (parents[found[i]] < 0) continue;
      found[i] = rootOf(parents, found[i]);
      if (best === at || isHigher(distances, found[i], best)) best = found[i];
    }
    parents[at] = best;
    for (let i = 0; i < count; ++i) {
      const other = rootOf(parents, found[i]);
      if (other >= 0 && other !== best && !isNeck(distances[other], distances[at])) parents[other] = best;
    }
  }
  const seeds: number[] = [];
  for (let at = 0; at < parents.length; ++at) if (parents[at] === at) seeds.push(at);
  return seeds;
}

function isHigher(distances: Float32Array, a: number, b: number): boolean {
  return distances[a] > distances[b] || (distances[a] === distances[b] && a < b);
}

/** -1 for a voxel without region. */
function rootOf(parents: Int32Array, at: number): number {
  let root = at;
  while (root >= 0 && parents[root] !== root) {
    const parent = parents[root];
    if (parent >= 0) parents[root] = parents[parent];
    root = parents[root];
  }
  return root;
}

/**
 * Voxels above 0 from high to low, equal ones in scan order: a radix sort of three digits (11 bits) of their bits, which order like
 * numbers because none is negative.
 */
function descending(values: Float32Array): Int32Array {
  const keys = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let count = 0;
  for (let at = 0; at < keys.length; ++at) if (keys[at] !== 0) ++count;
  let order = new Int32Array(count);
  for (let at = 0, i = 0; i < count; ++at) if (keys[at] !== 0) order[i++] = at;
  let next = new Int32Array(count);
  const starts = new Uint32Array(2049);
  for (let shift = 0; shift < 32; shift += 11) {
    starts.fill(0);
    for (let i = 0; i < count; ++i) ++starts[2048 - ((keys[order[i]] >>> shift) & 2047)];
    for (let digit = 1; digit < 2049; ++digit) starts[digit] += starts[digit - 1];
    for (let i = 0; i < count; ++i) next[starts[2047 - ((keys[order[i]] >>> shift) & 2047)]++] = order[i];
    [order, next] = [next, order];
  }
  return order;
}
