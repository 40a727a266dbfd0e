import type { Vec3 } from "../volume/types.js";
import type { RunLabeller } from "./runs.js";
import type { LabelRuns } from "./types.js";

/** Runs hold x in 16 bits. */
export const MAX_RUN_WIDTH = 65_535;
/** Labels within a chunk; ids leave 20 bits for them. */
export const MAX_LABELS = 2 ** 20 - 1;

/** Runs of labels that do not fit together: they come from another thread, and a fault there must not be spread. */
export class LabelRunsError extends Error {
  override name = "LabelRunsError";
}

/**
 * The labelled runs of a stack, after `finish`; what the small-object filter took is left out.
 * @throws RangeError when the stack is wider than 65,535 or holds more than 2^20 - 1 objects.
 */
export function exportRuns(labeller: RunLabeller): LabelRuns {
  const { width, height, depth, count } = labeller;
  if (width > MAX_RUN_WIDTH) throw new RangeError(`a chunk ${width} voxels wide is too wide for runs`);
  if (count > MAX_LABELS)
    throw new RangeError(`${count} objects in one chunk: raise the threshold or the smallest object`);
  const rows = new Uint32Array(height * depth + 1);
  let runs = 0;
  for (let z = 0; z < depth; ++z) {
    labeller.visitSlice(z, (_label, y) => {
      ++rows[z * height + y + 1];
      ++runs;
    });
  }
  for (let row = 1; row < rows.length; ++row) rows[row] += rows[row - 1];
  const starts = new Uint16Array(runs);
  const ends = new Uint16Array(runs);
  const labels = new Uint32Array(runs);
  let at = 0;
  for (let z = 0; z < depth; ++z) {
    labeller.visitSlice(z, (label, _y, start, end) => {
      starts[at] = start;
      ends[at] = end;
      labels[at++] = label;
    });
  }
  return { size: [width, height, depth], count, rows, starts, ends, labels };
}

/**
 * Runs of equal values along x, the values but 0 numbered from 1 in the order in which they are met.
 * @param voxels x fastest; 64-bit values above 2^53 lose digits in `values`.
 * @returns values: those of the labels 1, 2, ...
 */
export function runsOfLabels(
  voxels: ArrayLike<number> | BigUint64Array,
  size: Vec3,
): { readonly runs: LabelRuns; readonly values: number[] } {
  const rows = new Uint32Array(size[1] * size[2] + 1);
  const [starts, ends, labels]: [number[], number[], number[]] = [[], [], []];
  const numbers = new Map<number | bigint, number>();
  for (let row = 0; row + 1 < rows.length; ++row) {
    const first = row * size[0];
    for (let x = 0; x < size[0]; ) {
      const value = voxels[first + x];
      const start = x;
      do ++x;
      while (x < size[0] && voxels[first + x] === value);
      if (Number(value) === 0) continue;
      let label = numbers.get(value);
      if (label === undefined) {
        label = numbers.size + 1;
        numbers.set(value, label);
      }
      starts.push(start);
      ends.push(x);
      labels.push(label);
    }
    rows[row + 1] = starts.length;
  }
  const runs = {
    size,
    count: numbers.size,
    rows,
    starts: Uint16Array.from(starts),
    ends: Uint16Array.from(ends),
    labels: Uint32Array.from(labels),
  };
  return { runs, values: Array.from(numbers.keys(), Number) };
}

/**
 * Paints runs into voxels: `labels[x + sx * (y + sy * z)]` of a zero-filled array.
 * @param mapping value of each label 0..count; the label itself when absent. Labels mapped to 0 are left as they are.
 * @throws RangeError when the array or the mapping is too short.
 */
export function paintRuns(
  { size, count, rows, starts, ends, labels: runLabels }: LabelRuns,
  labels: Uint32Array | Float64Array,
  mapping?: ArrayLike<number>,
): void {
  const [width, height, depth] = size;
  if (labels.length < width * height * depth)
    throw new RangeError(`${labels.length} voxels do not hold a box of ${size.join(" x ")}`);
  if (mapping !== undefined && mapping.length <= count)
    throw new RangeError(`${mapping.length} values do not map the labels 0..${count}`);
  for (let row = 0; row + 1 < rows.length; ++row) {
    const base = row * width;
    for (let run = rows[row]; run < rows[row + 1]; ++run) {
      const value = mapping === undefined ? runLabels[run] : mapping[runLabels[run]];
      if (value !== 0) labels.fill(value, base + starts[run], base + ends[run]);
    }
  }
}

/** Calls back for each run [start, end) of row (y, z), in scan order. */
export function visitRuns(
  { size, rows, starts, ends, labels }: LabelRuns,
  visit: (label: number, y: number, z: number, start: number, end: number) => void,
): void {
  const [, height, depth] = size;
  for (let z = 0; z < depth; ++z) {
    for (let y = 0; y < height; ++y) {
      const row = z * height + y;
      for (let run = rows[row]; run < rows[row + 1]; ++run) visit(labels[run], y, z, starts[run], ends[run]);
    }
  }
}

/** Voxels of each label; index 0 is 0. */
export function voxelsOfLabels({ count, starts, ends, labels }: LabelRuns): Float64Array {
  const voxels = new Float64Array(count + 1);
  for (let run = 0; run < labels.length; ++run) voxels[labels[run]] += ends[run] - starts[run];
  return voxels;
}

/** Bytes held by the arrays. */
export function runsByteLength({ rows, starts, ends, labels }: LabelRuns): number {
  return rows.byteLength + starts.byteLength + ends.byteLength + labels.byteLength;
}

/**
 * Checks runs that another thread made: one pass over rows and runs, no allocation.
 * @param size the box that they should be of.
 * @throws LabelRunsError naming what does not fit.
 */
export function checkRuns(runs: LabelRuns, size: Vec3): void {
  const { count, rows, starts, ends, labels } = runs;
  const fail = (what: string): never => {
    throw new LabelRunsError(`the labels of a chunk do not fit together: ${what}; compute the chunk again`);
  };
  if (
    !Array.isArray(runs.size) ||
    runs.size.length !== 3 ||
    size.some((extent, i) => runs.size[i] !== extent)
  )
    fail(`they are of ${runs.size} voxels, not ${size.join(" x ")}`);
  if (
    !(rows instanceof Uint32Array && labels instanceof Uint32Array) ||
    !(starts instanceof Uint16Array && ends instanceof Uint16Array)
  )
    fail("the arrays are of other types");
  if (!(Number.isInteger(count) && count >= 0 && count <= MAX_LABELS)) fail(`${count} labels`);
  const total = labels.length;
  if (starts.length !== total || ends.length !== total) fail("the arrays of the runs differ in length");
  // Each label has a run. Said before anything is made for each label.
  if (count > total) fail(`${count} labels in ${total} runs`);
  const rowCount = size[1] * size[2];
  if (rows.length !== rowCount + 1 || rows[0] !== 0 || rows[rowCount] !== total)
    fail(`${rows.length} row entries for ${rowCount} rows and ${total} runs`);
  for (let row = 0; row < rowCount; ++row) {
    const last = rows[row + 1];
    if (last < rows[row] || last > total) fail(`row ${row} ends before it begins`);
    let free = 0;
    for (let run = rows[row]; run < last; ++run) {
      if (starts[run] < free || ends[run] <= starts[run] || ends[run] > size[0])
        fail(`run ${run} is misplaced`);
      free = ends[run];
      const label = labels[run];
      if (label === 0 || label > count) fail(`run ${run} has label ${label} of ${count}`);
    }
  }
}
