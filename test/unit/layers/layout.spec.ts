import { describe, expect, it } from "vitest";
import { coarsen, layOut, overviewFactors, type SourceScale } from "../../../layers/mito/layout.js";

/** Homogeneous, column-major: chunk axis c runs along model axis to[c] with the given factor. */
function transform(
  to: readonly number[],
  factor: readonly number[],
  offset: readonly number[] = [],
): number[] {
  const rank = to.length;
  const out = new Array<number>((rank + 1) ** 2).fill(0);
  to.forEach((row, column) => {
    out[column * (rank + 1) + row] = factor[column];
  });
  offset.forEach((value, row) => {
    out[rank * (rank + 1) + row] = value;
  });
  out[out.length - 1] = 1;
  return out;
}

const metres = (...nm: number[]) => nm.map((n) => n * 1e-9);

describe("layOut", () => {
  it("takes a precomputed volume as it is", () => {
    const space = { names: ["x", "y", "z"], units: ["m", "m", "m"], scales: metres(8, 8, 30) };
    const scales: SourceScale[] = [
      { transform: transform([0, 1, 2], [1, 1, 1], [100, 50, 20]), lower: [0, 0, 0], upper: [1000, 800, 60] },
      { transform: transform([0, 1, 2], [2, 2, 1], [100, 50, 20]), lower: [0, 0, 0], upper: [500, 400, 60] },
    ];
    const layout = layOut(space, scales);
    expect(layout.modelDims).toEqual([0, 1, 2]);
    expect(layout.scales.map(({ voxelSize }) => voxelSize)).toEqual([
      [8, 8, 30],
      [16, 16, 30],
    ]);
    expect(layout.scales[1]).toMatchObject({
      chunkDims: [0, 1, 2],
      fixed: [-1, -1, -1],
      bounds: { lower: [0, 0, 0], upper: [500, 400, 60] },
      transform: [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 100, 50, 20, 1],
    });
  });

  it("takes OME-Zarr, model axes z y x, chunk axes x y z", () => {
    const space = { names: ["z", "y", "x"], units: ["m", "m", "m"], scales: metres(40, 5, 4) };
    const layout = layOut(space, [
      { transform: transform([2, 1, 0], [1, 1, 1], [7, 8, 9]), lower: [0, 0, 0], upper: [300, 200, 100] },
    ]);
    expect(layout.modelDims).toEqual([2, 1, 0]);
    expect(layout.keptDims).toEqual([0, 1, 2]);
    expect(layout.scales[0].voxelSize).toEqual([4, 5, 40]);
    expect(layout.scales[0].chunkDims).toEqual([0, 1, 2]);
    // Our x runs along the model's third axis.
    expect(layout.scales[0].transform).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 7, 8, 9, 1]);
  });

  it("takes Fortran order, chunk axes z y x", () => {
    const space = { names: ["z", "y", "x"], units: ["m", "m", "m"], scales: metres(40, 5, 4) };
    const layout = layOut(space, [
      { transform: transform([0, 1, 2], [1, 1, 1]), lower: [0, 0, 0], upper: [100, 200, 300] },
    ]);
    expect(layout.scales[0].chunkDims).toEqual([2, 1, 0]);
    expect(layout.scales[0].bounds.upper).toEqual([300, 200, 100]);
  });

  const channels = (count: number) => ({
    space: { names: ["c^", "z", "y", "x"], units: ["", "m", "m", "m"], scales: [1, ...metres(8, 8, 8)] },
    scale: {
      transform: transform([3, 2, 1, 0], [1, 1, 1, 1]),
      lower: [0, 0, 0, 0],
      upper: [30, 20, 10, count],
    },
  });

  it("drops a channel axis of one", () => {
    const { space, scale } = channels(1);
    const layout = layOut(space, [scale]);
    expect(layout.keptDims).toEqual([1, 2, 3]);
    expect(layout.scales[0].fixed).toEqual([-1, -1, -1, 0]);
    expect(layout.scales[0].transform).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
  });

  it("asks for the channel when there are several", () => {
    const { space, scale } = channels(3);
    expect(() => layOut(space, [scale])).toThrow(/3 channels: choose one with channel=<0..2>/);
    expect(() => layOut(space, [scale], 3)).toThrow(/channel=3 does not exist/);
    expect(layOut(space, [scale], 2).scales[0].fixed).toEqual([-1, -1, -1, 2]);
  });

  it("without names, the axis that runs fastest in memory is x", () => {
    const space = { names: ["d0", "d1", "d2"], units: ["m", "m", "m"], scales: metres(30, 5, 4) };
    const layout = layOut(space, [
      { transform: transform([2, 1, 0], [1, 1, 1]), lower: [0, 0, 0], upper: [9, 8, 7] },
    ]);
    expect(layout.modelDims).toEqual([2, 1, 0]);
    expect(layout.scales[0].voxelSize).toEqual([4, 5, 30]);
  });

  it("says what is missing", () => {
    const scale = { transform: transform([0, 1, 2], [1, 1, 1]), lower: [0, 0, 0], upper: [9, 8, 7] };
    expect(() => layOut({ names: ["x", "y", "z"], units: ["", "", ""], scales: [1, 1, 1] }, [scale])).toThrow(
      /axis x has no voxel size in metres/,
    );
    const rotated = { ...scale, transform: [1, 1, 0, 0, -1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] };
    expect(() =>
      layOut({ names: ["x", "y", "z"], units: ["m", "m", "m"], scales: metres(8, 8, 8) }, [rotated]),
    ).toThrow(/rotated against its axis x/);
    const four = {
      ...scale,
      transform: transform([0, 1, 2, 3], [1, 1, 1, 1]),
      lower: [0, 0, 0, 0],
      upper: [9, 9, 9, 9],
    };
    expect(() =>
      layOut({ names: ["a", "b", "c", "d"], units: ["", "", "", ""], scales: [1, 1, 1, 1] }, [four]),
    ).toThrow(/axes a, b, c, d: cannot tell/);
  });
});

describe("overviewFactors", () => {
  it("doubles all axes of cubes", () => {
    expect(overviewFactors([8, 8, 8], { lower: [0, 0, 0], upper: [4000, 100, 100] })).toEqual([
      [2, 2, 2],
      [4, 4, 4],
      [8, 8, 8],
    ]);
  });

  it("brings sections to cubes first", () => {
    expect(overviewFactors([4, 4, 30], { lower: [0, 0, 0], upper: [8192, 8192, 500] })).toEqual([
      [2, 2, 1],
      [4, 4, 1],
      [8, 8, 1],
      [16, 16, 2],
    ]);
  });

  it("needs none for a small volume", () => {
    expect(overviewFactors([8, 8, 8], { lower: [0, 0, 0], upper: [512, 100, 100] })).toEqual([]);
  });
});

describe("coarsen", () => {
  it("scales the columns and leaves the offset", () => {
    expect(coarsen([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1], [4, 4, 2])).toEqual([
      4, 0, 0, 0, 0, 4, 0, 0, 0, 0, 2, 0, 5, 6, 7, 1,
    ]);
  });
});
