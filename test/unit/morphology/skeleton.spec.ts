import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eulerNumber3d } from "../../../src/morphology/euler.js";
import {
  SKELETON_VOXELS,
  skeletonize,
  skeletonMeasures,
  skeletonReduction,
} from "../../../src/morphology/skeleton.js";
import { labelMask } from "../../../src/segmentation/label.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { asSize, drawMask, operators, unpackMask } from "../../support/operator_shapes.js";

const UNIT: Vec3 = [1, 1, 1];

/** Measures of voxels that are given as x y z. */
function ofVoxels(voxels: readonly Vec3[], voxelSize: Vec3 = UNIT) {
  const size: Vec3 = [20, 20, 20];
  const mask = new Uint8Array(8000);
  for (const [x, y, z] of voxels) mask[x + 20 * (y + 20 * z)] = 1;
  return skeletonMeasures(mask, size, voxelSize);
}

/** Components (6) of the background, with a margin around the box: the outside and the cavities. */
function outside(mask: Uint8Array, [width, height, depth]: Vec3): number {
  const size: Vec3 = [width + 2, height + 2, depth + 2];
  const background = drawMask(size, (x, y, z) => {
    const inBox = x > 0 && y > 0 && z > 0 && x <= width && y <= height && z <= depth;
    return !inBox || mask[x - 1 + width * (y - 1 + height * (z - 1))] === 0;
  });
  return labelMask(background, size, 6).count;
}

const line = (count: number, [x, y, z]: Vec3, step: Vec3): Vec3[] =>
  Array.from({ length: count }, (_, i) => [x + i * step[0], y + i * step[1], z + i * step[2]]);

describe("skeletonize", () => {
  // scikit-image checks connectivity alone the second time, and so loses the topology of some masks: there, the topology is compared.
  it.each(operators.shapes.filter((shape) => shape.topologyKept))(
    `gives the voxels of ${operators.reference}: $name`,
    (shape) => {
      const size = asSize(shape.size);
      expect(skeletonize(unpackMask(shape.mask, size), size)).toEqual(unpackMask(shape.skeleton, size));
    },
  );

  it.each(operators.shapes)("keeps components, tunnels and cavities: $name", (shape) => {
    const size = asSize(shape.size);
    const skeleton = skeletonize(unpackMask(shape.mask, size), size);
    expect(eulerNumber3d(skeleton, size, 26)).toBe(shape.euler[26]);
    expect(labelMask(skeleton, size, 26).count).toBe(shape.components);
  });

  it("keeps the topology of any mask, in it, and as it is when thinned again", () => {
    const boxes = fc
      .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
      .chain(([x, y, z]) =>
        fc.record({
          size: fc.constant([x, y, z] as Vec3),
          values: fc.uint8Array({ minLength: x * y * z, maxLength: x * y * z }),
          level: fc.integer({ min: 20, max: 230 }),
        }),
      );
    fc.assert(
      fc.property(boxes, ({ size, values, level }) => {
        const mask = values.map((value) => (value < level ? 7 : 0));
        const skeleton = skeletonize(mask, size);
        expect(eulerNumber3d(skeleton, size, 26)).toBe(eulerNumber3d(mask, size, 26));
        expect(labelMask(skeleton, size, 26).count).toBe(labelMask(mask, size, 26).count);
        expect(outside(skeleton, size)).toBe(outside(mask, size));
        expect(skeleton.every((value, at) => value <= mask[at])).toBe(true);
        expect(skeletonize(skeleton, size)).toEqual(skeleton);
      }),
      { numRuns: 300 },
    );
  });

  it("has tunnels and cavities of its own, not only their difference", () => {
    // A cavity and two tunnels.
    const size: Vec3 = [15, 13, 11];
    const block = drawMask(size, (x, y, z) => {
      if (x < 1 || y < 1 || z < 1 || x > 13 || y > 11 || z > 9) return false;
      if ((x === 4 || x === 10) && y === 3) return false;
      return !(x > 5 && x < 9 && y > 6 && y < 9 && z > 3 && z < 7);
    });
    const skeleton = skeletonize(block, size);
    expect(outside(block, size)).toBe(2);
    expect(outside(skeleton, size)).toBe(2);
    expect(eulerNumber3d(skeleton, size, 26)).toBe(0);
  });
});

