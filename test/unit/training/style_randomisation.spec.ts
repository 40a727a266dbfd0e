import { describe, expect, it } from "vitest";
import { Random } from "../../../src/network/random.js";
import {
  randomiseStyle,
  STRONG_STYLE,
  type StyleOptions,
} from "../../../src/training/style_randomisation.js";

const SIZE = 64;
const patch = Float32Array.from(
  { length: SIZE * SIZE },
  (_, i) => 0.5 + 0.3 * Math.sin(i / 7) * Math.cos(i / 450),
);
const OFF: StyleOptions = {
  sharpen: 0,
  blur: 0,
  jitter: 0,
  field: 0,
  contrast: 0,
  plateaus: 0,
  noise: 0,
};

describe("a random style", () => {
  it("is drawn from the generator alone and leaves the patch as it was", () => {
    const before = patch.slice();
    const one = randomiseStyle(patch, SIZE, STRONG_STYLE, new Random(4));
    expect(randomiseStyle(patch, SIZE, STRONG_STYLE, new Random(4))).toEqual(one);
    expect(randomiseStyle(patch, SIZE, STRONG_STYLE, new Random(5))).not.toEqual(one);
    expect(patch).toEqual(before);
  });

  it("changes nothing where every amount is 0", () => {
    const same = randomiseStyle(patch, SIZE, OFF, new Random(1));
    for (let i = 0; i < patch.length; i++) expect(same[i]).toBeCloseTo(patch[i], 6);
  });

  it("stays within 0..1", () => {
    for (let seed = 0; seed < 20; seed++) {
      const image = randomiseStyle(patch, SIZE, STRONG_STYLE, new Random(seed));
      expect(image.every((value) => value >= 0 && value <= 1)).toBe(true);
    }
  });

  it("darkens plateaus by the depth drawn, and nothing else", () => {
    const flat = new Float32Array(SIZE * SIZE).fill(0.8);
    let [deepest, untouched] = [0, 0];
    for (let seed = 0; seed < 30; seed++) {
      const image = randomiseStyle(flat, SIZE, { ...OFF, plateaus: 0.3 }, new Random(seed));
      for (const value of image) {
        deepest = Math.max(deepest, 0.8 - value);
        if (Math.abs(value - 0.8) < 0.01) untouched++;
        expect(value).toBeLessThanOrEqual(0.8 + 1e-6);
      }
    }
    expect(deepest).toBeGreaterThan(0.2);
    expect(deepest).toBeLessThanOrEqual(0.3 + 1e-6);
    expect(untouched / (30 * SIZE * SIZE)).toBeGreaterThan(0.4);
  });

  it("adds a field that is smooth", () => {
    const flat = new Float32Array(SIZE * SIZE).fill(0.5);
    let [range, step] = [0, 0];
    for (let seed = 0; seed < 10; seed++) {
      const image = randomiseStyle(flat, SIZE, { ...OFF, field: 0.4 }, new Random(seed));
      range = Math.max(range, Math.max(...image) - Math.min(...image));
      for (let i = 1; i < SIZE; i++) step = Math.max(step, Math.abs(image[i] - image[i - 1]));
    }
    expect(range).toBeGreaterThan(0.1);
    expect(step).toBeLessThan(range / 3);
  });
});
