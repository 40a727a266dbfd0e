import { describe, expect, it } from "vitest";
import { resampleImage, tapsToModel } from "../../../src/inference/resample.js";
import { Random } from "../../../src/network/random.js";
import { augment, blur, reflect, rotate, symmetry } from "../../../src/training/augmentation.js";
import { areaAverage } from "../../../src/training/resample.js";
import { cut, PatchSampler } from "../../../src/training/sampler.js";
import {
  cropSlices,
  loadSlices,
  type Slices,
  splitSlices,
  thinSlices,
} from "../../../src/training/slices.js";
import { averagingFactor } from "../../../src/training/train_node.js";
import type { Box, VolumeSource } from "../../../src/volume/types.js";

const none = { d4: false, rotation: 0, jitter: 0, noise: 0, blur: 0 };

function volume(
  dataType: "uint8" | "uint16" | "uint64",
  sx: number,
  sy: number,
  sz: number,
  at: (x: number, y: number, z: number) => number,
): VolumeSource {
  const bounds: Box = { lower: [0, 0, 0], upper: [sx, sy, sz] };
  return {
    name: "memory",
    dataType,
    scales: [{ bounds, voxelSize: [5, 5, 5], chunkSize: [sx, sy, 1] }],
    async read(_, { lower, upper }) {
      const values: number[] = [];
      for (let z = lower[2]; z < upper[2]; z++)
        for (let y = lower[1]; y < upper[1]; y++)
          for (let x = lower[0]; x < upper[0]; x++) values.push(at(x, y, z));
      if (dataType === "uint64") return BigUint64Array.from(values, BigInt);
      return dataType === "uint8" ? Uint8Array.from(values) : Uint16Array.from(values);
    },
  };
}

const ramp: Slices = {
  width: 7,
  height: 5,
  em: [Uint8Array.from({ length: 35 }, (_, i) => i), Uint8Array.from({ length: 35 }, (_, i) => 100 + i)],
  labels: [new Uint8Array(35), new Uint8Array(35).fill(255)],
};

describe("training slices", () => {
  it("are averaged to the training voxel size, labels to fractions", async () => {
    const em = volume("uint8", 5, 4, 2, (x, y, z) => 10 * x + y + 100 * z);
    const labels = volume("uint64", 5, 4, 2, (x, y) => (x === 1 && y === 0 ? 2 ** 40 : x === 3 ? 2 : 0));
    const box: Box = { lower: [1, 0, 1], upper: [5, 4, 2] };
    const slices = await loadSlices(em, labels, { box, factor: [2, 2], window: [0, 255], ignore: [2] });
    expect(slices).toMatchObject({ width: 2, height: 2 });
    // Means of the blocks starting at x = 1 and 3: 115.5, 135.5 and, two rows on, 117.5, 137.5, rounded.
    expect([...slices.em[0]]).toEqual([116, 136, 118, 138]);
    expect([...slices.labels[0]]).toEqual([64, 0, 0, 0]);
  });

  it("are clamped to the intensity window, which must rise", async () => {
    const em = volume("uint16", 3, 1, 1, (x) => [0, 600, 5000][x]);
    const labels = volume("uint8", 3, 1, 1, () => 0);
    const box: Box = { lower: [0, 0, 0], upper: [3, 1, 1] };
    const slices = await loadSlices(em, labels, { box, factor: [1, 1], window: [200, 1000] });
    expect([...slices.em[0]]).toEqual([0, 128, 255]);
    await expect(loadSlices(em, labels, { box, factor: [1, 1], window: [9, 9] })).rejects.toThrow(
      /must rise/,
    );
  });

  it("average like the predictor's resampling", () => {
    const random = new Random(3);
    const image = Uint8Array.from({ length: 12 * 8 }, () => random.integer(256));
    const ours = areaAverage(image, 12, 8, 3, 2).data;
    const taps = [tapsToModel(0, 4, 12, 3), tapsToModel(0, 4, 8, 2)] as const;
    const theirs = resampleImage({ data: image, offset: 0, columnStride: 1, rowStride: 12 }, ...taps, [0, 0]);
    ours.forEach((value, i) => {
      expect(value).toBeCloseTo(theirs[i], 4);
    });
  });

  it("split into training and the last part, or drawn ones", () => {
    const ten: Slices = {
      ...ramp,
      em: Array.from({ length: 10 }, () => ramp.em[0]),
      labels: Array.from({ length: 10 }, (_, i) => new Uint8Array(35).fill(i)),
    };
    const tags = (slices: Slices) => slices.labels.map((label) => label[0]);
    expect(tags(splitSlices(ten, 0.2).validation)).toEqual([8, 9]);
    expect(tags(splitSlices(ten, 0.2, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]).validation)).toEqual([1, 0]);
    expect(splitSlices(ten, 0.01).validation.em).toHaveLength(1);
    expect(splitSlices(ten, 0).validation.em).toHaveLength(0);
    expect(() => splitSlices(ten, 1)).toThrow(/validation/);
    expect(tags(thinSlices(ten, 2))).toEqual([2, 7]);
    const { width, height, em } = cropSlices(ramp, 3);
    expect([width, height, ...em[1]]).toEqual([3, 3, 109, 110, 111, 116, 117, 118, 123, 124, 125]);
    expect(cropSlices(ramp, 7)).toBe(ramp);
  });

  it("take a whole factor near the wanted voxel size", () => {
    expect(averagingFactor([5, 5, 5], 10)).toEqual([2, 2]);
    expect(averagingFactor([4.6, 4.6, 50], 10)).toEqual([2, 2]);
    expect(averagingFactor([10, 10, 10], 10)).toEqual([1, 1]);
    expect(() => averagingFactor([7, 7, 7], 10)).toThrow(/take 7/);
  });
});

