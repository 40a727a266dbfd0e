import { RunLabeller } from "../segmentation/runs.js";
import type { Connectivity, PlacedRuns } from "../segmentation/types.js";
import { BoxTooLargeError } from "../segmentation/voxel_box.js";
import { boxSize, boxVolume } from "../volume/box.js";
import type { Box, Vec3 } from "../volume/types.js";
import type { VoxelSet } from "./types.js";

/** An operation works on dense arrays of an object's box, a few bytes a voxel. */
export const MAX_BOX_VOXELS = 2 ** 27;
const MAX_RUN_WIDTH = 65_535;
const RUN = 4;

export const EMPTY_SET: VoxelSet = {
  box: { lower: [0, 0, 0], upper: [0, 0, 0] },
  count: 0,
  runs: new Int32Array(0),
};

/** Whether two boxes share a voxel; without an allocation, since it is asked of every object that was drawn. */
export function boxesMeet(a: Box, b: Box): boolean {
  return (
    a.lower[0] < b.upper[0] &&
    a.upper[0] > b.lower[0] &&
    a.lower[1] < b.upper[1] &&
    a.upper[1] > b.lower[1] &&
    a.lower[2] < b.upper[2] &&
    a.upper[2] > b.lower[2]
  );
}

/** Makes a set of runs in any order, also overlapping ones. @param length of `runs` that is in use. */
export function voxelSet(runs: Int32Array, length = runs.length): VoxelSet {
  if (length === 0) return EMPTY_SET;
  const sorted = isSorted(runs, length) ? runs : sortRuns(runs, length);
  const out = new Int32Array(length);
  let used = 0;
  for (let i = 0; i < length; i += RUN) {
    const last = used - RUN;
    if (
      used > 0 &&
      out[last] === sorted[i] &&
      out[last + 1] === sorted[i + 1] &&
      out[last + 3] >= sorted[i + 2]
    ) {
      out[last + 3] = Math.max(out[last + 3], sorted[i + 3]);
      continue;
    }
    for (let k = 0; k < RUN; ++k) out[used + k] = sorted[i + k];
    used += RUN;
  }
  const lower: [number, number, number] = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, out[0]];
  const upper: [number, number, number] = [
    Number.MIN_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    out[used - RUN] + 1,
  ];
  let count = 0;
  for (let i = 0; i < used; i += RUN) {
    lower[0] = Math.min(lower[0], out[i + 2]);
    upper[0] = Math.max(upper[0], out[i + 3]);
    lower[1] = Math.min(lower[1], out[i + 1]);
    upper[1] = Math.max(upper[1], out[i + 1] + 1);
    count += out[i + 3] - out[i + 2];
  }
  return { box: { lower, upper }, count, runs: used === length ? out : out.slice(0, used) };
}

/** Voxels of an object's pieces. */
export function fromPlaced(pieces: readonly PlacedRuns[]): VoxelSet {
  const list: number[] = [];
  for (const { lower, runs, labels } of pieces) {
    const wanted = new Set(labels);
    const [, height] = runs.size;
    for (let row = 0; row + 1 < runs.rows.length; ++row) {
      for (let run = runs.rows[row]; run < runs.rows[row + 1]; ++run) {
        if (!wanted.has(runs.labels[run])) continue;
        const y = lower[1] + (row % height);
        const z = lower[2] + Math.floor(row / height);
        list.push(z, y, lower[0] + runs.starts[run], lower[0] + runs.ends[run]);
      }
    }
  }
  return voxelSet(Int32Array.from(list));
}

/** A set as pieces with label 1, for meshes and measures; one piece where the set is at most 65,535 voxels wide. */
export function toPlaced(set: VoxelSet): PlacedRuns[] {
  const pieces: PlacedRuns[] = [];
  const { lower, upper } = set.box;
  for (let x = lower[0]; x < upper[0]; x += MAX_RUN_WIDTH) {
    const right = Math.min(upper[0], x + MAX_RUN_WIDTH);
    pieces.push(placedPart(set, { lower: [x, lower[1], lower[2]], upper: [right, upper[1], upper[2]] }));
  }
  return pieces;
}

