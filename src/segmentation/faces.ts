import type { Vec3 } from "../volume/types.js";
import type { Connectivity, LabelRuns } from "./types.js";

/**
 * Neighbours of a chunk are numbered d = (dx + 1) + 3 (dy + 1) + 9 (dz + 1), 0..26 without 13; the opposite is 26 - d. A "side" is
 * what a chunk shows to one of them: a plane to a face neighbour, a line to an edge neighbour, a voxel to a corner neighbour; always
 * as rows of labelled runs, so that the side towards d of one chunk lies voxel by voxel against the side towards 26 - d of the other.
 */
export const DIRECTIONS = 27;
export const opposite = (direction: number) => 26 - direction;

/** dx, dy, dz of a direction. */
export function offsetOf(direction: number): readonly [number, number, number] {
  return [(direction % 3) - 1, (Math.floor(direction / 3) % 3) - 1, Math.floor(direction / 9) - 1];
}

/** Axes along which a neighbour is off: 1 face, 2 edge, 3 corner. */
const rank = (direction: number) => offsetOf(direction).filter((d) => d !== 0).length;

/** Directions in which voxels of neighbouring chunks can be adjacent. */
export function directionsOf(connectivity: Connectivity): readonly number[] {
  const most = { 6: 1, 18: 2, 26: 3 }[connectivity];
  return Array.from({ length: DIRECTIONS }, (_, d) => d).filter((d) => d !== 13 && rank(d) <= most);
}

/** The sides of a chunk in one array; `at[d]` is where direction d begins: [rows, first run of each row and the end, runs]. */
export interface Sides {
  readonly words: Uint32Array;
  readonly at: Uint32Array;
}

/** Words are collected here, then copied: one allocation a chunk. */
let scratch = new Uint32Array(4096);
let used = 0;

function push(word: number): void {
  if (used === scratch.length) {
    const larger = new Uint32Array(scratch.length * 2);
    larger.set(scratch);
    scratch = larger;
  }
  scratch[used++] = word;
}

/** Takes the sides of a chunk towards `directions`; extents up to 65,535. */
export function takeSides(runs: LabelRuns, directions: readonly number[]): Sides {
  const at = new Uint32Array(DIRECTIONS);
  used = 0;
  for (const direction of directions) {
    at[direction] = used;
    const [dx, dy, dz] = offsetOf(direction);
    if (dx === 0) rowsAlongX(runs, dy, dz);
    else if (dy === 0) rowsAlongY(runs, dx, dz);
    else rowAlongZ(runs, dx, dy, dz);
  }
  return { words: scratch.slice(0, used), at };
}

/** First and end of the indices along an axis that a side covers. */
const from = (d: number, extent: number) => (d > 0 ? extent - 1 : 0);
const to = (d: number, extent: number) => (d < 0 ? 1 : extent);

function rowsAlongX({ size, rows, starts, ends, labels }: LabelRuns, dy: number, dz: number): void {
  const [, height, depth] = size;
  const [y0, y1, z0, z1] = [from(dy, height), to(dy, height), from(dz, depth), to(dz, depth)];
  const index = beginSide((y1 - y0) * (z1 - z0));
  let row = index;
  let runs = 0;
  for (let z = z0; z < z1; ++z) {
    for (let y = y0; y < y1; ++y) {
      const first = rows[z * height + y];
      const last = rows[z * height + y + 1];
      for (let run = first; run < last; ++run) {
        push(starts[run] | (ends[run] << 16));
        push(labels[run]);
      }
      runs += last - first;
      scratch[++row] = runs;
    }
  }
}

function rowsAlongY(runs: LabelRuns, dx: number, dz: number): void {
  const [, height, depth] = runs.size;
  const [z0, z1] = [from(dz, depth), to(dz, depth)];
  let row = beginSide(z1 - z0);
  const base = used;
  for (let z = z0; z < z1; ++z) {
    let start = 0;
    let label = 0;
    for (let y = 0; y < height; ++y) {
      const next = labelAtEnd(runs, z * height + y, dx);
      if (next === label) continue;
      closeRun(start, y, label);
      start = y;
      label = next;
    }
    closeRun(start, height, label);
    scratch[++row] = (used - base) >> 1;
  }
}

function rowAlongZ(runs: LabelRuns, dx: number, dy: number, dz: number): void {
  const [, height, depth] = runs.size;
  const y = from(dy, height);
  const z0 = from(dz, depth);
  const z1 = to(dz, depth);
  const row = beginSide(1);
  const base = used;
  let start = 0;
  let label = 0;
  for (let z = z0; z < z1; ++z) {
    const next = labelAtEnd(runs, z * height + y, dx);
    if (next === label) continue;
    closeRun(start, z - z0, label);
    start = z - z0;
    label = next;
  }
  closeRun(start, z1 - z0, label);
  scratch[row + 1] = (used - base) >> 1;
}

/** Leaves room for the index of the rows; returns where its first entry, 0, is. */
function beginSide(rowCount: number): number {
  push(rowCount);
  const index = used;
  for (let row = 0; row <= rowCount; ++row) push(0);
  return index;
}

function closeRun(start: number, end: number, label: number): void {
  if (label === 0) return;
  push(start | (end << 16));
  push(label);
}

