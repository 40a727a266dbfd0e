/** Most extent of the points along an axis: with it every number below is a whole one under 2^53, and so exact. */
export const MAX_HULL_EXTENT = 2 ** 15;

/** A facet of a convex hull: inside is where normal . p <= offset. Its corners, seen from outside, go counter-clockwise. */
export interface HullFacet {
  readonly corners: readonly [number, number, number];
  readonly normal: readonly [number, number, number];
  readonly offset: number;
}

/**
 * Convex hull of points with whole coordinates in 3-D, by Quickhull (Barber, Dobkin & Huhdanpaa 1996, doi:10.1145/235815.235821) in
 * exact arithmetic: which side of a plane a point is on is never a matter of rounding, so that nothing has to be merged, moved or given
 * up, as Qhull must in degenerate cases. Points on a plane do not count as outside; facets may lie in one plane.
 */
export class Quickhull {
  private readonly facets: Facet[] = [];
  /** Next point of the same outside set; -1 ends it. */
  private readonly next: Int32Array;
  /** New facet whose horizon edge begins at a point; valid while a point is added. */
  private readonly startsAt: Int32Array;

  /**
   * @param points x, y, z of each, not below 0 and at most MAX_HULL_EXTENT.
   * @throws RangeError when all points lie in a plane, or are out of range.
   */
  constructor(private readonly points: Int32Array) {
    for (const value of points) {
      if (value < 0 || value > MAX_HULL_EXTENT)
        throw new RangeError(`a hull of points at ${value} is not exact`);
    }
    const count = points.length / 3;
    this.next = new Int32Array(count).fill(-1);
    this.startsAt = new Int32Array(count);
    const simplex = this.simplex();
    for (let point = 0; point < count; ++point) {
      if (!simplex.includes(point)) this.assign(point, this.facets);
    }
    // Facets are added while the loop runs; those that are gone stay in the list.
    for (let at = 0; at < this.facets.length; ++at) {
      const facet = this.facets[at];
      if (!facet.gone && facet.farthest >= 0) this.addPoint(facet);
    }
  }

  /** The facets of the hull. */
  *result(): Generator<HullFacet> {
    for (const facet of this.facets) if (!facet.gone) yield facet;
  }

  /** Indices of the points at corners of facets, ascending. */
  corners(): number[] {
    const found = new Set<number>();
    for (const { corners } of this.result()) for (const corner of corners) found.add(corner);
    return [...found].sort((a, b) => a - b);
  }

  /** First four facets: of points that are far apart and in no plane. */
  private simplex(): number[] {
    const { points } = this;
    const count = points.length / 3;
    const farthest = (measure: (point: number) => number): number => {
      let best = -1;
      let most = 0;
      for (let point = 0; point < count; ++point) {
        const value = measure(point);
        if (value > most) {
          most = value;
          best = point;
        }
      }
      if (best < 0) throw new RangeError("points of one plane have no hull in 3-D");
      return best;
    };
    const difference = (p: number, q: number) =>
      [0, 1, 2].map((axis) => points[3 * p + axis] - points[3 * q + axis]);
    const squared = (v: readonly number[]) => v[0] ** 2 + v[1] ** 2 + v[2] ** 2;
    const a = 0;
    const b = farthest((p) => squared(difference(p, a)));
    const ab = difference(b, a);
    const c = farthest((p) => squared(cross(ab, difference(p, a))));
    const plane = new Facet(points, a, b, c);
    const d = farthest((p) => Math.abs(plane.height(points, p)));
    // Outward: the fourth point is below the facet of the other three.
    const [p, q] = plane.height(points, d) > 0 ? [c, b] : [b, c];
    const faces = [
      [a, p, q],
      [a, d, p],
      [p, d, q],
      [q, d, a],
    ].map(([i, j, k]) => new Facet(points, i, j, k));
    const neighbours = [
      [1, 2, 3],
      [3, 2, 0],
      [1, 3, 0],
      [2, 1, 0],
    ];
    faces.forEach((facet, i) => {
      facet.neighbours = neighbours[i].map((n) => faces[n]) as Facet["neighbours"];
    });
    this.facets.push(...faces);
    return [a, b, c, d];
  }

  /** Puts a point into the outside set of the first facet that it is above; a point above none is in the hull. */
  private assign(point: number, facets: readonly Facet[]): void {
    for (const facet of facets) {
      const height = facet.height(this.points, point);
      if (height <= 0) continue;
      if (height > facet.most) {
        facet.most = height;
        this.next[point] = facet.farthest;
        facet.farthest = point;
      } else {
        this.next[point] = this.next[facet.farthest];
        this.next[facet.farthest] = point;
      }
      return;
    }
  }

  /** Makes the farthest point of a facet's outside set a corner of the hull. */
  private addPoint(from: Facet): void {
    const { points, next, startsAt } = this;
    const apex = from.farthest;
    const visible = [from];
    from.gone = true;
    const made: Facet[] = [];
    for (let at = 0; at < visible.length; ++at) {
      const facet = visible[at];
      for (let side = 0; side < 3; ++side) {
        const beyond = facet.neighbours[side];
        if (beyond.gone) continue;
        if (beyond.height(points, apex) > 0) {
          beyond.gone = true;
          visible.push(beyond);
          continue;
        }
        const start = facet.corners[side];
        const end = facet.corners[(side + 1) % 3];
        const facetOfEdge = new Facet(points, start, end, apex);
        facetOfEdge.neighbours[0] = beyond;
        beyond.neighbours[beyond.corners.indexOf(end)] = facetOfEdge;
        startsAt[start] = this.facets.length + made.length;
        made.push(facetOfEdge);
      }
    }
    // The horizon is one ring: each edge begins where another ends.
    this.facets.push(...made);
    for (const facet of made) {
      const after = this.facets[startsAt[facet.corners[1]]];
      facet.neighbours[1] = after;
      after.neighbours[2] = facet;
    }
    for (const facet of visible) {
      for (let point = facet.farthest; point >= 0; ) {
        const following = next[point];
        if (point !== apex) this.assign(point, made);
        point = following;
      }
      facet.farthest = -1;
    }
  }
}

class Facet implements HullFacet {
  readonly corners: readonly [number, number, number];
  readonly normal: readonly [number, number, number];
  readonly offset: number;
  /** Facets over the edges from corner 0 to 1, 1 to 2 and 2 to 0. */
  neighbours: [Facet, Facet, Facet] = [this, this, this];
  /** Farthest point of its outside set, the first of the list; -1 for none. */
  farthest = -1;
  most = 0;
  gone = false;

  constructor(points: Int32Array, a: number, b: number, c: number) {
    this.corners = [a, b, c];
    const x = points[3 * a];
    const y = points[3 * a + 1];
    const z = points[3 * a + 2];
    const normal = cross(
      [points[3 * b] - x, points[3 * b + 1] - y, points[3 * b + 2] - z],
      [points[3 * c] - x, points[3 * c + 1] - y, points[3 * c + 2] - z],
    );
    this.normal = normal;
    this.offset = normal[0] * x + normal[1] * y + normal[2] * z;
  }

  /** Above 0 outside, in units of the facet. */
  height(points: Int32Array, point: number): number {
    const { normal } = this;
    return (
      normal[0] * points[3 * point] +
      normal[1] * points[3 * point + 1] +
      normal[2] * points[3 * point + 2] -
      this.offset
    );
  }
}

function cross(a: readonly number[], b: readonly number[]): [number, number, number] {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}