describe("skeletonMeasures", () => {
  it("has a value for the degenerate", () => {
    expect(ofVoxels([])).toEqual({ length: 0, branches: 0 });
    expect(ofVoxels([[4, 5, 6]])).toEqual({ length: 0, branches: 0 });
    expect(
      ofVoxels(
        [
          [4, 5, 6],
          [5, 5, 7],
        ],
        [3, 9, 4],
      ),
    ).toEqual({ length: 5, branches: 1 });
    expect(skeletonMeasures(new Uint8Array(0), [0, 0, 0], UNIT)).toEqual({ length: 0, branches: 0 });
    const ball = drawMask([21, 21, 21], (x, y, z) => (x - 10) ** 2 + (y - 10) ** 2 + (z - 10) ** 2 < 90);
    expect(skeletonMeasures(ball, [21, 21, 21], UNIT)).toEqual({ length: 1, branches: 1 });
  });

  it("adds the edges of lines in nm", () => {
    expect(ofVoxels(line(11, [3, 4, 5], [1, 0, 0]), [4, 5, 50])).toEqual({ length: 40, branches: 1 });
    expect(ofVoxels(line(11, [3, 4, 5], [0, 0, 1]), [4, 5, 50])).toEqual({ length: 500, branches: 1 });
    expect(ofVoxels(line(8, [3, 4, 5], [1, 1, 1]), [2, 3, 6])).toEqual({ length: 49, branches: 1 });
    const two = ofVoxels([...line(5, [2, 2, 2], [1, 0, 0]), ...line(5, [2, 9, 9], [1, 0, 0])]);
    expect(two).toEqual({ length: 8, branches: 2 });
  });

  it("counts branches between ends and junctions, and rings once", () => {
    const ring: Vec3[] = [];
    for (let i = 0; i < 6; ++i) ring.push([4 + i, 4, 5], [5 + i, 10, 5], [4, 5 + i, 5], [10, 4 + i, 5]);
    // Thinning takes the four corners: 20 voxels, of which 4 steps are diagonal.
    const found = ofVoxels(ring);
    expect(found.branches).toBe(1);
    expect(found.length).toBeCloseTo(16 + 4 * Math.SQRT2, 9);
    const cross = [...line(13, [3, 9, 9], [1, 0, 0]), ...line(13, [9, 3, 9], [0, 1, 0])];
    expect(ofVoxels(cross).branches).toBe(4);
    // The junction is five voxels; its tree has four edges of 1 or diagonals.
    expect(ofVoxels(cross).length).toBeCloseTo(24, 9);
    const tee = [...line(13, [3, 9, 9], [1, 0, 0]), ...line(6, [9, 10, 9], [0, 1, 0])];
    expect(ofVoxels(tee)).toMatchObject({ branches: 3 });
    // A ring with a tail: the ring's line from the junction back to it, and the tail.
    expect(ofVoxels([...ring, ...line(5, [11, 7, 5], [1, 0, 0])]).branches).toBe(2);
  });

  it("measures a bent tube within a tenth", () => {
    const size: Vec3 = [130, 100, 25];
    // Three quarters of a circle of radius 38 voxels, 5 thick.
    const tube = drawMask(size, (x, y, z) => {
      const across = Math.hypot(x - 50, y - 50) - 38;
      return across ** 2 + (z - 12) ** 2 < 26 && !(x > 50 && y > 50);
    });
    const { length, branches } = skeletonMeasures(tube, size, [5, 5, 5]);
    const expected = 1.5 * Math.PI * 38 * 5;
    expect(branches).toBe(1);
    expect(Math.abs(length / expected - 1)).toBeLessThan(0.1);
  });

  it("makes boxes smaller that are too large, the finest axis first", () => {
    expect(skeletonReduction([100, 100, 100], [5, 5, 50])).toEqual([1, 1, 1]);
    expect(skeletonReduction([2000, 2000, 10], [5, 5, 50])).toEqual([3, 3, 1]);
    expect(skeletonReduction([1, 2 ** 24, 1], [5, 50, 50])).toEqual([1, 3, 1]);
    const size: Vec3 = [420, 200, 90];
    expect(size[0] * size[1] * size[2]).toBeGreaterThan(SKELETON_VOXELS);
    const tube = drawMask(size, (x, y, z) => x > 9 && x < 410 && (y - 100) ** 2 + (z - 45) ** 2 < 150);
    const { length, branches } = skeletonMeasures(tube, size, [5, 5, 10]);
    expect(branches).toBe(1);
    // As many layers go at the ends as across: 12 at most, of 10 nm.
    expect(length).toBeGreaterThan(400 * 5 - 2 * 12 * 10);
    expect(length).toBeLessThan(400 * 5 * 1.05);
  });

  it("refuses what makes no sense", () => {
    expect(() => skeletonMeasures(new Uint8Array(7), [2, 2, 2], UNIT)).toThrow(RangeError);
    expect(() => skeletonMeasures(new Uint8Array(8), [2, 2, 2], [1, 1, 0])).toThrow("nm does not exist");
  });
});