/** Label of the first (dx < 0) or last voxel of a row; 0 is background. */
function labelAtEnd({ size, rows, starts, ends, labels }: LabelRuns, row: number, dx: number): number {
  const first = rows[row];
  const last = rows[row + 1];
  if (first === last) return 0;
  if (dx < 0) return starts[first] === 0 ? labels[first] : 0;
  return ends[last - 1] === size[0] ? labels[last - 1] : 0;
}

/** Sets bit d in `touches[label]` for every label that has a voxel in the side towards d. */
export function markTouches({ words, at }: Sides, directions: readonly number[], touches: Uint32Array): void {
  for (const direction of directions) {
    const bit = 1 << direction;
    const rowCount = words[at[direction]];
    const first = at[direction] + rowCount + 2;
    const last = first + 2 * words[first - 1];
    for (let run = first; run < last; run += 2) touches[words[run + 1]] |= bit;
  }
}

/** The bit of no direction: for labels at a lower border of the volume that lies within the chunk. */
export const WITHIN = 13;

/**
 * Sets bit `WITHIN` in `touches[label]` for every label that has a voxel at or below `edge` along an axis.
 * @param edge x y z in the chunk; -1 along axes where the volume does not begin within the chunk.
 */
export function markWithin(
  { size, rows, starts, labels }: LabelRuns,
  [edgeX, edgeY, edgeZ]: Vec3,
  touches: Uint32Array,
): void {
  const [, height, depth] = size;
  for (let row = 0; row < height * depth; ++row) {
    const whole = row % height <= edgeY || Math.floor(row / height) <= edgeZ;
    for (let run = rows[row]; run < rows[row + 1]; ++run) {
      if (whole || starts[run] <= edgeX) touches[labels[run]] |= 1 << WITHIN;
    }
  }
}

/** Contacts found so far, as label * 2^20 + the other's label; copied when done. */
let contacts = new Float64Array(1024);
let contactCount = 0;

/**
 * Pairs of labels that are adjacent over the border between two chunks, each once: [label of a, label of b, ...].
 * Sides are compared row by row as two sorted lists of runs.
 * @param direction from a to b.
 */
export function touchingLabels(
  a: Sides,
  b: Sides,
  direction: number,
  connectivity: Connectivity,
): Uint32Array {
  contactCount = 0;
  const axes = rank(direction);
  // How far a neighbour may be off along a row, and along a row one further: an adjacency may use as many axes as the
  // connectivity has, and crossing the border has taken some of them.
  const left = { 6: 1, 18: 2, 26: 3 }[connectivity] - axes;
  const near = left >= 1 ? 1 : 0;
  const far = left >= 2 ? 1 : 0;
  const atA = a.at[direction];
  const atB = b.at[opposite(direction)];
  const rowCount = a.words[atA];
  for (let row = 0; row < rowCount; ++row) {
    compareRows(a.words, atA, row, b.words, atB, row, near);
    if (left < 1) continue;
    if (row > 0) compareRows(a.words, atA, row, b.words, atB, row - 1, far);
    if (row + 1 < rowCount) compareRows(a.words, atA, row, b.words, atB, row + 1, far);
  }
  const found = contacts.subarray(0, contactCount).sort();
  const pairs = new Uint32Array(2 * contactCount);
  let length = 0;
  for (let i = 0; i < contactCount; ++i) {
    if (i > 0 && found[i] === found[i - 1]) continue;
    const first = Math.floor(found[i] / 2 ** 20);
    pairs[length++] = first;
    pairs[length++] = found[i] - first * 2 ** 20;
  }
  return pairs.slice(0, length);
}

function compareRows(
  a: Uint32Array,
  atA: number,
  rowA: number,
  b: Uint32Array,
  atB: number,
  rowB: number,
  reach: number,
): void {
  const runsA = atA + a[atA] + 2;
  const runsB = atB + b[atB] + 2;
  const lastA = runsA + 2 * a[atA + 2 + rowA];
  const lastB = runsB + 2 * b[atB + 2 + rowB];
  let i = runsA + 2 * a[atA + 1 + rowA];
  let j = runsB + 2 * b[atB + 1 + rowB];
  while (i < lastA && j < lastB) {
    const startA = a[i] & 0xffff;
    const endA = a[i] >>> 16;
    const startB = b[j] & 0xffff;
    const endB = b[j] >>> 16;
    if (endB + reach <= startA) j += 2;
    else if (endA + reach <= startB) i += 2;
    else {
      addContact(a[i + 1] * 2 ** 20 + b[j + 1]);
      // Two runs that end together: the next of a may follow at once (with another label) and still reach this of b.
      if (reach > 0 && endA === endB && i + 2 < lastA && (a[i + 2] & 0xffff) === endB)
        addContact(a[i + 3] * 2 ** 20 + b[j + 1]);
      if (endA < endB) i += 2;
      else j += 2;
    }
  }
}

function addContact(contact: number): void {
  if (contactCount > 0 && contacts[contactCount - 1] === contact) return;
  if (contactCount === contacts.length) {
    const larger = new Float64Array(contacts.length * 2);
    larger.set(contacts);
    contacts = larger;
  }
  contacts[contactCount++] = contact;
}
