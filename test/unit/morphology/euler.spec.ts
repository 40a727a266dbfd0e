import { describe, expect, it } from "vitest";
import { eulerNumber2d, eulerNumber3d } from "../../../src/morphology/euler.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { asSize, drawMask, operators, unpackMask } from "../../support/operator_shapes.js";

describe("Euler number", () => {
  it.each(operators.shapes)(`agrees with ${operators.reference}: $name`, (shape) => {
    const size = asSize(shape.size);
    const mask = unpackMask(shape.mask, size);
    expect(eulerNumber3d(mask, size, 26)).toBe(shape.euler[26]);
    expect(eulerNumber3d(mask, size, 6)).toBe(shape.euler[6]);
    const flat = drawMask([size[0], size[2], 1], (x, z) => mask[x + size[0] * size[1] * z] !== 0);
    expect(eulerNumber2d(flat, [size[0], size[2]], 8)).toBe(shape.flat[8]);
    expect(eulerNumber2d(flat, [size[0], size[2]], 4)).toBe(shape.flat[4]);
  });

  it("is components + cavities - tunnels in 3-D", () => {
    const size: Vec3 = [7, 8, 9];
    const block = (x: number, y: number, z: number) => x > 0 && y > 0 && z > 0 && x < 6 && y < 7 && z < 8;
    const count = (inside: (x: number, y: number, z: number) => boolean) =>
      eulerNumber3d(drawMask(size, inside), size, 26);
    expect(count(block)).toBe(1);
    expect(count((x, y, z) => block(x, y, z) && !(x === 3 && y === 3 && z === 4))).toBe(2);
    expect(count((x, y, z) => block(x, y, z) && !(x === 3 && y === 3))).toBe(0);
    expect(count((x, y, z) => block(x, y, z) && !(x === 3 && (y === 2 || y === 5)))).toBe(-1);
    expect(count(() => false)).toBe(0);
    expect(count(() => true)).toBe(1);
  });

  it("tells voxels that touch at corners by connectivity", () => {
    const corners = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 255);
    expect(eulerNumber3d(corners, [2, 2, 2], 26)).toBe(1);
    expect(eulerNumber3d(corners, [2, 2, 2], 6)).toBe(2);
    expect(eulerNumber2d(Uint8Array.of(1, 0, 0, 1), [2, 2], 8)).toBe(1);
    expect(eulerNumber2d(Uint8Array.of(1, 0, 0, 1), [2, 2], 4)).toBe(2);
  });

  it("refuses what makes no sense", () => {
    expect(() => eulerNumber3d(new Uint8Array(7), [2, 2, 2])).toThrow(RangeError);
    expect(() => eulerNumber3d(new Uint8Array(8), [2, 2, 2], 18 as 26)).toThrow("6 or 26");
    expect(() => eulerNumber2d(new Uint8Array(7), [2, 2])).toThrow(RangeError);
    expect(() => eulerNumber2d(new Uint8Array(4), [2, 2], 6 as 8)).toThrow("4 or 8");
  });
});
