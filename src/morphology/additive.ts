import type { LabelRuns } from "../segmentation/types.js";
import type { Vec3 } from "../volume/types.js";
import { ADDITIVE, type MeasureFrame, OBJECT_COLUMN_IDS, type PieceMeasures } from "./object_types.js";
import { principalAxes } from "./principal_axes.js";

/** Sums of one piece. */
export const ADDITIVE_WIDTH = ADDITIVE.length;

const at = (name: (typeof ADDITIVE)[number]) => ADDITIVE.indexOf(name);
const VOXELS = at("voxels");
const X = at("x");
const XX = at("xx");
const XY = at("xy");
const XZ = at("xz");
const YZ = at("yz");
const LOWER = at("lowerX");
const UPPER = at("upperX");
const INTENSITY_VOXELS = at("intensityVoxels");
const INTENSITY = at("intensity");
const INTENSITY_SQUARED = at("intensitySquared");

/** Raw EM under the labels, x fastest, of the same box. */
export interface PieceIntensity {
  readonly data: Uint8Array | Uint16Array;
}

/**
 * Sums of every label of a box, see `ADDITIVE`; coordinates count from the box's first voxel. The sums over a run of voxels
 * are closed formulas, so that without EM the cost is by runs and not by voxels. All sums are integers, exact below 2^53. A
 * label without voxels has zeros and the box [Infinity, -Infinity), which `mergeMeasures` passes over.
 * @throws RangeError when `em` does not fit the box or a run has a label that is not in 1..count.
 */
export function measurePieces(runs: LabelRuns, em?: PieceIntensity): PieceMeasures {
  const { size, count, rows, starts, ends, labels } = runs;
  const [width, height, depth] = size;
  if (em && em.data.length !== width * height * depth) {
    throw new RangeError(`${em.data.length} voxels of EM do not make a box of ${size.join(" x ")}`);
  }
  const values = new Float64Array(count * ADDITIVE_WIDTH);
  for (let base = 0; base < values.length; base += ADDITIVE_WIDTH) clearSums(values, base);
  for (let z = 0; z < depth; ++z) {
    for (let y = 0; y < height; ++y) {
      const row = y + height * z;
      for (let run = rows[row]; run < rows[row + 1]; ++run) {
        const label = labels[run];
        if (!(label >= 1 && label <= count)) throw new RangeError(`label ${label} is not in 1..${count}`);
        addRun(values, (label - 1) * ADDITIVE_WIDTH, y, z, starts[run], ends[run]);
      }
    }
  }
  if (em) addIntensity(runs, em.data, values);
  return { count, values };
}

/** Sums of nothing, in zeros. */
export function clearSums(values: Float64Array, base: number): void {
  values.fill(Number.POSITIVE_INFINITY, base + LOWER, base + UPPER);
  values.fill(Number.NEGATIVE_INFINITY, base + UPPER, base + UPPER + 3);
}

/** Adds the voxels start..end-1 of row (y, z) to the sums that begin at `base`. */
export function addRun(
  values: Float64Array,
  base: number,
  y: number,
  z: number,
  start: number,
  end: number,
): void {
  const length = end - start;
  const sumX = (length * (start + end - 1)) / 2;
  values[base + VOXELS] += length;
  values[base + X] += sumX;
  values[base + X + 1] += length * y;
  values[base + X + 2] += length * z;
  values[base + XX] += squaresBelow(end) - squaresBelow(start);
  values[base + XX + 1] += length * y * y;
  values[base + XX + 2] += length * z * z;
  values[base + XY] += sumX * y;
  values[base + XZ] += sumX * z;
  values[base + YZ] += length * y * z;
  if (start < values[base + LOWER]) values[base + LOWER] = start;
  if (y < values[base + LOWER + 1]) values[base + LOWER + 1] = y;
  if (z < values[base + LOWER + 2]) values[base + LOWER + 2] = z;
  if (end > values[base + UPPER]) values[base + UPPER] = end;
  if (y >= values[base + UPPER + 1]) values[base + UPPER + 1] = y + 1;
  if (z >= values[base + UPPER + 2]) values[base + UPPER + 2] = z + 1;
}

/** Intensity needs every voxel: a loop of its own, over runs that are contiguous in memory. */
function addIntensity(
  { size, rows, starts, ends, labels }: LabelRuns,
  data: Uint8Array | Uint16Array,
  values: Float64Array,
) {
  const width = size[0];
  const rowCount = size[1] * size[2];
  for (let row = 0; row < rowCount; ++row) {
    const first = row * width;
    for (let run = rows[row]; run < rows[row + 1]; ++run) {
      const end = first + ends[run];
      let sum = 0;
      let squared = 0;
      for (let i = first + starts[run]; i < end; ++i) {
        const value = data[i];
        sum += value;
        squared += value * value;
      }
      const base = (labels[run] - 1) * ADDITIVE_WIDTH;
      values[base + INTENSITY_VOXELS] += ends[run] - starts[run];
      values[base + INTENSITY] += sum;
      values[base + INTENSITY_SQUARED] += squared;
    }
  }
}

/** Part of an object: the sums of a piece, and the first voxel of its box in the volume. */
export interface PlacedSums {
  readonly lower: Vec3;
  /** `ADDITIVE_WIDTH` values, as in a row of `PieceMeasures`. */
  readonly values: Float64Array;
}

