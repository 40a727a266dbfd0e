import { describe, expect, it } from "vitest";
import {
  MOST_PIXELS,
  PatchError,
  type Stack,
  stackAround,
  stackBox,
  stackImages,
  stacksIn,
} from "../../../src/adaptation/target_patches.js";
import { chooseGeometry } from "../../../src/inference/geometry.js";
import { tapsToModel } from "../../../src/inference/resample.js";
import { Random } from "../../../src/network/random.js";
import { boxSize, boxVolume } from "../../../src/volume/box.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";

const geometryOf = (voxelSize: Vec3, upper: Vec3, lower: Vec3 = [0, 0, 0]) =>
  chooseGeometry([{ voxelSize, bounds: { lower, upper } }], [10, 10, 10]);
const size = ({ columns, rows, slices }: Stack) => [columns, rows, slices].map(([from, to]) => to - from);
const pixels = (stack: Stack) => size(stack).reduce((a, b) => a * b, 1);

describe("patches of the target", () => {
  it("lie around the view, as wide as the limit allows, and stay in the volume", () => {
    const geometry = geometryOf([10, 10, 10], [4000, 4000, 400]);
    const stack = stackAround(geometry, [2000, 1000, 200], 16);
    expect(stack).toEqual({ columns: [1744, 2256], rows: [744, 1256], slices: [192, 208] });
    expect(pixels(stack)).toBeLessThanOrEqual(MOST_PIXELS);
    expect(size(stackAround(geometry, [2000, 1000, 200], 64))).toEqual([256, 256, 64]);
    const corner = stackAround(geometry, [3999, -50, 399], 16);
    expect(corner).toEqual({ columns: [3488, 4000], rows: [0, 512], slices: [384, 400] });
  });

  it("are counted from the volume's lower bound on the model's grid, across the slices' own axis", () => {
    // x is the coarse axis: slices are y-z planes; 5 nm in plane is averaged 2 x 2.
    const geometry = geometryOf([50, 5, 5], [40, 3000, 3000], [10, 100, 100]);
    expect(geometry.sliceAxis).toBe(0);
    const stack = stackAround(geometry, [20, 1100, 1100], 4);
    expect(stack).toEqual({ columns: [244, 756], rows: [244, 756], slices: [18, 22] });
    expect(stackBox(geometry, stack)).toEqual({ lower: [18, 588, 588], upper: [22, 1612, 1612] });
  });

  it("read no more than the limit where a pixel is made of very many voxels", () => {
    const geometry = geometryOf([0.5, 0.5, 0.5], [100_000, 100_000, 100]);
    const stack = stackAround(geometry, [50_000, 50_000, 50], 2);
    expect(size(stack)).toEqual([192, 192, 2]);
    expect(boxSize(stackBox(geometry, stack))).toEqual([3840, 3840, 2]);
  });

  it("are the box itself where that is small enough, else drawn from it, the same for the same seed", () => {
    const geometry = geometryOf([10, 10, 10], [4000, 4000, 400]);
    const small: Box = { lower: [100, 200, 30], upper: [400, 500, 40] };
    expect(stacksIn(geometry, small, new Random(1))).toEqual([
      { columns: [100, 400], rows: [200, 500], slices: [30, 40] },
    ]);
    const large: Box = { lower: [-10, 0, 0], upper: [5000, 5000, 20] };
    const stacks = stacksIn(geometry, large, new Random(1));
    expect(stacks).toHaveLength(8);
    expect(stacks).toEqual(stacksIn(geometry, large, new Random(1)));
    expect(new Set(stacks.map((stack) => JSON.stringify(stack))).size).toBe(8);
    expect(stacks.reduce((sum, stack) => sum + pixels(stack), 0)).toBeLessThanOrEqual(MOST_PIXELS);
    for (const { columns, rows, slices } of stacks) {
      expect(columns[0]).toBeGreaterThanOrEqual(0);
      expect(columns[1]).toBeLessThanOrEqual(4000);
      expect(rows[1]).toBeLessThanOrEqual(4000);
      expect(slices[1]).toBeLessThanOrEqual(20);
    }
  });

  it.each([
    ["outside the volume", { lower: [5000, 0, 0], upper: [6000, 100, 10] }],
    ["a sliver", { lower: [0, 0, 0], upper: [20, 4000, 10] }],
    ["without sections", { lower: [0, 0, 500], upper: [400, 400, 600] }],
  ] as [string, Box][])("are refused for a box %s, in words", (_, box) => {
    const geometry = geometryOf([10, 10, 10], [4000, 4000, 400]);
    expect(() => stacksIn(geometry, box, new Random(1))).toThrow(PatchError);
    expect(() => stacksIn(geometry, box, new Random(1))).toThrow(/64 x 64 at least/);
  });

  it("refuses a volume that is too small, and no sections", () => {
    expect(() => stackAround(geometryOf([10, 10, 10], [50, 400, 4]), [0, 0, 0], 4)).toThrow(PatchError);
    expect(() => stackAround(geometryOf([10, 10, 10], [400, 400, 4]), [0, 0, 0], 0)).toThrow(PatchError);
  });

  it("have the voxels that a prediction sees: resampled, windowed, row-major", () => {
    const geometry = geometryOf([5, 5, 5], [401, 300, 3]);
    const stack: Stack = { columns: [10, 90], rows: [20, 100], slices: [1, 3] };
    const box = stackBox(geometry, stack);
    const [sx, sy] = boxSize(box);
    const value = (x: number, y: number, z: number) => (x * 3 + y * 7 + z * 11) % 1000;
    const em = Uint16Array.from({ length: boxVolume(box) }, (_, i) =>
      value(
        box.lower[0] + (i % sx),
        box.lower[1] + (Math.floor(i / sx) % sy),
        box.lower[2] + Math.floor(i / (sx * sy)),
      ),
    );
    const images = stackImages(geometry, stack, em, [100, 900]);
    expect([images.width, images.height, images.em.length]).toEqual([80, 80, 2]);
    const taps = tapsToModel(10, 90, 401, 2);
    const [c, r] = [33, 47];
    let mean = 0;
    for (let j = 0; j < 2; j++)
      for (let i = 0; i < 2; i++) mean += value(taps.index[taps.start[c]] + i, (20 + r) * 2 + j, 2) / 4;
    const expected = Math.round(255 * Math.min(1, Math.max(0, (mean - 100) / 800)));
    expect(images.em[1][r * 80 + c]).toBe(expected);
    // Slice by slice is the same.
    const half = boxVolume(stackBox(geometry, stack, [2, 3]));
    const alone = stackImages(geometry, stack, em.slice(em.length - half), [100, 900], [2, 3]);
    expect(alone.em[0]).toEqual(images.em[1]);
    expect(() => stackImages(geometry, stack, em.subarray(1), [0, 255])).toThrow(RangeError);
  });
});
