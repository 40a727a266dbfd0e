import type { Vec3 } from "../volume/types.js";

/**
 * Marching cubes (Lorensen and Cline 1987, doi:10.1145/37401.37422) for binary masks, with the table derived instead of written
 * down: on each face of a cube the cut edges are paired by one rule, which both cubes at the face follow, so that the surface has no
 * hole; the pairs chain into loops, and the loops are cut into triangles.
 *
 * Corner c of a cube lies at (c & 1, c >> 1 & 1, c >> 2). Edge e runs along axis e >> 2 from the corner whose other two
 * coordinates, in the order of the axes, are the bits of e & 3. A case is the set of corners inside the object, a bit each.
 */

/** Edges of a cube. */
export const EDGES = 12;

/** Axes other than the one of an edge, in order. */
const ACROSS = [
  [1, 2],
  [0, 2],
  [0, 1],
] as const;

/** Corner at which an edge begins. */
export function firstCorner(edge: number): number {
  const [u, v] = ACROSS[edge >> 2];
  return ((edge & 1) << u) | (((edge >> 1) & 1) << v);
}

function edgeBetween(a: number, b: number): number {
  const axis = Math.log2(a ^ b);
  const [u, v] = ACROSS[axis];
  return (axis << 2) | ((a >> u) & 1) | (((a >> v) & 1) << 1);
}

/** Middle of an edge, with the cube's corners at 0 and 1. */
export function cutPoint(edge: number): Vec3 {
  const corner = firstCorner(edge);
  const along = (axis: number) => (axis === edge >> 2 ? 0.5 : (corner >> axis) & 1);
  return [along(0), along(1), along(2)];
}

/** The six faces, each the cycle of its corners, counter-clockwise as seen from outside. */
const FACES = [0, 1, 2].flatMap((axis) => {
  const u = 1 << ((axis + 1) % 3);
  const v = 1 << ((axis + 2) % 3);
  const high = 1 << axis;
  return [
    [0, v, u | v, u],
    [high, high | u, high | u | v, high | v],
  ];
});

const facesOfEdge = Array.from({ length: EDGES }, (_, edge) => {
  const a = firstCorner(edge);
  const b = a | (1 << (edge >> 2));
  return FACES.flatMap((corners, face) => (corners.includes(a) && corners.includes(b) ? [face] : []));
});

const onOneFace = (a: number, b: number) => facesOfEdge[a].some((face) => facesOfEdge[b].includes(face));

/**
 * Loops of cut edges around the inside of a case. Walking around a face, the edge where the inside ends is joined with the one where it
 * begins again, so inside corners opposite each other on a face are joined, as in objects connected over edges and corners. Loops
 * go backwards along these pairs, which makes the triangles face outwards.
 */
function loopsOf(inside: number): number[][] {
  const next = new Map<number, number>();
  const isInside = (corner: number) => ((inside >> corner) & 1) === 1;
  for (const corners of FACES) {
    for (let i = 0; i < 4; ++i) {
      if (!isInside(corners[i]) || isInside(corners[(i + 1) % 4])) continue;
      let j = i + 1;
      while (!isInside(corners[(j + 1) % 4])) ++j;
      const ends = edgeBetween(corners[i], corners[(i + 1) % 4]);
      next.set(edgeBetween(corners[j % 4], corners[(j + 1) % 4]), ends);
    }
  }
  const loops: number[][] = [];
  while (next.size > 0) {
    const loop: number[] = [];
    let [edge] = next.keys();
    while (next.has(edge)) {
      loop.push(edge);
      const after = next.get(edge)!;
      next.delete(edge);
      edge = after;
    }
    loops.push(loop);
  }
  return loops;
}

/** Area of the triangle between three cut edges of a cube whose corners are `spacing` apart. */
function triangleArea(a: number, b: number, c: number, spacing: Vec3): number {
  const [p, q, r] = [a, b, c].map((edge) => cutPoint(edge).map((value, axis) => value * spacing[axis]));
  const u = q.map((value, axis) => value - p[axis]);
  const v = r.map((value, axis) => value - p[axis]);
  return Math.hypot(u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]) / 2;
}

/**
 * Cuts a loop into the triangles of the greatest area: where corners of the cube lie in a plane, so do the triangles, as in the usual
 * tables. A diagonal never lies on a face of the cube: the cube behind the face may have the same one, and four triangles would share it.
 */
function triangulate(loop: readonly number[]): number[] {
  const cut = (i: number, j: number): { area: number; triangles: number[] } => {
    if (j - i < 2) return { area: 0, triangles: [] };
    let best = { area: Number.NEGATIVE_INFINITY, triangles: [] as number[] };
    const isSide = i === 0 && j === loop.length - 1;
    if (!isSide && onOneFace(loop[i], loop[j])) return best;
    for (let k = i + 1; k < j; ++k) {
      const left = cut(i, k);
      const right = cut(k, j);
      const area = left.area + right.area + triangleArea(loop[i], loop[k], loop[j], [1, 1, 1]);
      // Rounding must not choose between equals.
      if (area > best.area + 1e-9)
        best = { area, triangles: [...left.triangles, loop[i], loop[k], loop[j], ...right.triangles] };
    }
    return best;
  };
  return cut(0, loop.length - 1).triangles;
}

const tables = Array.from({ length: 256 }, (_, inside) => loopsOf(inside).flatMap(triangulate));

/** Edges of the triangles of all cases, three a triangle, counter-clockwise as seen from outside the object. */
export const TRIANGLE_EDGES = Uint8Array.from(tables.flat());

/** First of a case in TRIANGLE_EDGES; one more entry closes the last case. */
export const FIRST_EDGE = new Uint16Array(257);
tables.forEach((edges, inside) => {
  FIRST_EDGE[inside + 1] = FIRST_EDGE[inside] + edges.length;
});

/** Area of the triangles of each case, in the unit of `spacing` squared. */
export function caseAreas(spacing: Vec3): Float64Array {
  return Float64Array.from(tables, (edges) => {
    let area = 0;
    for (let i = 0; i < edges.length; i += 3)
      area += triangleArea(edges[i], edges[i + 1], edges[i + 2], spacing);
    return area;
  });
}
