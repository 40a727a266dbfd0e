import { describe, expect, it } from "vitest";
import {
  formatRanges,
  type Placement,
  parseRanges,
  RegionError,
  regionNames,
  viewRanges,
  voxelAt,
  voxelBox,
} from "../../../layers/mito_layer/region.js";

/** z, y, x data of 10 nm voxels (from 100 on) in a view of x, y, z in 5 nm and a time axis, moved by 7 along y. */
const placement: Placement = {
  // Voxel x, y, z -> model z, y, x, offset 100 along x.
  voxelToModel: [0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 100, 1],
  // Model z, y, x -> layer x, y, z, in units half as large.
  modelToLayer: [0, 0, 2, 0, 0, 2, 0, 0, 2, 0, 0, 0, 0, 7, 0, 1],
  rank: 3,
  viewToLayer: [-1, 0, 1, 2],
  names: ["t", "x", "y", "z"],
};

describe("regions of a view", () => {
  it("become voxels, whatever the order of axes, units and offsets", () => {
    expect(regionNames(placement)).toEqual(["x", "y", "z"]);
    expect(voxelAt(placement, [5, 220, 27, 8])).toEqual([10, 10, 4]);
    const box = voxelBox(placement, [
      [220, 241],
      [27, 47],
      [8, 10],
    ]);
    expect(box).toEqual({ lower: [10, 10, 4], upper: [21, 20, 5] });
    const ranges = viewRanges(placement, box);
    expect(ranges).toEqual([
      [220, 242],
      [27, 47],
      [8, 10],
    ]);
    expect(voxelBox(placement, ranges)).toEqual(box);
  });

  it("follow a volume that is mirrored, too", () => {
    const mirrored = { ...placement, voxelToModel: [0, 0, -1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 100, 1] };
    expect(voxelAt(mirrored, [0, 180, 7, 0])).toEqual([10, 0, 0]);
    const box = { lower: [0, 0, 0], upper: [10, 4, 2] } as const;
    expect(voxelBox(mirrored, viewRanges(mirrored, box))).toEqual(box);
  });

  it("are refused where the layer does not lie in three axes of the view", () => {
    expect(() => voxelAt({ ...placement, viewToLayer: [-1, 0, 1, -1] }, [0, 0, 0, 0])).toThrow(RegionError);
    const flat = { ...placement, voxelToModel: [0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1] };
    expect(() => voxelAt(flat, [0, 0, 0, 0])).toThrow(RegionError);
  });

  it("are read as the command line reads them, and written so that they read back", () => {
    const ranges = parseRanges("20000:20768, 0.5:3,-4:4024", ["x", "y", "z"]);
    expect(ranges).toEqual([
      [20000, 20768],
      [0.5, 3],
      [-4, 4024],
    ]);
    expect(parseRanges(formatRanges(ranges), ["x", "y", "z"])).toEqual(ranges);
  });

  it.each([
    ["", /3 ranges/],
    ["1:2,3:4", /3 ranges, x from:to, y from:to, z from:to/],
    ["1:2,4:3,5:6", /y: “4:3” must be two rising numbers/],
    ["1:2,3:4,5", /z: “5”/],
    ["1:2:3,3:4,5:6", /x: “1:2:3”/],
    ["0x1:2,3:4,5:6", /x: /],
    ["1e999:2,3:4,5:6", /x: /],
  ])("cannot be read from %j", (text, message) => {
    expect(() => parseRanges(text, ["x", "y", "z"])).toThrow(message);
  });
});