function placedPart(set: VoxelSet, box: Box): PlacedRuns {
  const size = boxSize(box);
  const rows = new Uint32Array(size[1] * size[2] + 1);
  const starts: number[] = [];
  const ends: number[] = [];
  visitRuns(set, box, (start, end, y, z) => {
    ++rows[y - box.lower[1] + size[1] * (z - box.lower[2]) + 1];
    starts.push(start - box.lower[0]);
    ends.push(end - box.lower[0]);
  });
  for (let row = 1; row < rows.length; ++row) rows[row] += rows[row - 1];
  const labels = new Uint32Array(starts.length).fill(1);
  return {
    lower: box.lower,
    runs: { size, count: 1, rows, starts: Uint16Array.from(starts), ends: Uint16Array.from(ends), labels },
    labels: [1],
  };
}

/** Calls back for the parts of runs inside of a box, in the order z, y, x. */
export function visitRuns(
  { box: own, runs }: VoxelSet,
  box: Box,
  visit: (start: number, end: number, y: number, z: number) => void,
): void {
  if (!boxesMeet(own, box)) return;
  const { lower, upper } = box;
  for (let i = firstRun(runs, lower[2], lower[1]); i < runs.length && runs[i] < upper[2]; i += RUN) {
    if (runs[i + 1] < lower[1] || runs[i + 1] >= upper[1]) continue;
    const start = Math.max(runs[i + 2], lower[0]);
    const end = Math.min(runs[i + 3], upper[0]);
    if (start < end) visit(start, end, runs[i + 1], runs[i]);
  }
}

export function hasVoxel({ box, runs }: VoxelSet, [x, y, z]: Vec3): boolean {
  const { lower, upper } = box;
  if (x < lower[0] || y < lower[1] || z < lower[2] || x >= upper[0] || y >= upper[1] || z >= upper[2])
    return false;
  for (let i = firstRun(runs, z, y); i < runs.length && runs[i] === z && runs[i + 1] === y; i += RUN)
    if (x < runs[i + 3]) return x >= runs[i + 2];
  return false;
}

export function union(sets: readonly VoxelSet[]): VoxelSet {
  const [first, ...rest] = sets.filter(({ count }) => count > 0);
  if (first === undefined || rest.length === 0) return first ?? EMPTY_SET;
  const all = new Int32Array(rest.reduce((sum, { runs }) => sum + runs.length, first.runs.length));
  let at = 0;
  for (const { runs } of [first, ...rest]) {
    all.set(runs, at);
    at += runs.length;
  }
  return voxelSet(all);
}

/** Voxels of `a` that are not in `b`. */
export function subtract(a: VoxelSet, b: VoxelSet): VoxelSet {
  if (!boxesMeet(a.box, b.box)) return a;
  const out: number[] = [];
  for (let i = 0; i < a.runs.length; i += RUN) {
    const [z, y, , end] = a.runs.subarray(i, i + RUN);
    let from = a.runs[i + 2];
    for (
      let j = firstRun(b.runs, z, y);
      j < b.runs.length && b.runs[j] === z && b.runs[j + 1] === y;
      j += RUN
    ) {
      if (b.runs[j + 3] <= from) continue;
      if (b.runs[j + 2] >= end) break;
      if (b.runs[j + 2] > from) out.push(z, y, from, b.runs[j + 2]);
      from = b.runs[j + 3];
    }
    if (from < end) out.push(z, y, from, end);
  }
  return voxelSet(Int32Array.from(out));
}

/** Writes `value` where the set has voxels of the box: `array[x + sx * (y + sy * z)]` relative to the box. */
export function paintSet(
  set: VoxelSet,
  box: Box,
  array: Uint8Array | Uint32Array | Float64Array,
  value: number,
): void {
  const [width, height] = boxSize(box);
  const [x0, y0, z0] = box.lower;
  visitRuns(set, box, (start, end, y, z) => {
    const base = width * (y - y0 + height * (z - z0)) - x0;
    array.fill(value, base + start, base + end);
  });
}

