import { describe, expect, it } from "vitest";
import {
  apply,
  compose,
  invert,
  rotation,
  scaling,
  throughPoints,
  translation,
} from "../../../src/adaptation/affine.js";
import { cropImage, cropLabels, planCrop, sample } from "../../../src/adaptation/damt_crops.js";
import { Random } from "../../../src/network/random.js";

const close = (got: readonly number[], wanted: readonly number[]) => {
  got.forEach((value, i) => {
    expect(value).toBeCloseTo(wanted[i], 9);
  });
};

describe("affine maps", () => {
  it("compose, invert and pass through points", () => {
    const quarter = rotation(Math.PI / 2, 1, 1);
    close(apply(quarter, 2, 1), [1, 2]);
    const both = compose(translation(10, 0), quarter);
    close(apply(both, 2, 1), [11, 2]);
    close(apply(compose(invert(both), both), 3.5, -2), [3.5, -2]);
    const map = throughPoints(
      [
        [0, 0],
        [1, 0],
        [0, 1],
      ],
      [
        [5, 5],
        [7, 5],
        [5, 2],
      ],
    );
    close(apply(map, 2, 2), [9, -1]);
    expect(() => invert([1, 2, 0, 2, 4, 0])).toThrow(/no inverse/);
    // Halving: the middle of the first pixel lies between the middles of the first two.
    close(apply(scaling(2, 4), 0, 0), [0.5, 1.5]);
  });
});

describe("crops of DAMT-Net", () => {
  const plane = { width: 40, height: 24 };
  const image = Uint8Array.from({ length: 960 }, (_, i) => (i * 7) % 256);

  it("are the slice itself under the identity, reflected outside", () => {
    const crop = sample(image, plane, translation(-1, -2), 32);
    expect(crop[2 * 32 + 1]).toBe(image[0]);
    expect(crop[2 * 32]).toBe(image[1]);
    expect(crop[1]).toBe(image[80]);
    expect(crop[3 * 32 + 4]).toBe(image[43]);
  });

  it("are changed a quarter of the time, by no more than told", () => {
    const random = new Random(5);
    const plans = Array.from({ length: 4000 }, () => planCrop(plane, 16, random));
    const plain = plans.filter(({ map, gain, offset, blur }) => {
      const [a, b, , d, e] = map;
      return a === 1 && b === 0 && d === 0 && e === 1 && gain === 1 && offset === 0 && blur === null;
    });
    // A quarter is looked at; of those 0.5^3 (turns) * 0.8 * 0.5 * 0.8 * 0.7 = 2.8 % stay as they are.
    expect(plain.length / 4000).toBeGreaterThan(0.72);
    expect(plain.length / 4000).toBeLessThan(0.8);
    for (const { map, gain, offset } of plans) {
      expect(Math.abs(gain - 1)).toBeLessThanOrEqual(0.2);
      expect(Math.abs(offset)).toBeLessThanOrEqual(0.2);
      expect(map.every(Number.isFinite)).toBe(true);
    }
    for (const { map } of plain) {
      const [x, y] = apply(map, 0, 0);
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x).toBeLessThanOrEqual(24);
      expect(y).toBeLessThanOrEqual(8);
    }
    const kernels = plans.flatMap(({ blur }) => (blur ? [blur] : []));
    // A quarter of a fifth.
    expect(kernels.length / 4000).toBeCloseTo(0.05, 1);
    for (const kernel of kernels) {
      expect([9, 25, 49]).toContain(kernel.length);
      expect(kernel.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
      expect(kernel.filter((value) => value > 0).length).toBeLessThanOrEqual(Math.sqrt(kernel.length));
    }
  });

  it("centre a slice that is narrower than they are", () => {
    const plan = { ...planCrop(plane, 48, new Random(1)), gain: 1, offset: 0, blur: null };
    expect(apply(plan.map, 0, 0)).toEqual([-4, -12]);
    expect(apply(plan.map, 4, 12)).toEqual([0, 0]);
  });

  it("scale grey values between the limits of the data, and binarise labels", () => {
    const plan = { map: translation(0, 0), gain: 1, offset: 0, blur: null };
    const two = Uint8Array.from([50, 100, 200, 127, 128, 255, 0, 10, 60]);
    const square = { width: 3, height: 3 };
    const em = cropImage(two, square, plan, 3, [50, 150]);
    expect([...em].map((v) => Math.round(v * 100) / 100)).toEqual([0, 0.5, 1, 0.77, 0.78, 1, 0, 0, 0.1]);
    expect([...cropLabels(two, square, plan, 3)]).toEqual([0, 0, 1, 0, 1, 1, 0, 0, 0]);
    const flat = cropImage(
      new Uint8Array(9).fill(100),
      square,
      { ...plan, gain: 1.2, offset: -0.1 },
      3,
      [0, 200],
    );
    expect([...flat].every((value) => Math.abs(value - 0.5) < 1e-6)).toBe(true);
  });

  it("blur along the kernel's line, reflected at the border", () => {
    const map = translation(0, 0);
    const kernel = Float32Array.from([0, 0, 0, 0.5, 0, 0.5, 0, 0, 0]);
    const row = Uint8Array.from([0, 100, 200, 0, 100, 200, 0, 100, 200]);
    const em = cropImage(
      row,
      { width: 3, height: 3 },
      { map, gain: 1, offset: 0, blur: kernel },
      3,
      [0, 200],
    );
    expect([...em.subarray(3, 6)].map((v) => Math.round(v * 100) / 100)).toEqual([0.5, 0.5, 0.5]);
  });
});
