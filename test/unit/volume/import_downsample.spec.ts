import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseChunkSize } from "../../../src/volume/chunk_shape.js";
import { downsampleMean, downsampleMode, planPyramid } from "../../../src/volume/downsample.js";
import type { Vec3 } from "../../../src/volume/types.js";

describe("downsampleMean", () => {
  it("rounds to nearest, halves up", () => {
    const mean = (values: number[]) => downsampleMean(new Uint8Array(values), [2, 2, 1], [2, 2, 1])[0];
    expect(mean([0, 0, 0, 1])).toBe(0); // 0.25
    expect(mean([0, 0, 1, 1])).toBe(1); // 0.5
    expect(mean([0, 1, 1, 1])).toBe(1); // 0.75
    expect(mean([254, 254, 255, 255])).toBe(255); // 254.5
    expect(mean([255, 255, 255, 255])).toBe(255);
  });

  it("averages what is there at an odd border", () => {
    expect([...downsampleMean(new Uint8Array([1, 2, 9, 3, 4, 20]), [3, 2, 1], [2, 2, 1])]).toEqual([3, 15]);
    expect([...downsampleMean(new Uint16Array([60000, 60001, 65535]), [1, 1, 3], [1, 1, 2])]).toEqual([
      60001, 65535,
    ]);
    expect([...downsampleMean(new Uint32Array(8).fill(2 ** 32 - 1), [2, 2, 2], [2, 2, 2])]).toEqual([
      2 ** 32 - 1,
    ]);
  });

  it("equals the mean by definition, for any size and step", () => {
    const step = fc.constantFrom(1, 2);
    const length = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(
        fc.tuple(length, length, length),
        fc.tuple(step, step, step),
        fc.infiniteStream(fc.nat(255)),
        (size, steps, values) => {
          const data = Uint8Array.from(
            { length: size[0] * size[1] * size[2] },
            () => values.next().value as number,
          );
          const result = downsampleMean(data, size, steps);
          const out = size.map((n, i) => Math.ceil(n / steps[i]));
          expect(result.length).toBe(out[0] * out[1] * out[2]);
          const sums = new Map<number, number[]>();
          data.forEach((value, index) => {
            const at = [
              index % size[0],
              Math.floor(index / size[0]) % size[1],
              Math.floor(index / size[0] / size[1]),
            ];
            const [x, y, z] = at.map((v, i) => Math.floor(v / steps[i]));
            const key = x + out[0] * (y + out[1] * z);
            sums.set(key, [...(sums.get(key) ?? []), value]);
          });
          for (const [key, block] of sums)
            expect(result[key]).toBe(Math.round(block.reduce((a, b) => a + b) / block.length));
        },
      ),
    );
  });
});

describe("downsampleMode", () => {
  it("takes the most frequent, of equals the first", () => {
    const mode = (values: number[]) => downsampleMode(new Uint8Array(values), [2, 2, 1], [2, 2, 1])[0];
    expect(mode([0, 7, 7, 3])).toBe(7);
    expect(mode([9, 0, 0, 9])).toBe(9);
    expect(mode([1, 2, 3, 4])).toBe(1);
    expect(mode([1, 2, 3, 3])).toBe(3);
    const wide = new BigUint64Array([1n, 2n ** 60n, 2n ** 60n, 5n, 5n, 5n, 1n, 1n]);
    expect(downsampleMode(wide, [2, 2, 2], [2, 2, 2])[0]).toBe(1n);
  });

  it("never makes a label that is not in its block", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { minLength: 8, maxLength: 8 }), (block) => {
        const label = downsampleMode(new Uint32Array(block), [2, 2, 2], [2, 2, 2])[0];
        const count = (v: number) => block.filter((b) => b === v).length;
        expect(count(label)).toBe(Math.max(...block.map(count)));
      }),
    );
  });
});

describe("planPyramid", () => {
  const steps = (size: Vec3, voxelSize: Vec3, chunk: Vec3) =>
    planPyramid(size, voxelSize, chunk).map(({ step }) => step);

  it("halves all axes of an isotropic volume until it fits in a chunk", () => {
    const levels = planPyramid([1024, 768, 165], [5, 5, 5], [64, 64, 64]);
    expect(levels.map(({ size }) => size)).toEqual([
      [1024, 768, 165],
      [512, 384, 83],
      [256, 192, 42],
      [128, 96, 21],
      [64, 48, 11],
    ]);
    expect(levels[4]).toMatchObject({ factor: [16, 16, 16], voxelSize: [80, 80, 80] });
  });

  it("makes an anisotropic volume isotropic first", () => {
    const levels = planPyramid([1024, 1024, 20], [4.6, 4.6, 50], [128, 128, 16]);
    expect(levels.map(({ voxelSize }) => voxelSize)).toEqual([
      [4.6, 4.6, 50],
      [9.2, 9.2, 50],
      [18.4, 18.4, 50],
      [36.8, 36.8, 50],
      [73.6, 73.6, 100],
    ]);
    expect(steps([4096, 4096, 512], [10, 10, 40], [64, 64, 64]).slice(0, 5)).toEqual([
      [1, 1, 1],
      [2, 2, 1],
      [2, 2, 1],
      [2, 2, 2],
      [2, 2, 2],
    ]);
  });

  it("leaves an axis of one voxel alone and ends for every shape", () => {
    expect(steps([300, 300, 1], [5, 5, 5], [64, 64, 64])).toEqual([
      [1, 1, 1],
      [2, 2, 1],
      [2, 2, 1],
      [2, 2, 1],
    ]);
    const length = fc.integer({ min: 1, max: 100_000 });
    const edge = fc.double({ min: 0.1, max: 1000, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(length, length, length), fc.tuple(edge, edge, edge), (size, voxelSize) => {
        const levels = planPyramid(size, voxelSize, [64, 64, 64]);
        expect(Math.max(...levels[levels.length - 1].size)).toBeLessThanOrEqual(64);
        expect(levels.length).toBeLessThan(40);
      }),
    );
  });
});

describe("chooseChunkSize", () => {
  it("is about a cube in nanometres", () => {
    expect(chooseChunkSize([1024, 768, 165], [5, 5, 5], 1)).toEqual([64, 64, 64]);
    expect(chooseChunkSize([1463, 1613, 85], [3, 3, 30], 1)).toEqual([128, 128, 16]);
    expect(chooseChunkSize([1024, 1024, 20], [4.6, 4.6, 50], 1)).toEqual([128, 128, 16]);
    expect(chooseChunkSize([9000, 9000, 900], [1, 1, 60], 1)).toEqual([256, 256, 4]);
  });

  it("gets flatter when slices are so large that a row of chunks would not fit", () => {
    expect(chooseChunkSize([20_000, 20_000, 1000], [5, 5, 5], 1)).toEqual([512, 512, 1]);
    expect(chooseChunkSize([4000, 4000, 1000], [5, 5, 5], 1)).toEqual([128, 128, 16]);
    expect(chooseChunkSize([1024, 768, 165], [5, 5, 5], 1, 20e6)).toEqual([128, 128, 16]);
  });

  it("is not much larger than a small volume", () => {
    expect(chooseChunkSize([40, 300, 5], [5, 5, 5], 1)).toEqual([64, 64, 8]);
    expect(chooseChunkSize([1, 1, 1], [5, 5, 5], 1)).toEqual([1, 1, 1]);
  });
});
