import type { Vec3 } from "../../src/volume/types.js";

/** Where voxel coordinates (x, y, z) lie in the view: for each of its coordinates that the volume lies along, a row of the affine map. */
export interface AffineRow {
  readonly view: number;
  readonly linear: readonly number[];
  readonly offset: number;
}

/**
 * From voxels of one volume to those of another that lies along the same axes of the view.
 * @returns for each axis of the first, the axis of the second, and position = scale * position + offset.
 * @throws Error when they do not lie along the same axes, or one is rotated against the view.
 */
export function alignAxes(
  from: readonly AffineRow[],
  to: readonly AffineRow[],
): { dims: Vec3; scale: Vec3; offset: Vec3 } {
  const dims = [-1, -1, -1];
  const scale = [0, 0, 0];
  const offset = [0, 0, 0];
  for (const row of from) {
    const other = to.find(({ view }) => view === row.view);
    if (other === undefined) throw new Error("it does not lie along the same axes as the prediction");
    const axis = onlyAxis(row);
    const dim = onlyAxis(other);
    dims[axis] = dim;
    scale[axis] = row.linear[axis] / other.linear[dim];
    offset[axis] = (row.offset - other.offset) / other.linear[dim];
  }
  if (new Set(dims).size !== 3 || dims.includes(-1))
    throw new Error("it does not lie along the same three axes as the prediction");
  return { dims, scale, offset } as unknown as { dims: Vec3; scale: Vec3; offset: Vec3 };
}

function onlyAxis({ linear }: AffineRow): number {
  const largest = Math.max(...linear.map(Math.abs));
  const axes = linear.flatMap((value, axis) => (Math.abs(value) > 1e-6 * largest ? [axis] : []));
  if (axes.length !== 1)
    throw new Error("it is rotated against the prediction: only volumes along the axes can be compared");
  return axes[0];
}
