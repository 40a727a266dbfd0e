import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HullMeter } from "../../../src/morphology/hull.js";
import { convexRows, hullCorners } from "../../../src/morphology/hull3d.js";
import { assemble, type ObjectRuns, placeMask } from "../../../src/morphology/object_runs.js";
import { Quickhull } from "../../../src/morphology/quickhull.js";
import type { Vec3 } from "../../../src/volume/types.js";

const object = (mask: Uint8Array, size: Vec3) => assemble([placeMask(mask, size)], 2, 0) as ObjectRuns;

/** Masks of all kinds: from a few voxels to nearly full, flat ones included. */
const masks = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 7 }))
  .chain((size) =>
    fc.record({
      size: fc.constant(size as Vec3),
      mask: fc
        .array(fc.boolean(), {
          minLength: size[0] * size[1] * size[2],
          maxLength: size[0] * size[1] * size[2],
        })
        .map((bits) => Uint8Array.from(bits, Number))
        .filter((mask) => mask.includes(1)),
    }),
  );

describe("Quickhull", () => {
  const points = fc
    .array(fc.tuple(fc.nat(12), fc.nat(12), fc.nat(12)), { minLength: 1, maxLength: 60 })
    // A tetrahedron, so that there is a hull.
    .map((list) => Int32Array.from([0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0, 12, ...list.flat()]));

  it("is closed, convex and holds all points, its corners among them", () => {
    fc.assert(
      fc.property(points, (all) => {
        const hull = new Quickhull(all);
        const edges = new Set<string>();
        for (const { corners, normal, offset } of hull.result()) {
          for (let i = 0; i < all.length; i += 3)
            expect(normal[0] * all[i] + normal[1] * all[i + 1] + normal[2] * all[i + 2]).toBeLessThanOrEqual(
              offset,
            );
          for (let i = 0; i < 3; ++i) {
            const edge = `${corners[i]} ${corners[(i + 1) % 3]}`;
            expect(edges.has(edge)).toBe(false);
            edges.add(edge);
          }
        }
        for (const edge of edges) expect(edges.has(edge.split(" ").reverse().join(" "))).toBe(true);
        // Closed surfaces without a hole: corners - edges + facets = 2.
        expect(hull.corners().length - edges.size / 2 + edges.size / 3).toBe(2);
      }),
      { numRuns: 300 },
    );
  });

  it("says what it cannot do", () => {
    expect(() => new Quickhull(Int32Array.from([0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0]))).toThrow(/one plane/);
    expect(() => new Quickhull(Int32Array.from([0, 0, 0, 1e5, 0, 0]))).toThrow(/100000/);
  });
});

describe("convexRows", () => {
  it("counts the voxels that every plane of the hull leaves in", () => {
    fc.assert(
      fc.property(masks, ({ mask, size }) => {
        const runs = object(mask, size);
        const convex = convexRows(runs);
        // The octahedra of all voxels, without leaving any out.
        const points: number[] = [];
        for (let row = 0; row < runs.size[1] * runs.size[2]; ++row) {
          for (let run = runs.rows[row]; run < runs.rows[row + 1]; ++run) {
            for (let x = runs.starts[run]; x < runs.ends[run]; ++x) {
              const [a, b, c] = [
                2 * x + 2,
                2 * (row % runs.size[1]) + 2,
                2 * Math.floor(row / runs.size[1]) + 2,
              ];
              points.push(a - 1, b, c, a + 1, b, c, a, b - 1, c, a, b + 1, c, a, b, c - 1, a, b, c + 1);
            }
          }
        }
        const facets = [...new Quickhull(Int32Array.from(points)).result()];
        let volume = 0;
        for (let row = 0; row < convex.first.length; ++row) {
          const [y, z] = [row % runs.size[1], Math.floor(row / runs.size[1])];
          for (let x = 0; x < runs.size[0]; ++x) {
            const inside = facets.every(
              ({ normal: n, offset }) =>
                n[0] * (2 * x + 2) + n[1] * (2 * y + 2) + n[2] * (2 * z + 2) <= offset,
            );
            expect(x >= convex.first[row] && x <= convex.last[row]).toBe(inside);
            volume += Number(inside);
          }
        }
        expect(convex.volume).toBe(volume);
      }),
      { numRuns: 250 },
    );
  });

  it("is the hull of the section for a flat object", () => {
    fc.assert(
      fc.property(masks, ({ mask, size }) => {
        const plane: Vec3 = [size[0], size[1] * size[2], 1];
        const runs = object(mask, plane);
        const meter = new HullMeter();
        meter.begin(0, runs.size[1] - 1);
        for (let row = 0; row < runs.size[1]; ++row)
          for (let run = runs.rows[row]; run < runs.rows[row + 1]; ++run)
            meter.add(row, runs.starts[run], runs.ends[run]);
        expect(convexRows(runs).volume).toBe(meter.area());
      }),
      { numRuns: 250 },
    );
  });

  it("has a corner of the surface half a voxel beyond each end", () => {
    const { points } = hullCorners(convexRows(object(Uint8Array.of(1), [1, 1, 1])));
    expect(points.length).toBe(18);
    const sorted = Array.from({ length: 6 }, (_, i) => points.slice(3 * i, 3 * i + 3).join(" ")).sort();
    expect(sorted).toEqual(["1 2 2", "2 1 2", "2 2 1", "2 2 3", "2 3 2", "3 2 2"]);
  });
});