export interface MergedSums {
  /** In the volume: first voxel of the object's bounding box, so the same whatever the pieces are. Zeros without a voxel. */
  readonly origin: Vec3;
  /** Sums with coordinates that count from the origin. */
  readonly values: Float64Array;
}

/**
 * Sums of an object from those of its pieces. Exact, so that they do not depend on how chunks cut it, as long as voxels x (extent in
 * voxels)^2 stays below 2^53 (a billion voxels over 3,000 voxels).
 */
export function mergeMeasures(parts: Iterable<PlacedSums>): MergedSums {
  const pieces = [...parts].filter(({ values }) => values[VOXELS] > 0);
  const values = new Float64Array(ADDITIVE_WIDTH);
  if (pieces.length === 0) return { origin: [0, 0, 0], values };
  const origin = [0, 1, 2].map((axis) =>
    pieces.reduce(
      (least, { lower, values: own }) => Math.min(least, lower[axis] + own[LOWER + axis]),
      Number.POSITIVE_INFINITY,
    ),
  ) as unknown as Vec3;
  for (const { lower, values: own } of pieces) {
    const n = own[VOXELS];
    const move = [0, 1, 2].map((axis) => lower[axis] - origin[axis]);
    values[VOXELS] += n;
    for (let axis = 0; axis < 3; ++axis) {
      const by = move[axis];
      const sum = own[X + axis];
      values[X + axis] += sum + by * n;
      values[XX + axis] += own[XX + axis] + by * (2 * sum + by * n);
      values[UPPER + axis] = Math.max(values[UPPER + axis], own[UPPER + axis] + by);
    }
    for (const [to, a, b] of MIXED) {
      values[to] += own[to] + move[a] * own[X + b] + move[b] * (own[X + a] + move[a] * n);
    }
    for (let i = INTENSITY_VOXELS; i <= INTENSITY_SQUARED; ++i) values[i] += own[i];
  }
  return { origin, values };
}

/** Mixed sums and their axes. */
const MIXED = [
  [XY, 0, 1],
  [XZ, 0, 2],
  [YZ, 1, 2],
] as const;

const WIDTH = OBJECT_COLUMN_IDS.length;

/**
 * The "additive" columns of an object (`OBJECT_COLUMNS` defines them); NaN in all others, and in those of intensity where no EM was
 * at hand. An object without a voxel has zeros.
 * @param row sums, e.g. of `mergeMeasures`.
 * @param origin voxel of the volume that the sums' coordinates count from.
 */
export function additiveColumns(row: Float64Array, origin: Vec3, { voxelSize }: MeasureFrame): Float64Array {
  const out = new Float64Array(WIDTH).fill(Number.NaN);
  const set = (id: (typeof OBJECT_COLUMN_IDS)[number], value: number) => {
    out[OBJECT_COLUMN_IDS.indexOf(id)] = value;
  };
  const n = row[VOXELS];
  const empty = n === 0;
  const volume = n * voxelSize[0] * voxelSize[1] * voxelSize[2];
  set("voxels", n);
  set("volume", volume);
  const position = (sum: number) => (empty ? 0 : sum / n + 0.5);
  set("centroidX", empty ? 0 : origin[0] + position(row[X]));
  set("centroidY", empty ? 0 : origin[1] + position(row[X + 1]));
  set("centroidZ", empty ? 0 : origin[2] + position(row[X + 2]));
  const lower = origin.map((value, axis) => (empty ? 0 : value + row[LOWER + axis]));
  const upper = origin.map((value, axis) => (empty ? 0 : value + row[UPPER + axis]));
  set("lowerX", lower[0]);
  set("lowerY", lower[1]);
  set("lowerZ", lower[2]);
  set("upperX", upper[0]);
  set("upperY", upper[1]);
  set("upperZ", upper[2]);
  const box = upper.reduce((product, value, axis) => product * (value - lower[axis]), 1);
  set("extent", empty ? 0 : n / box);
  set("equivalentDiameter", Math.cbrt((6 * volume) / Math.PI));
  const central = (sum: number, a: number, b: number) =>
    empty ? 0 : ((sum - (row[X + a] * row[X + b]) / n) / n) * voxelSize[a] * voxelSize[b];
  const { lengths, azimuth, inclination } = principalAxes(
    central(row[XX], 0, 0),
    central(row[XX + 1], 1, 1),
    central(row[XX + 2], 2, 2),
    central(row[XY], 0, 1),
    central(row[XZ], 0, 2),
    central(row[YZ], 1, 2),
  );
  set("majorAxis", lengths[0]);
  set("middleAxis", lengths[1]);
  set("minorAxis", lengths[2]);
  set("elongation", lengths[0] > 0 ? 1 - lengths[1] / lengths[0] : 0);
  set("azimuth", azimuth);
  set("inclination", inclination);
  const trace = central(row[XX], 0, 0) + central(row[XX + 1], 1, 1) + central(row[XX + 2], 2, 2);
  set("radiusOfGyration", Math.sqrt(Math.max(0, trace)));
  const measured = row[INTENSITY_VOXELS];
  if (measured > 0) {
    const mean = row[INTENSITY] / measured;
    set("intensityMean", mean);
    set("intensityDeviation", Math.sqrt(Math.max(0, row[INTENSITY_SQUARED] / measured - mean * mean)));
  }
  return out;
}

/** Sum of k^2 for k = 0..n-1. */
function squaresBelow(n: number): number {
  return ((n - 1) * n * (2 * n - 1)) / 6;
}
