import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutRegion, formatRegion, parseRegion } from "../../../src/volume/region.js";
import { type Box, type Vec3, VolumeError, type VolumeSource } from "../../../src/volume/types.js";
import { formatVoxelSize, parseVoxelSize } from "../../../src/volume/voxel_size.js";

describe("parseVoxelSize", () => {
  it.each<[string, Vec3]>([
    ["5,5,5nm", [5, 5, 5]],
    ["4.6,4.6,50nm", [4.6, 4.6, 50]],
    ["4.6, 4.6, 50", [4.6, 4.6, 50]],
    ["0.005um,0.005um,0.05um", [5, 5, 50]],
    ["0.0046um,4.6nm,50nm", [4.6, 4.6, 50]],
    ["0.0046,0.0046,0.05um", [4.6, 4.6, 50]],
    ["4x4x40 nm", [4, 4, 40]],
    ["8nm", [8, 8, 8]],
    [" 46 angstrom ", [4.6, 4.6, 4.6]],
    ["1e-2µm", [10, 10, 10]],
    ["1e-2μm", [10, 10, 10]],
    [".5nm", [0.5, 0.5, 0.5]],
  ])("%s", (text, expected) => {
    expect(parseVoxelSize(text)).toEqual(expected);
  });

  it.each([
    "",
    "5,5",
    "5,5,5,5",
    "0,5,5",
    "-5,5,5",
    "5,5,nm",
    "5 ly",
    "five",
    "5,5,5nmm",
    "1e9um",
    "NaN",
    "Infinity",
    "5;5;5",
  ])("refuses %j and says how to write it", (text) => {
    expect(() => parseVoxelSize(text)).toThrow(VolumeError);
    expect(() => parseVoxelSize(text)).toThrow(/5,5,5nm/);
  });

  it("reads what formatVoxelSize writes", () => {
    const length = fc.integer({ min: 1, max: 10 ** 7 }).map((n) => n / 100);
    fc.assert(
      fc.property(fc.tuple(length, length, length), (size) => {
        expect(parseVoxelSize(formatVoxelSize(size))).toEqual(size);
      }),
    );
  });

  it("gives three lengths or a VolumeError for any text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(parseVoxelSize(text).every((length) => length > 0)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(VolumeError);
        }
      }),
    );
  });
});

const bounds: Box = { lower: [-10, 0, 5], upper: [100, 50, 25] };

describe("parseRegion", () => {
  it.each<[string, Box]>([
    ["0:10,0:20,5:6", { lower: [0, 0, 5], upper: [10, 20, 6] }],
    [":,:,5:15", { lower: [-10, 0, 5], upper: [100, 50, 15] }],
    ["-10:-5, 3: , :25", { lower: [-10, 3, 5], upper: [-5, 50, 25] }],
  ])("%s", (text, expected) => {
    expect(parseRegion(text, bounds)).toEqual(expected);
  });

  it.each([
    ["0:10,0:20", /three ranges/],
    ["0-10,0:20,5:6", /not a range/],
    ["10:10,0:20,5:6", /empty/],
    ["10:5,0:20,5:6", /empty/],
    ["0:101,0:20,5:6", /leaves the volume, which is -10:100,0:50,5:25/],
    ["0:10,0:20,0:6", /leaves the volume/],
    ["0:1e1,0:20,5:6", /not a range/],
    ["", /three ranges/],
  ])("refuses %j", (text, message) => {
    expect(() => parseRegion(text, bounds)).toThrow(VolumeError);
    expect(() => parseRegion(text, bounds)).toThrow(message);
  });

  it("reads what formatRegion writes", () => {
    expect(parseRegion(formatRegion(bounds), bounds)).toEqual(bounds);
  });
});

describe("cutRegion", () => {
  const reads: [number, Box][] = [];
  const source: VolumeSource = {
    name: "em",
    dataType: "uint8",
    scales: [
      {
        bounds: { lower: [0, 0, 0], upper: [100, 100, 20] },
        voxelSize: [4.6, 4.6, 50],
        chunkSize: [64, 64, 1],
      },
      {
        bounds: { lower: [0, 0, 0], upper: [50, 50, 20] },
        voxelSize: [9.2, 9.2, 50],
        chunkSize: [64, 64, 1],
      },
      { bounds: { lower: [0, 0, 0], upper: [1, 1, 20] }, voxelSize: [460, 460, 50], chunkSize: [1, 1, 1] },
    ],
    async read(scale, box) {
      reads.push([scale, box]);
      return new Uint8Array(1);
    },
  };
  const box: Box = { lower: [11, 20, 3], upper: [41, 60, 9] };

  it("keeps coordinates and, of coarser scales, the voxels that lie inside", () => {
    const cut = cutRegion(source, box);
    expect(cut.scales.map(({ bounds: b }) => b)).toEqual([box, { lower: [6, 10, 3], upper: [20, 30, 9] }]);
  });

  it("reads inside, and nothing outside although the volume has it", async () => {
    const cut = cutRegion(source, box);
    await cut.read(1, { lower: [6, 10, 3], upper: [7, 11, 4] });
    expect(reads).toEqual([[1, { lower: [6, 10, 3], upper: [7, 11, 4] }]]);
    await expect(cut.read(0, { lower: [10, 20, 3], upper: [12, 21, 4] })).rejects.toThrow(
      /outside the region/,
    );
    await expect(cut.read(2, { lower: [0, 0, 3], upper: [1, 1, 4] })).rejects.toThrow(VolumeError);
  });

  it.each<[string, Box]>([
    ["leaves the volume", { lower: [0, 0, 0], upper: [101, 1, 1] }],
    ["is empty", { lower: [5, 5, 5], upper: [5, 6, 6] }],
    ["is not whole voxels", { lower: [0.5, 0, 0], upper: [5, 6, 6] }],
  ])("refuses a box that %s", (_, wrong) => {
    expect(() => cutRegion(source, wrong)).toThrow(VolumeError);
  });
});
