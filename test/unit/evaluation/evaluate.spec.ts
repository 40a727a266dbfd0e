import { describe, expect, it } from "vitest";
import { checkLabels, evaluatePrediction } from "../../../src/evaluation/evaluate.js";
import { onGrid } from "../../../src/evaluation/on_grid.js";
import type { Axis } from "../../../src/inference/types.js";
import { boxSize, boxVolume } from "../../../src/volume/box.js";
import type { Vec3, VolumeSource } from "../../../src/volume/types.js";

const reads: number[] = [];

/** A volume by formula. */
function volume(
  size: Vec3,
  voxelSize: Vec3,
  value: (x: number, y: number, z: number) => number,
  lower: Vec3 = [0, 0, 0],
): VolumeSource {
  const upper = lower.map((l, i) => l + size[i]) as unknown as Vec3;
  return {
    name: "formula",
    dataType: "uint8",
    scales: [{ bounds: { lower, upper }, voxelSize, chunkSize: size }],
    async read(_scale, box) {
      const [sx, sy] = boxSize(box);
      reads.push(boxVolume(box));
      return Uint8Array.from({ length: boxVolume(box) }, (_, i) =>
        value(
          box.lower[0] + (i % sx),
          box.lower[1] + (Math.floor(i / sx) % sy),
          box.lower[2] + Math.floor(i / sx / sy),
        ),
      );
    },
  };
}

const options = { threshold: 0.5, ignore: [], sliceAxis: 2 as Axis, morphologyVoxelSize: [5, 5, 5] as Vec3 };

describe("evaluatePrediction", () => {
  const truth = (x: number, y: number) => (x >= 10 && x < 30 && y >= 10 && y < 20 ? 7 : 0);

  it("compares slice by slice with what is at least the threshold", async () => {
    const labels = volume([40, 30, 3], [5, 5, 5], (x, y, z) => (z < 2 ? truth(x, y) : 0));
    const p = volume([40, 30, 3], [5, 5, 5], (x, y, z) =>
      z === 0 && y >= 10 && y < 20 && x >= 20 && x < 40 ? 128 : 127,
    );
    const result = await evaluatePrediction(p, labels, options);
    // Slice 0: 100 of 200 found, 100 too many. Slice 1: nothing of 200. Slice 2: rightly nothing, which counts 0.
    expect(result.slices.map(({ iou }) => iou)).toEqual([100 / 300, 0, 0]);
    expect(result.iouPerSlice).toBeCloseTo(1 / 9, 12);
    expect(result.iouVolume).toBeCloseTo(100 / 500, 12);
    expect(result.morphology.labels).toMatchObject({ objects: 1, regions: 2, solidity: 1, area: 200 });
    expect(result.morphology.prediction).toMatchObject({ objects: 1, regions: 1, fraction: 200 / 3600 });
  });

  it("leaves ignored labels out", async () => {
    const labels = volume([40, 30, 1], [5, 5, 5], (x, y) => (x < 5 ? 2 : truth(x, y)));
    const p = volume([40, 30, 1], [5, 5, 5], (x, y) => (x < 2 || truth(x, y) ? 255 : 0));
    // As any other label they are foreground: 60 of 150 found.
    expect((await evaluatePrediction(p, labels, options)).recall).toBeCloseTo(260 / 350, 12);
    const result = await evaluatePrediction(p, labels, { ...options, ignore: [2] });
    expect(result).toMatchObject({ iouPerSlice: 1, precision: 1, recall: 1 });
    expect(result.morphology.prediction.objects).toBe(1);
  });

  it("takes slices across any axis", async () => {
    const labels = volume([3, 40, 30], [50, 5, 5], (x, y, z) => (x === 1 ? truth(y, z) : 0));
    const p = volume([3, 40, 30], [50, 5, 5], (x, y, z) => (x === 1 && truth(y, z) ? 200 : 0));
    const result = await evaluatePrediction(p, labels, { ...options, sliceAxis: 0 });
    expect(result.slices.map(({ iou }) => iou)).toEqual([0, 1, 0]);
    expect(result.morphology).toMatchObject({ voxelSize: [50, 5, 5], labels: { area: 200, solidity: 1 } });
  });

  it("measures morphology at the prior's voxel size", async () => {
    const labels = volume([40, 30, 1], [5, 5, 5], truth);
    const p = volume([40, 30, 1], [5, 5, 5], (x, y) => (truth(x, y) ? 255 : 0));
    const result = await evaluatePrediction(p, labels, { ...options, morphologyVoxelSize: [10, 10, 5] });
    expect(result.morphology).toMatchObject({ voxelSize: [10, 10, 5], prediction: { area: 50 } });
  });

  it("reads slab by slab, and stops when aborted", async () => {
    const empty = volume([32, 16, 9], [5, 5, 5], () => 0);
    reads.length = 0;
    const abort = new AbortController();
    const onProgress = (slices: number) => {
      if (slices === 8) abort.abort();
    };
    await expect(
      evaluatePrediction(empty, empty, { ...options, slabVoxels: 2100, signal: abort.signal, onProgress }),
    ).rejects.toMatchObject({ name: "AbortError" });
    expect(Math.max(...reads)).toBe(2048);
    expect(reads.length).toBe(4);
  });

  it("refuses labels of other voxels", () => {
    const em = volume([40, 30, 3], [5, 5, 5], () => 0);
    expect(() =>
      checkLabels(
        em,
        volume([40, 30, 2], [5, 5, 5], () => 0),
      ),
    ).toThrow(
      "formula: the labels cover 0:40,0:30,0:2, the EM 0:40,0:30,0:3: they must be of the same voxels",
    );
    checkLabels(em, em);
  });
});

describe("onGrid", () => {
  const target = {
    bounds: { lower: [4, 2, 0], upper: [12, 8, 4] },
    voxelSize: [5, 5, 5],
    chunkSize: [8, 6, 4],
  } as const;

  it("interpolates a coarser scale in plane and takes the nearest slice", async () => {
    const coarse = volume([4, 3, 2], [10, 10, 10], (x, y, z) => 20 * x + 2 * y + 100 * z, [2, 1, 0]);
    const fine = onGrid(coarse, target, 2);
    // Voxel x lies at (x + 0.5) / 2 - 0.5 of the coarse grid, which covers 2..5.
    const value = (x: number, y: number, z: number) => {
      const at = (v: number, low: number, high: number) => Math.min(Math.max((v + 0.5) / 2 - 0.5, low), high);
      return Math.round(20 * at(x, 2, 5) + 2 * at(y, 1, 3) + 100 * Math.floor(z / 2));
    };
    const whole = await fine.read(0, target.bounds);
    const expected: number[] = [];
    for (let z = 0; z < 4; z++)
      for (let y = 2; y < 8; y++) for (let x = 4; x < 12; x++) expected.push(value(x, y, z));
    expect([...(whole as Uint8Array)]).toEqual(expected);
    const part = await fine.read(0, { lower: [7, 4, 1], upper: [9, 5, 3] });
    expect([...(part as Uint8Array)]).toEqual([
      value(7, 4, 1),
      value(8, 4, 1),
      value(7, 4, 2),
      value(8, 4, 2),
    ]);
  });

  it("passes the same grid through", () => {
    const same = volume([8, 6, 4], [5, 5, 5], () => 1, [4, 2, 0]);
    expect(onGrid(same, target, 2)).toBe(same);
  });
});
