import type { LabelRuns, PlacedRuns } from "../segmentation/types.js";
import type { Box, Vec3 } from "../volume/types.js";
import type { SliceAxis } from "./regions.js";

/** Most rows (bounding box across the runs) of an object that is put together: 64 MB. */
const MAX_ROWS = 2 ** 24;

/** A whole object, put together from its pieces: runs along the columns of its slices, in its bounding box. */
export interface ObjectRuns {
  /** Columns, rows and slices of the bounding box. */
  readonly size: Vec3;
  /** Axes of the volume that columns, rows and slices lie along. */
  readonly axes: Vec3;
  /** First run of row r + rows * s; one more entry closes the last row. */
  readonly rows: Uint32Array;
  /** Half open, ascending, neither touching nor overlapping. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/**
 * Puts an object together. Columns and rows are the axes that are not `sliceAxis`, ascending.
 * @param limit most voxels of a bounding box that may be painted; only needed for slices across x.
 * @returns null where the box is larger than can be held; an object without a voxel has size 0, 0, 0.
 */
export function assemble(
  pieces: readonly PlacedRuns[],
  sliceAxis: SliceAxis,
  limit: number,
): ObjectRuns | null {
  if (sliceAxis === 0) {
    const along = assemble(pieces, 2, limit);
    return along && turned(along, limit);
  }
  const box = boundsOf(pieces);
  const axes: Vec3 = sliceAxis === 2 ? [0, 1, 2] : [0, 2, 1];
  const size = axes.map((axis) => box.upper[axis] - box.lower[axis]) as unknown as Vec3;
  const rowCount = size[1] * size[2];
  if (rowCount > MAX_ROWS) return null;
  const rows = new Uint32Array(rowCount + 1);
  const rowOf = (y: number, z: number) =>
    sliceAxis === 2
      ? y - box.lower[1] + size[1] * (z - box.lower[2])
      : z - box.lower[2] + size[1] * (y - box.lower[1]);
  let total = 0;
  visitRuns(pieces, (y, z) => {
    ++rows[rowOf(y, z) + 1];
    ++total;
  });
  for (let row = 0; row < rowCount; ++row) rows[row + 1] += rows[row];
  const next = rows.slice();
  const starts = new Int32Array(total);
  const ends = new Int32Array(total);
  visitRuns(pieces, (y, z, start, end) => {
    const row = rowOf(y, z);
    // Pieces come chunk by chunk: a row's runs are nearly sorted.
    let at = next[row]++;
    for (; at > rows[row] && starts[at - 1] > start - box.lower[0]; --at) {
      starts[at] = starts[at - 1];
      ends[at] = ends[at - 1];
    }
    starts[at] = start - box.lower[0];
    ends[at] = end - box.lower[0];
  });
  return joined({ size, axes, rows, starts, ends });
}

/** Runs that touch (over a chunk face) become one. */
function joined({ size, axes, rows, starts, ends }: ObjectRuns): ObjectRuns {
  let to = 0;
  let from = 0;
  for (let row = 0; row + 1 < rows.length; ++row) {
    const first = to;
    const last = rows[row + 1];
    rows[row] = first;
    for (; from < last; ++from) {
      if (to > first && starts[from] <= ends[to - 1]) ends[to - 1] = Math.max(ends[to - 1], ends[from]);
      else {
        starts[to] = starts[from];
        ends[to++] = ends[from];
      }
    }
  }
  rows[rows.length - 1] = to;
  return { size, axes, rows, starts: starts.subarray(0, to), ends: ends.subarray(0, to) };
}

/** Runs along y in slices across x, of runs along x. */
function turned(along: ObjectRuns, limit: number): ObjectRuns | null {
  const [width, height, depth] = along.size;
  if (width * height * depth > limit || depth * width > MAX_ROWS) return null;
  const mask = paint(along);
  const rows = new Uint32Array(depth * width + 1);
  const starts: number[] = [];
  const ends: number[] = [];
  for (let x = 0, row = 0; x < width; ++x) {
    for (let z = 0; z < depth; ++z) {
      const first = x + width * height * z;
      for (let y = 0; y < height; ++y) {
        if (mask[first + width * y] === 0) continue;
        starts.push(y);
        while (y < height && mask[first + width * y] !== 0) ++y;
        ends.push(y);
      }
      rows[++row] = starts.length;
    }
  }
  return {
    size: [height, depth, width],
    axes: [1, 2, 0],
    rows,
    starts: Int32Array.from(starts),
    ends: Int32Array.from(ends),
  };
}

/** The object as a mask of its bounding box: columns fastest, then rows. */
export function paint({ size, rows, starts, ends }: ObjectRuns): Uint8Array {
  const mask = new Uint8Array(size[0] * size[1] * size[2]);
  for (let row = 0; row + 1 < rows.length; ++row) {
    for (let run = rows[row]; run < rows[row + 1]; ++run) {
      mask.fill(1, row * size[0] + starts[run], row * size[0] + ends[run]);
    }
  }
  return mask;
}

/** A mask's foreground as an object of one piece (for tests, and for masks that are at hand). At most 65,535 voxels along x. */
export function placeMask(mask: Uint8Array, size: Vec3, lower: Vec3 = [0, 0, 0]): PlacedRuns {
  const rows = new Uint32Array(size[1] * size[2] + 1);
  const starts: number[] = [];
  const ends: number[] = [];
  for (let row = 0; row + 1 < rows.length; ++row) {
    const first = row * size[0];
    for (let x = 0; x < size[0]; ++x) {
      if (mask[first + x] === 0) continue;
      starts.push(x);
      while (x < size[0] && mask[first + x] !== 0) ++x;
      ends.push(x);
    }
    rows[row + 1] = starts.length;
  }
  const runs: LabelRuns = {
    size,
    count: 1,
    rows,
    starts: Uint16Array.from(starts),
    ends: Uint16Array.from(ends),
    labels: new Uint32Array(starts.length).fill(1),
  };
  return { lower, runs, labels: [1] };
}

/** Bounding box of an object in voxels of the volume; without a voxel 0, 0, 0 to 0, 0, 0. */
export function boundsOf(pieces: readonly PlacedRuns[]): Box {
  const lower: [number, number, number] = [
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ];
  const upper: [number, number, number] = [
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ];
  visitRuns(pieces, (y, z, start, end) => {
    if (start < lower[0]) lower[0] = start;
    if (y < lower[1]) lower[1] = y;
    if (z < lower[2]) lower[2] = z;
    if (end > upper[0]) upper[0] = end;
    if (y >= upper[1]) upper[1] = y + 1;
    if (z >= upper[2]) upper[2] = z + 1;
  });
  return upper[0] > lower[0] ? { lower, upper } : { lower: [0, 0, 0], upper: [0, 0, 0] };
}

/** Calls back for each run of an object, piece by piece, in voxels of the volume. */
export function visitRuns(
  pieces: readonly PlacedRuns[],
  visit: (y: number, z: number, start: number, end: number) => void,
): void {
  for (const { lower, runs, labels: wanted } of pieces) {
    const { size, count, rows, starts, ends, labels } = runs;
    const isWanted = new Uint8Array(count + 1);
    for (const label of wanted) isWanted[label] = 1;
    for (let row = 0; row < size[1] * size[2]; ++row) {
      const y = lower[1] + (row % size[1]);
      const z = lower[2] + Math.floor(row / size[1]);
      for (let run = rows[row]; run < rows[row + 1]; ++run) {
        if (isWanted[labels[run]] === 1) visit(y, z, lower[0] + starts[run], lower[0] + ends[run]);
      }
    }
  }
}
