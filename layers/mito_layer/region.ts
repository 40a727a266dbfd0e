import type { Box, Vec3 } from "../../src/volume/types.js";

/** A box in the coordinates of the position bar, or a place, that cannot be used; says why. */
export class RegionError extends Error {
  override name = "RegionError";
}

/**
 * What of a layer's coordinate transform places voxels in a view: plain numbers, so that no Neuroglancer code is needed.
 * Voxel (x, y, z) of the predicted scale -> model space -> the layer's dimensions -> the view's coordinates.
 */
export interface Placement {
  /** Homogeneous, column-major, 4 x 4: voxels -> model space. */
  readonly voxelToModel: readonly number[];
  /** Homogeneous, column-major, (rank + 1)^2: model space (its first 3 axes) -> the layer's dimensions. */
  readonly modelToLayer: ArrayLike<number>;
  readonly rank: number;
  /** For each coordinate of the view, the layer's dimension; -1 where it is none of them. */
  readonly viewToLayer: readonly number[];
  /** Names of the view's coordinates. */
  readonly names: readonly string[];
}

/** Rows of the affine map voxels -> view coordinates for the three that the volume lies along, in the order of the names. */
export function affineOf({ voxelToModel, modelToLayer, rank, viewToLayer }: Placement) {
  const stride = rank + 1;
  const rows: { view: number; linear: number[]; offset: number }[] = [];
  viewToLayer.forEach((layerDim, view) => {
    if (layerDim === -1) return;
    const model = [0, 1, 2].map((axis) => modelToLayer[axis * stride + layerDim]);
    const linear = [0, 1, 2].map((voxel) =>
      model.reduce((sum, value, axis) => sum + value * voxelToModel[voxel * 4 + axis], 0),
    );
    const offset =
      modelToLayer[rank * stride + layerDim] +
      model.reduce((sum, value, axis) => sum + value * voxelToModel[12 + axis], 0);
    if (linear.some((value) => value !== 0)) rows.push({ view, linear, offset });
  });
  if (rows.length !== 3) throw new RegionError("the layer does not lie along three axes of the view");
  return rows;
}

function determinant([a, b, c]: readonly (readonly number[])[]): number {
  return (
    a[0] * (b[1] * c[2] - b[2] * c[1]) -
    a[1] * (b[0] * c[2] - b[2] * c[0]) +
    a[2] * (b[0] * c[1] - b[1] * c[0])
  );
}

/** Solves the 3 x 3 system by Cramer's rule. */
function solve(rows: readonly (readonly number[])[], values: readonly number[]): Vec3 {
  const whole = determinant(rows);
  if (!(Math.abs(whole) > 0)) throw new RegionError("the layer is flat in this view");
  return [0, 1, 2].map(
    (column) =>
      determinant(rows.map((row, i) => row.map((value, j) => (j === column ? values[i] : value)))) / whole +
      0,
  ) as unknown as Vec3;
}

/** Names of the view's coordinates along which the volume lies: what a typed box is made of. */
export function regionNames(placement: Placement): string[] {
  return affineOf(placement).map(({ view }) => placement.names[view]);
}

/** The voxel at a position of the view. @throws RegionError where the layer does not lie in three of its axes. */
export function voxelAt(placement: Placement, position: ArrayLike<number>): Vec3 {
  const rows = affineOf(placement);
  return solve(
    rows.map(({ linear }) => linear),
    rows.map(({ view, offset }) => position[view] - offset),
  );
}

/** Voxels of a box in the view's coordinates, rounded outwards. */
export function voxelBox(placement: Placement, ranges: readonly (readonly [number, number])[]): Box {
  const rows = affineOf(placement);
  const corner = (pick: (i: number) => number) => {
    const position: number[] = [];
    rows.forEach(({ view }, i) => {
      position[view] = ranges[i][pick(i)];
    });
    return voxelAt(placement, position);
  };
  const corners = Array.from({ length: 8 }, (_, bits) => corner((i) => (bits >> i) & 1));
  const along = (axis: number) => corners.map((voxel) => voxel[axis]);
  // Rounding errors of a product must not add a voxel.
  const lower = [0, 1, 2].map((axis) => Math.floor(Math.min(...along(axis)) + 1e-3));
  const upper = [0, 1, 2].map((axis) => Math.ceil(Math.max(...along(axis)) - 1e-3));
  return { lower: lower as unknown as Vec3, upper: upper as unknown as Vec3 };
}

/** The reverse of `voxelBox`: ranges in the view's coordinates that hold a box of voxels. */
export function viewRanges(placement: Placement, { lower, upper }: Box): [number, number][] {
  return affineOf(placement).map(({ linear, offset }) => {
    const ends = linear.map((value, axis) => [value * lower[axis], value * upper[axis]]);
    const least = ends.reduce((sum, pair) => sum + Math.min(...pair), offset);
    const most = ends.reduce((sum, pair) => sum + Math.max(...pair), offset);
    return [round(least), round(most)];
  });
}

const round = (value: number) => Number(value.toFixed(3));

/**
 * Reads "from:to, from:to, from:to", one range for each name, as the command line's --region.
 * @throws RegionError naming the part that cannot be read.
 */
export function parseRanges(text: string, names: readonly string[]): [number, number][] {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.length !== names.length)
    throw new RegionError(
      `“${text.slice(0, 80)}” must be ${names.length} ranges, ${names.map((name) => `${name} from:to`).join(", ")}`,
    );
  return parts.map((part, i) => {
    const ends = part.split(":").map((end) => (/^\s*-?\d+(\.\d+)?\s*$/.test(end) ? Number(end) : Number.NaN));
    const [from, to] = ends;
    if (ends.length !== 2 || !(from < to))
      throw new RegionError(`${names[i]}: “${part.slice(0, 40)}” must be two rising numbers, from:to`);
    return [from, to];
  });
}

export function formatRanges(ranges: readonly (readonly [number, number])[]): string {
  return ranges.map(([from, to]) => `${from}:${to}`).join(", ");
}
