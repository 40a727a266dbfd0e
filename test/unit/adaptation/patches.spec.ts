import { describe, expect, it } from "vitest";
import { matchingTemplate, matchPatch } from "../../../src/adaptation/histogram.js";
import {
  PAPER_AUGMENTATION,
  patchMatcher,
  REDUCED_AUGMENTATION,
  UnlabelledPatches,
} from "../../../src/adaptation/patches.js";
import type { Images } from "../../../src/adaptation/types.js";
import { Random } from "../../../src/network/random.js";
import { PatchSampler } from "../../../src/training/sampler.js";
import type { Slices } from "../../../src/training/slices.js";
import { histogramOf } from "../../../src/training/source_statistics.js";

const plain = { d4: false, rotation: 0, jitter: 0, noise: 0, blur: 0 };

/** Every pixel of a slice says which slice it is; labels repeat the EM. */
function stack(width: number, height: number, values: number[]): Slices {
  const em = values.map((value) => new Uint8Array(width * height).fill(value));
  return { width, height, em, labels: em };
}

function noise(width: number, height: number, count: number, seed: number): Slices {
  const random = new Random(seed);
  const em = Array.from({ length: count }, () =>
    Uint8Array.from({ length: width * height }, () => 1 + random.integer(200)),
  );
  return { width, height, em, labels: em };
}

describe("patches", () => {
  it("come from all stacks, in proportion to their area, also from those smaller than a patch", () => {
    const stacks: Images[] = [stack(40, 20, [10, 20]), stack(8, 10, [30]), stack(4, 4, [])];
    const patches = new UnlabelledPatches(stacks, { size: 16, augmentation: plain }, new Random(1));
    const { em } = patches.sample(2000);
    const seen = new Map<number, number>();
    for (let n = 0; n < 2000; n++) {
      const value = Math.round(em[n * 256] * 255);
      seen.set(value, (seen.get(value) ?? 0) + 1);
    }
    expect([...seen.keys()].sort()).toEqual([10, 20, 30]);
    expect(seen.get(10)! / 2000).toBeCloseTo(800 / 1680, 1);
    expect(seen.get(30)! / 2000).toBeCloseTo(80 / 1680, 1);
  });

  it("keep labels on their EM, whatever the geometry", () => {
    const slices = noise(40, 30, 3, 2);
    const sampler = new PatchSampler(slices, 16, PAPER_AUGMENTATION, "random", 1, new Random(4));
    const { em, labels } = sampler.sample(6, 0);
    expect(labels).toEqual(em);
    expect(new Set(em).size).toBeGreaterThan(100);
  });

  it("repeat with the generator's state", () => {
    const slices = noise(40, 30, 3, 2);
    const template = matchingTemplate(histogramOf(noise(9, 9, 1, 3).em));
    const augmentation = { ...REDUCED_AUGMENTATION, noise: 0.1 };
    const matching = { template, probability: 0.5 };
    const random = new Random(6);
    const labelled = new PatchSampler(slices, 16, augmentation, "random", 1, random, patchMatcher(matching));
    const unlabelled = new UnlabelledPatches([slices], { size: 16, augmentation, matching }, random);
    labelled.sample(3, 0);
    unlabelled.sample(2);
    const { state } = random;
    const next = [labelled.sample(3, 3), unlabelled.sample(2)];
    random.restore(state);
    expect([labelled.sample(3, 3), unlabelled.sample(2)]).toEqual(next);
  });

  it("are matched with the probability asked for", () => {
    const slices = noise(16, 16, 1, 2);
    const template = matchingTemplate(
      histogramOf([Uint8Array.from({ length: 256 }, (_, i) => 100 + (i % 20))]),
    );
    const raw = Float32Array.from(slices.em[0], (value) => value / 255);
    const matched = matchPatch(raw, template);
    const count = (probability: number) => {
      const options = { size: 16, augmentation: plain, matching: { template, probability } };
      const { em } = new UnlabelledPatches([slices], options, new Random(9)).sample(400);
      let done = 0;
      for (let n = 0; n < 400; n++) {
        const patch = em.subarray(n * 256, (n + 1) * 256);
        const expected = patch[7] === matched[7] ? matched : raw;
        expect(patch).toEqual(expected);
        if (expected === matched) done++;
      }
      return done;
    };
    expect(count(1)).toBe(400);
    expect(count(0)).toBe(0);
    expect(Math.abs(count(0.5) - 200)).toBeLessThan(50);
  });

  it("are drawn anew where they are mostly padding", () => {
    const half = stack(64, 32, [0]);
    for (let i = 0; i < half.em[0].length; i++) if (i % 64 >= 32) half.em[0][i] = 90;
    const { em } = new UnlabelledPatches(
      [half],
      { size: 16, augmentation: plain, blackLimit: 0.5 },
      new Random(1),
    ).sample(100);
    for (let n = 0; n < 100; n++) {
      const black = em.subarray(n * 256, (n + 1) * 256).filter((value) => value === 0).length;
      expect(black).toBeLessThan(128);
    }
  });

  it("need images", () => {
    const options = { size: 16, augmentation: plain };
    expect(() => new UnlabelledPatches([stack(8, 8, [])], options, new Random(1))).toThrow(/no images/);
  });
});