/** @throws BoxTooLargeError */
export function maskOf(set: VoxelSet, box: Box): Uint8Array {
  checkBox(box);
  const mask = new Uint8Array(boxVolume(box));
  paintSet(set, box, mask, 1);
  return mask;
}

/** Voxels of a box that hold `value`. */
export function fromMask(mask: ArrayLike<number>, { lower, upper }: Box, value = 1): VoxelSet {
  let list = new Int32Array(1024);
  let used = 0;
  let at = 0;
  for (let z = lower[2]; z < upper[2]; ++z) {
    for (let y = lower[1]; y < upper[1]; ++y) {
      for (let x = lower[0]; x < upper[0]; ++x, ++at) {
        if (mask[at] !== value) continue;
        const start = x;
        while (x + 1 < upper[0] && mask[at + 1] === value) {
          ++x;
          ++at;
        }
        if (used === list.length) {
          const larger = new Int32Array(list.length * 2);
          larger.set(list);
          list = larger;
        }
        list[used] = z;
        list[used + 1] = y;
        list[used + 2] = start;
        list[used + 3] = x + 1;
        used += RUN;
      }
    }
  }
  return voxelSet(list, used);
}

/** The connected part of a set that holds a voxel; empty when the set does not hold it. @throws BoxTooLargeError */
export function componentAt(set: VoxelSet, voxel: Vec3, connectivity: Connectivity): VoxelSet {
  if (!hasVoxel(set, voxel)) return EMPTY_SET;
  const mask = maskOf(set, set.box);
  const [width, height, depth] = boxSize(set.box);
  const labeller = new RunLabeller();
  labeller.begin(width, height, connectivity);
  for (let z = 0; z < depth; ++z) labeller.addSlice(mask, 1, z * width * height);
  labeller.finish(0);
  const labels = new Uint32Array(mask.length);
  labeller.paint(labels);
  const { lower } = set.box;
  const at = voxel[0] - lower[0] + width * (voxel[1] - lower[1] + height * (voxel[2] - lower[2]));
  return fromMask(labels, set.box, labels[at]);
}

export function cropSet(set: VoxelSet, box: Box): VoxelSet {
  const list: number[] = [];
  visitRuns(set, box, (start, end, y, z) => list.push(z, y, start, end));
  return voxelSet(Int32Array.from(list));
}

export function sameSet(a: VoxelSet, b: VoxelSet): boolean {
  return (
    a.count === b.count && a.runs.length === b.runs.length && a.runs.every((value, i) => value === b.runs[i])
  );
}

/** @throws BoxTooLargeError when an operation on the box would not fit into memory. */
export function checkBox(box: Box): void {
  if (boxVolume(box) > MAX_BOX_VOXELS)
    throw new BoxTooLargeError("this correction", boxSize(box), MAX_BOX_VOXELS);
}

/** Position of the first run at or after row (y, z). */
function firstRun(runs: Int32Array, z: number, y: number): number {
  let low = 0;
  let high = runs.length / RUN;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * RUN;
    if (runs[at] < z || (runs[at] === z && runs[at + 1] < y)) low = middle + 1;
    else high = middle;
  }
  return low * RUN;
}

function isSorted(runs: Int32Array, length: number): boolean {
  for (let i = RUN; i < length; i += RUN) if (compareRuns(runs, i - RUN, i) > 0) return false;
  return true;
}

function compareRuns(runs: Int32Array, a: number, b: number): number {
  return runs[a] - runs[b] || runs[a + 1] - runs[b + 1] || runs[a + 2] - runs[b + 2];
}

function sortRuns(runs: Int32Array, length: number): Int32Array {
  const order = Uint32Array.from({ length: length / RUN }, (_, i) => i * RUN);
  order.sort((a, b) => compareRuns(runs, a, b));
  const sorted = new Int32Array(length);
  order.forEach((from, i) => {
    for (let k = 0; k < RUN; ++k) sorted[i * RUN + k] = runs[from + k];
  });
  return sorted;
}
