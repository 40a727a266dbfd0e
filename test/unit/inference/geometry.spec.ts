import { describe, expect, it } from "vitest";
import { chooseGeometry, GeometryError } from "../../../src/inference/geometry.js";
import type { Vec3 } from "../../../src/volume/types.js";

const scale = (...voxelSize: [number, number, number]) => ({
  voxelSize,
  bounds: { lower: [0, 0, 0] as Vec3, upper: [100, 100, 100] as Vec3 },
});
const MODEL: Vec3 = [10, 10, 10];

describe("chooseGeometry", () => {
  it("takes slices across the coarse axis, else z", () => {
    const axes = (...size: [number, number, number]) => chooseGeometry([scale(...size)], MODEL);
    expect(axes(5, 5, 5)).toMatchObject({ sliceAxis: 2, planeAxes: [0, 1], ratio: [2, 2] });
    expect(axes(4.6, 4.6, 50)).toMatchObject({ sliceAxis: 2 });
    expect(axes(30, 6, 6)).toMatchObject({ sliceAxis: 0, planeAxes: [1, 2] });
    expect(axes(6, 30, 6)).toMatchObject({ sliceAxis: 1, planeAxes: [0, 2] });
    expect(axes(6, 8.9, 6).sliceAxis).toBe(2);
    expect(axes(6, 9, 6).sliceAxis).toBe(1);
    expect(axes(12, 12, 6).sliceAxis).toBe(2);
  });

  it("reads the scale nearest in plane, the finer of two as near", () => {
    const pick = (...sizes: number[]) =>
      chooseGeometry(
        sizes.map((s) => scale(s, s, s)),
        MODEL,
      ).scale;
    expect(pick(5, 10, 20)).toBe(1);
    expect(pick(4, 8, 16, 32)).toBe(1);
    expect(pick(5, 20)).toBe(0);
    expect(pick(2, 4, 80)).toBe(1);
    expect(pick(16, 32)).toBe(0);
  });

  it("keeps the slice axis of the finest scale when a coarser one is read", () => {
    const geometry = chooseGeometry([scale(20, 3, 3), scale(20, 10, 10)], MODEL);
    expect(geometry).toMatchObject({ scale: 1, sliceAxis: 0, ratio: [1, 1] });
  });

  it("does not resample what differs by 20 % or less", () => {
    const ratio = (size: number) => chooseGeometry([scale(size, size, size)], MODEL).ratio[0];
    expect(ratio(9.2)).toBe(1);
    expect(ratio(12)).toBe(1);
    expect(ratio(10 / 1.2)).toBe(1);
    expect(ratio(12.1)).toBeCloseTo(10 / 12.1);
    expect(ratio(8.2)).toBeCloseTo(10 / 8.2);
    expect(chooseGeometry([scale(5, 9, 5)], MODEL)).toMatchObject({ sliceAxis: 1, ratio: [2, 2] });
    expect(chooseGeometry([scale(5, 6, 6)], MODEL).ratio).toEqual([2, 10 / 6]);
  });

  it("refuses volumes in which the model can see nothing", () => {
    expect(() => chooseGeometry([scale(1000, 1000, 1000)], MODEL)).toThrow(GeometryError);
    expect(() => chooseGeometry([scale(0.1, 0.1, 0.1)], MODEL)).toThrow("needs about 10 x 10 nm");
    expect(() => chooseGeometry([scale(0, 5, 5)], MODEL)).toThrow("voxel size");
    expect(() => chooseGeometry([], MODEL)).toThrow("no scale");
  });
});
