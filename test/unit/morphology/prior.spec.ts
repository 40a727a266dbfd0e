import { describe, expect, it } from "vitest";
import { measurePrior, priorOf } from "../../../src/morphology/prior.js";
import { summarise } from "../../../src/morphology/summary.js";
import { labelMask } from "../../../src/segmentation/label.js";
import { boxSize } from "../../../src/volume/box.js";
import type { Box, Vec3, VolumeSource, VoxelArray } from "../../../src/volume/types.js";

const SIZE: Vec3 = [36, 24, 10];

/** Wobbling tubes, as labels 0, 1 and 2. */
const VOXELS = Uint16Array.from({ length: SIZE[0] * SIZE[1] * SIZE[2] }, (_, i) => {
  const [x, y, z] = [i % 36, Math.floor(i / 36) % 24, Math.floor(i / 864)];
  const tube = (cx: number, cy: number, r: number) => Math.hypot(x - cx - Math.sin(z), y - cy + z / 3) < r;
  return tube(9, 12, 5) ? 1 : tube(25, 14, 6) ? 2 : 0;
});

function volume(read?: () => void): VolumeSource {
  return {
    name: "tubes",
    dataType: "uint16",
    scales: [
      { bounds: { lower: [5, 5, 5], upper: [41, 29, 15] }, voxelSize: [5, 5, 30], chunkSize: [64, 64, 4] },
    ],
    async read(_scale: number, box: Box): Promise<VoxelArray> {
      read?.();
      const [sx, sy, sz] = boxSize(box);
      const out = new Uint16Array(sx * sy * sz);
      for (let i = 0; i < out.length; ++i) {
        const [x, y, z] = [i % sx, Math.floor(i / sx) % sy, Math.floor(i / (sx * sy))];
        const at = [x, y, z].map((v, axis) => v + box.lower[axis] - 5);
        out[i] = VOXELS[at[0] + 36 * (at[1] + 24 * at[2])];
      }
      return out;
    },
  };
}

const mask = (ignored: number[] = []) =>
  Uint8Array.from(VOXELS, (v) => (v > 0 && !ignored.includes(v) ? 1 : 0));
const slicesOf = (voxels: Uint8Array) =>
  Array.from({ length: 10 }, (_, z) => voxels.subarray(z * 864, (z + 1) * 864));

describe("measurePrior", () => {
  it("is the summary of the whole labelled stack", () => {
    const { voxelSize, source, chunks, ...summary } = measurePrior(slicesOf(mask()), 36, 24, {
      voxelSize: [5, 5, 30],
      source: "tubes",
    });
    expect(summary).toEqual(summarise(labelMask(mask(), SIZE), { sliceAxis: 2 }));
    expect(summary.regions).toBe(20);
    expect({ voxelSize, source }).toEqual({ voxelSize: [5, 5, 30], source: "tubes" });
    // The whole stack is one chunk in plane and two across: the tubes are cut, and counted twice.
    expect(chunks!.size).toEqual([256, 256, 8]);
    expect(chunks!.summary).toMatchObject({ objects: 4, regions: 20 });
    expect(chunks!.summary.fraction).toBeCloseTo(summary.fraction, 14);
  });

  it("cuts chunks at their faces, also those that the border clips", () => {
    const { chunks } = measurePrior(slicesOf(mask()), 36, 24, {
      voxelSize: [5, 5, 30],
      source: "tubes",
      chunk: [10, 24, 10],
    });
    expect(chunks!.summary.regions).toBeGreaterThan(20);
    expect(chunks!.summary.objects).toBeGreaterThanOrEqual(4);
    const one = measurePrior(slicesOf(mask()), 36, 24, {
      voxelSize: [5, 5, 30],
      source: "tubes",
      chunk: [36, 24, 10],
    });
    const { voxelSize: _v, source: _s, chunks: whole, ...summary } = one;
    expect(whole!.summary.solidity).toBeCloseTo(summary.solidity, 12);
    expect(() => measurePrior([], 4, 4, { voxelSize: [1, 1, 1], source: "", chunk: [0, 1, 1] })).toThrow(
      "0 x 1 x 1",
    );
  });

  it("takes fractions 0..255 with their own threshold", () => {
    const soft = mask().map((v) => (v ? 128 : 127));
    const options = { voxelSize: [5, 5, 30] as const, source: "tubes" };
    const prior = measurePrior(slicesOf(soft), 36, 24, { ...options, foreground: 128 });
    expect(prior).toEqual(measurePrior(slicesOf(mask()), 36, 24, options));
  });
});

describe("priorOf", () => {
  it("reads a volume slab by slab and equals the prior of its mask", async () => {
    let reads = 0;
    const prior = await priorOf(
      volume(() => ++reads),
      { source: "tubes" },
    );
    expect(prior).toEqual(measurePrior(slicesOf(mask()), 36, 24, { voxelSize: [5, 5, 30], source: "tubes" }));
    expect(reads).toBe(3);
  });

  it("leaves ignored labels out, and takes a box", async () => {
    const prior = await priorOf(volume(), { source: "tubes", ignore: [2] });
    expect(prior.objects).toBe(1);
    const half = await priorOf(volume(), { source: "left", box: { lower: [5, 5, 5], upper: [22, 29, 15] } });
    expect(half.objects).toBe(1);
    expect(half.fraction).toBeGreaterThan(prior.fraction);
  });

  it("reduces slices by whole factors: half a block is foreground", async () => {
    const prior = await priorOf(volume(), { source: "tubes", factor: [2, 3] });
    expect(prior.voxelSize).toEqual([10, 15, 30]);
    const expected: Uint8Array[] = [];
    for (const slice of slicesOf(mask())) {
      const small = new Uint8Array(18 * 8);
      for (let i = 0; i < small.length; ++i) {
        const block = [0, 1, 2].flatMap((j) =>
          [0, 1].map((k) => slice[(Math.floor(i / 18) * 3 + j) * 36 + (i % 18) * 2 + k]),
        );
        small[i] = block.reduce((a, b) => a + b) >= 3 ? 1 : 0;
      }
      expected.push(small);
    }
    expect(prior).toEqual(measurePrior(expected, 18, 8, { voxelSize: [10, 15, 30], source: "tubes" }));
  });

  it("takes slices across another axis", async () => {
    const prior = await priorOf(volume(), { source: "tubes", sliceAxis: 0, chunk: [99, 99, 99] });
    const { voxelSize: _v, source: _s, chunks: _c, ...summary } = prior;
    const expected = summarise(labelMask(mask(), SIZE), { sliceAxis: 0 });
    expect(summary.regions).toBe(expected.regions);
    for (const key of ["solidity", "ara", "eccentricity", "area", "fraction"] as const) {
      expect(summary[key]).toBeCloseTo(expected[key], 12);
    }
  });

  it("says what is wrong, and stops when told", async () => {
    await expect(priorOf(volume(), { source: "", scale: 3 })).rejects.toThrow("tubes: there is no scale 3");
    const box: Box = { lower: [0, 0, 0], upper: [8, 8, 8] };
    await expect(priorOf(volume(), { source: "", box })).rejects.toThrow("is not in the volume");
    await expect(priorOf(volume(), { source: "", factor: [1.5, 1] })).rejects.toThrow("1.5 x 1");
    const signal = AbortSignal.abort();
    await expect(priorOf(volume(), { source: "", signal })).rejects.toThrow(/abort/i);
  });
});