describe("patches", () => {
  it("reflect without repeating the edge", () => {
    expect([-3, -2, -1, 0, 3, 4, 5, 6, 7].map((i) => reflect(i, 4))).toEqual([3, 2, 1, 0, 3, 2, 1, 0, 1]);
    expect(reflect(-5, 1)).toBe(0);
  });

  it("are cut where asked, beyond the slice reflected", () => {
    const { em, labels } = cut(ramp, 5, 3, 1, 4);
    expect([...em].map((v) => Math.round(v * 255) - 100)).toEqual([
      26, 27, 26, 25, 33, 34, 33, 32, 26, 27, 26, 25, 19, 20, 19, 18,
    ]);
    expect(labels.every((v) => v === 1)).toBe(true);
  });

  it("repeat for the same generator state and show every slice", () => {
    const draw = (seed: number) => {
      const random = new Random(seed);
      const changes = { ...none, d4: true, jitter: 0.1, noise: 0.1 };
      return new PatchSampler(ramp, 4, changes, "random", 1, random).sample(6, 0);
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(new Set(draw(1).labels)).toEqual(new Set([0, 1]));
  });

  it("of a grid come once an epoch, in another order each time, wherever one begins", () => {
    const sampler = () => new PatchSampler(ramp, 2, none, "grid", 7, new Random(1));
    const corners = (first: number, count: number) => {
      const { em } = sampler().sample(count, first);
      return Array.from({ length: count }, (_, n) => Math.round(em[4 * n] * 255));
    };
    // Two slices of 3 x 2 cells, of which the upper left pixels are 0, 2, 4, 14, 16, 18 and those plus 100.
    const all = [0, 2, 4, 14, 16, 18, 100, 102, 104, 114, 116, 118];
    const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
    expect(sorted(corners(0, 12))).toEqual(all);
    expect(sorted(corners(12, 12))).toEqual(all);
    expect(corners(0, 12)).not.toEqual(corners(12, 12));
    expect(corners(5, 10)).toEqual([...corners(0, 12).slice(5), ...corners(12, 3)]);
  });
});

describe("augmentation", () => {
  const square = Float32Array.from({ length: 9 }, (_, i) => i);

  it("has the eight symmetries of the square", () => {
    const images = Array.from({ length: 8 }, (_, code) => [...symmetry(square, 3, code)].join());
    expect(new Set(images).size).toBe(8);
    expect(images[0]).toBe("0,1,2,3,4,5,6,7,8");
    expect(images[1]).toBe("0,3,6,1,4,7,2,5,8");
    expect(images[2]).toBe("2,1,0,5,4,3,8,7,6");
    expect(images[4]).toBe("6,7,8,3,4,5,0,1,2");
  });

  it("rotates by right angles as the symmetries do, and keeps a centred disc", () => {
    const quarter = rotate(square, 3, Math.PI / 2);
    const turned = [...symmetry(square, 3, 1 | 4)];
    const other = [...symmetry(square, 3, 1 | 2)];
    const rounded = [...quarter].map((v) => Math.round(v * 1e4) / 1e4);
    expect([turned.join(), other.join()]).toContain(rounded.join());
    const disc = Float32Array.from({ length: 41 * 41 }, (_, i) =>
      Math.hypot((i % 41) - 20, Math.floor(i / 41) - 20) < 12 ? 1 : 0,
    );
    const area = (image: Float32Array) => image.reduce((a, b) => a + b, 0);
    expect(Math.abs(area(rotate(disc, 41, 0.7)) / area(disc) - 1)).toBeLessThan(0.02);
  });

  it("blurs without changing the mean of a flat image, and spreads a point as a Gaussian", () => {
    expect([...blur(new Float32Array(25).fill(0.5), 5, 1)].every((v) => Math.abs(v - 0.5) < 1e-6)).toBe(true);
    const point = new Float32Array(31 * 31);
    point[15 * 31 + 15] = 1;
    const spread = blur(point, 31, 1.5);
    expect(spread[15 * 31 + 18] / spread[15 * 31 + 15]).toBeCloseTo(Math.exp(-(3 ** 2) / (2 * 1.5 ** 2)), 5);
  });

  it("keeps EM within 0..1 and leaves labels to geometry", () => {
    const random = new Random(8);
    const patch = {
      size: 8,
      em: Float32Array.from({ length: 64 }, (_, i) => i / 63),
      labels: Float32Array.from({ length: 64 }, (_, i) => (i < 32 ? 1 : 0)),
    };
    const changed = augment(patch, { ...none, jitter: 0.3, noise: 0.2, blur: 2 }, random);
    expect(changed.em.every((v) => v >= 0 && v <= 1)).toBe(true);
    expect(changed.em).not.toEqual(patch.em);
    expect(changed.labels).toEqual(patch.labels);
    expect(augment(patch, none, random)).toEqual(patch);
  });
});
