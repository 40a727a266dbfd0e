import type { Vec3 } from "../volume/types.js";
import type { ObjectRuns } from "./object_runs.js";
import { MAX_HULL_EXTENT, Quickhull } from "./quickhull.js";

/** Longest edge of a bounding box whose hull is measured, in voxels. */
export const MAX_HULL_EDGE = MAX_HULL_EXTENT / 2 - 2;

/** The voxels in the convex hull of an object: first and last column of each row (r + rows * s); first above last for none. */
export interface ConvexRows {
  readonly size: Vec3;
  readonly first: Int32Array;
  readonly last: Int32Array;
  /** Voxels in the hull. */
  readonly volume: number;
}

/** Corners of the hull of all that voxels stand for; doubled coordinates, 2 above those of the voxels so that none is below 0. */
export interface HullCorners {
  readonly points: Int32Array;
}

/**
 * Voxels of the convex hull of an object as skimage.morphology.convex_hull_image 0.26 has them in 3-D: each voxel stands for the octahedron
 * of the points +-0.5 along each axis, and the voxels whose centre is in the hull of all octahedra, border included, are counted. In exact
 * arithmetic, where scikit-image has a tolerance of 1e-10. The octahedra give every object a volume, so that flat ones, for which
 * scikit-image fails (solidity infinite), have a hull like any other: for a plate that of `HullMeter` in its plane.
 */
export function convexRows(object: Pick<ObjectRuns, "size" | "rows" | "starts" | "ends">): ConvexRows {
  const { size } = object;
  const { points, hull } = hullOf(size, (row) => {
    const from = object.rows[row];
    const to = object.rows[row + 1];
    return from === to ? null : [object.starts[from], object.ends[to - 1] - 1];
  });
  const first = new Int32Array(size[1] * size[2]);
  const last = new Int32Array(size[1] * size[2]).fill(-1);
  for (const { corners, normal, offset } of hull.result()) {
    if (normal[0] === 0) continue;
    const bounds = normal[0] < 0 ? first : last;
    visitProjection(points, corners, (y, z) => {
      const x = (offset - normal[1] * y - normal[2] * z) / (2 * normal[0]);
      // The row's bound is on one facet; facets that share it say the same.
      bounds[y / 2 - 1 + size[1] * (z / 2 - 1)] = (normal[0] < 0 ? Math.ceil(x) : Math.floor(x)) - 1;
    });
  }
  let volume = 0;
  for (let row = 0; row < first.length; ++row) volume += Math.max(0, last[row] - first[row] + 1);
  return { size, first, last, volume };
}

/** Corners of the hull of the octahedra of the voxels in `rows`: where the surface of the convex image is farthest out. */
export function hullCorners({ size, first, last }: ConvexRows): HullCorners {
  const { points, hull } = hullOf(size, (row) => (last[row] < first[row] ? null : [first[row], last[row]]));
  const corners = hull.corners();
  return { points: Int32Array.from(corners.flatMap((i) => [...points.subarray(3 * i, 3 * i + 3)])) };
}

/**
 * Hull of the octahedra of voxels that are given as first and last column of each row. A corner of it belongs to a voxel that is a
 * corner of the hull of its slice, and so along the other axes: the others are left out first, in time that grows with the rows only.
 */
function hullOf(size: Vec3, endsOf: (row: number) => readonly [number, number] | null) {
  const [, height, depth] = size;
  let voxels: number[] = [];
  for (let slice = 0; slice < depth; ++slice) {
    const left: number[] = [];
    const right: number[] = [];
    for (let row = 0; row < height; ++row) {
      const ends = endsOf(row + height * slice);
      if (ends === null) continue;
      left.push(ends[0], row);
      right.push(-ends[1], row);
    }
    for (const [x, y] of lowerChain(left)) voxels.push(x, y, slice);
    for (const [x, y] of lowerChain(right)) voxels.push(-x, y, slice);
  }
  voxels = cornersOfPlanes(voxels, 1, 0, 2);
  voxels = cornersOfPlanes(voxels, 0, 1, 2);
  const points = new Int32Array(6 * voxels.length);
  for (let i = 0; i < voxels.length; i += 3) {
    for (let corner = 0; corner < 6; ++corner) {
      const at = 6 * i + 3 * corner;
      for (let axis = 0; axis < 3; ++axis) points[at + axis] = 2 * voxels[i + axis] + 2;
      points[at + (corner >> 1)] += corner % 2 === 0 ? -1 : 1;
    }
  }
  return { points, hull: new Quickhull(points) };
}

