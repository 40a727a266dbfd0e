import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { distanceTransform } from "../../../src/segmentation/distance_transform.js";
import { fillHoles, fillHolesInSlices } from "../../../src/segmentation/fill_holes.js";
import { BoxTooLargeError } from "../../../src/segmentation/voxel_box.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { asSize, drawMask, operators, unpackMask } from "../../support/operator_shapes.js";

function expectClose(found: Float32Array, expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  const worst = expected.reduce(
    (most, value, i) => Math.max(most, value === 0 ? found[i] : Math.abs(found[i] / value - 1)),
    0,
  );
  expect(worst).toBeLessThan(1e-6);
}

describe("distanceTransform", () => {
  it.each(operators.distances)(`agrees with ${operators.reference}: $size, $voxelSize nm`, (shape) => {
    const mask = unpackMask(shape.mask, shape.size);
    const size = asSize(shape.size);
    const voxelSize = asSize(shape.voxelSize);
    expectClose(distanceTransform(mask, size, voxelSize), shape.ignored);
    expectClose(distanceTransform(mask, size, voxelSize, { outside: "background" }), shape.background);
  });

  it("is the smallest distance to any background voxel", () => {
    const boxes = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
      .chain(([x, y, z]) =>
        fc.record({
          size: fc.constant([x, y, z] as Vec3),
          mask: fc.uint8Array({ minLength: x * y * z, maxLength: x * y * z, max: 4 }),
          voxelSize: fc.tuple(
            fc.double({ min: 0.5, max: 60, noNaN: true }),
            fc.double({ min: 0.5, max: 60, noNaN: true }),
            fc.double({ min: 0.5, max: 60, noNaN: true }),
          ),
        }),
      );
    fc.assert(
      fc.property(boxes, ({ size, mask, voxelSize }) => {
        const place = (at: number) => [
          at % size[0],
          Math.floor(at / size[0]) % size[1],
          Math.floor(at / (size[0] * size[1])),
        ];
        const background = [...mask.keys()].filter((at) => mask[at] === 0).map(place);
        const expected = [...mask.keys()].map((at) => {
          const here = place(at);
          const apart = background.map((other) =>
            Math.hypot(...voxelSize.map((edge, axis) => edge * (here[axis] - other[axis]))),
          );
          return Math.min(Infinity, ...apart);
        });
        const found = distanceTransform(mask, size, voxelSize);
        for (let at = 0; at < found.length; ++at) {
          if (expected[at] === Infinity) expect(found[at]).toBe(Infinity);
          else expect(Math.abs(found[at] - expected[at])).toBeLessThanOrEqual(1e-6 * expected[at]);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("is without end where there is no background, unless the outside is", () => {
    const full = new Uint8Array(3).fill(1);
    expect([...distanceTransform(full, [3, 1, 1], [5, 5, 50])]).toEqual([Infinity, Infinity, Infinity]);
    expect([...distanceTransform(full, [3, 1, 1], [5, 20, 50], { outside: "background" })]).toEqual([
      5, 10, 5,
    ]);
    expect(distanceTransform(new Uint8Array(0), [0, 4, 4], [1, 1, 1])).toHaveLength(0);
  });

  it("refuses what makes no sense", () => {
    expect(() => distanceTransform(new Uint8Array(7), [2, 2, 2], [1, 1, 1])).toThrow("7 voxels do not make");
    expect(() => distanceTransform(new Uint8Array(8), [2, 2, 2], [1, 0, 1])).toThrow("1 x 0 x 1 nm");
    expect(() => distanceTransform(new Uint8Array(8), [2, 2, 2], [1, Number.NaN, 1])).toThrow(RangeError);
    const huge = { length: 2 ** 30 } as Uint8Array;
    expect(() => distanceTransform(huge, [1024, 1024, 1024], [1, 1, 1])).toThrow(BoxTooLargeError);
  });
});

describe("fillHoles", () => {
  it.each(operators.shapes)(`agrees with ${operators.reference}: $name`, (shape) => {
    const size = asSize(shape.size);
    const mask = unpackMask(shape.mask, size);
    const before = mask.slice();
    const volume = mask.reduce((sum, value) => sum + value, 0);
    const whole = fillHoles(mask, size);
    const expected = unpackMask(shape.filled, size);
    expect(whole.mask).toEqual(expected);
    expect(whole.filled).toBe(expected.reduce((sum, value) => sum + value, 0) - volume);
    for (const axis of [0, 1, 2] as const) {
      const slices = unpackMask(shape.filledSlices[axis], size);
      const found = fillHolesInSlices(mask, size, axis);
      expect(found.mask).toEqual(slices);
      expect(found.filled).toBe(slices.reduce((sum, value) => sum + value, 0) - volume);
    }
    expect(mask).toEqual(before);
  });

  it("closes a cavity, not a tunnel; in slices a tunnel, too", () => {
    const size: Vec3 = [7, 7, 5];
    const inside = (x: number, y: number, z: number) => x > 0 && y > 0 && x < 6 && y < 6 && z > 0 && z < 4;
    const hollow = drawMask(size, (x, y, z) => inside(x, y, z) && !(x === 3 && y === 3 && z === 2));
    expect(fillHoles(hollow, size).filled).toBe(1);
    const tunnel = drawMask(size, (x, y, z) => inside(x, y, z) && !(x === 3 && y === 3));
    expect(fillHoles(tunnel, size).filled).toBe(0);
    expect(fillHolesInSlices(tunnel, size, 2).filled).toBe(3);
    expect(fillHolesInSlices(tunnel, size, 0).filled).toBe(0);
  });

  it("refuses a mask that does not fit", () => {
    expect(() => fillHoles(new Uint8Array(5), [2, 3, 1])).toThrow(RangeError);
    expect(() => fillHolesInSlices(new Uint8Array(5), [2, 3, 1])).toThrow(RangeError);
  });
});