/** Coordinates have 14 bits. */
const KEY = 2 ** 14;

/** Those voxels (x, y, z of each) that are corners of the convex hull of the voxels of their plane across axis `plane`. */
function cornersOfPlanes(voxels: readonly number[], plane: number, u: number, v: number): number[] {
  // A key holds all three coordinates and sorts by plane, then v, then u.
  const keys = new Float64Array(voxels.length / 3);
  for (let i = 0; i < keys.length; ++i) {
    keys[i] = (voxels[3 * i + plane] * KEY + voxels[3 * i + v]) * KEY + voxels[3 * i + u];
  }
  keys.sort();
  const corners: number[] = [];
  for (let from = 0, to = 0; from < keys.length; from = to) {
    const at = Math.floor(keys[from] / KEY ** 2);
    // First and last voxel of each row along u.
    const left: number[] = [];
    const right: number[] = [];
    for (; to < keys.length && Math.floor(keys[to] / KEY ** 2) === at; ++to) {
      const row = Math.floor(keys[to] / KEY) % KEY;
      const value = keys[to] % KEY;
      if (left.at(-1) === row) right[right.length - 2] = -value;
      else {
        left.push(value, row);
        right.push(-value, row);
      }
    }
    const add = (a: number, b: number) => {
      const voxel = [at, at, at];
      voxel[u] = a;
      voxel[v] = b;
      corners.push(...voxel);
    };
    for (const [a, b] of lowerChain(left)) add(a, b);
    for (const [a, b] of lowerChain(right)) add(-a, b);
  }
  return corners;
}

/** Corners of the convex chain under values at ascending places; `points` are value and place of each. */
function* lowerChain(points: readonly number[]): Generator<[number, number]> {
  const chain: number[] = [];
  for (let i = 0; i < points.length; i += 2) {
    const x = points[i];
    const y = points[i + 1];
    for (let at = chain.length; at > 3; at -= 2) {
      const x0 = chain[at - 4];
      const y0 = chain[at - 3];
      // The corner between stays when it lies strictly below the line from the one before to the new one.
      if ((chain[at - 2] - x0) * (y - y0) < (x - x0) * (chain[at - 1] - y0)) break;
      chain.length -= 2;
    }
    chain.push(x, y);
  }
  for (let i = 0; i < chain.length; i += 2) yield [chain[i], chain[i + 1]];
}

/** Calls back for the points (y, z) of even coordinates in a facet's shadow along x, border included. */
function visitProjection(
  points: Int32Array,
  corners: readonly [number, number, number],
  visit: (y: number, z: number) => void,
): void {
  const y = corners.map((corner) => points[3 * corner + 1]);
  const z = corners.map((corner) => points[3 * corner + 2]);
  const highest = Math.max(z[0], z[1], z[2]);
  for (let level = 2 * Math.ceil(Math.min(z[0], z[1], z[2]) / 2); level <= highest; level += 2) {
    let from = Number.POSITIVE_INFINITY;
    let to = Number.NEGATIVE_INFINITY;
    for (let a = 0; a < 3; ++a) {
      const b = (a + 1) % 3;
      const length = z[b] - z[a];
      if (length === 0 || (level - z[a]) * (level - z[b]) > 0) continue;
      // Numerators are whole and small: the quotient is exact where it is whole, and far from a whole number where not.
      const crossing = (y[a] * length + (y[b] - y[a]) * (level - z[a])) / (2 * length);
      from = Math.min(from, Math.ceil(crossing));
      to = Math.max(to, Math.floor(crossing));
    }
    for (let row = from; row <= to; ++row) visit(2 * row, level);
  }
}
