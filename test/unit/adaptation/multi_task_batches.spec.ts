import { describe, expect, it } from "vitest";
import { matchingTemplate, matchPatch } from "../../../src/adaptation/histogram.js";
import { assemble, CoinFlips, PatchSet, PatchStream } from "../../../src/adaptation/multi_task_batches.js";
import { Random } from "../../../src/network/random.js";
import type { Slices } from "../../../src/training/slices.js";

const plain = { d4: false, rotation: 0, jitter: 0, noise: 0, blur: 0 };

/** Each pixel tells its slice and column; the left half of every slice is black. */
const slices: Slices = {
  width: 16,
  height: 8,
  em: [0, 1, 2].map((z) => Uint8Array.from({ length: 128 }, (_, i) => (i % 16 < 8 ? 0 : 64 * z + (i % 16)))),
  labels: [0, 1, 2].map((z) => new Uint8Array(128).fill(50 * z)),
};
const values = ({ em }: { em: Float32Array }) => [...em].map((value) => Math.round(value * 255));

describe("sets of patches drawn once", () => {
  it("take one patch of each slice in turn, and none that is half black", () => {
    const set = PatchSet.draw(slices, 30, 4, true, new Random(1));
    expect(set.count).toBe(30);
    const zs = Array.from({ length: 30 }, (_, i) => Math.max(...values(set.cut(i))) >> 6);
    for (const z of [0, 1, 2]) expect(zs.filter((other) => other === z).length).toBeGreaterThanOrEqual(5);
    for (let i = 0; i < 30; i++) {
      const black = values(set.cut(i)).filter((value) => value === 0).length;
      expect(black).toBeLessThan(8);
      expect(set.cut(i).labels?.every((label) => Math.abs(label * 255 - 50 * zs[i]) < 1e-4)).toBe(true);
    }
    expect(PatchSet.draw(slices, 30, 4, true, new Random(1)).cut(7)).toEqual(set.cut(7));
  });

  it("have no labels where the images have none, and refuse what is black or empty", () => {
    const images = { width: 16, height: 8, em: slices.em };
    expect(PatchSet.draw(images, 1, 4, true, new Random(1)).cut(0).labels).toBeNull();
    const black = { width: 16, height: 8, em: [new Uint8Array(128)] };
    expect(() => PatchSet.draw(black, 1, 4, true, new Random(1))).toThrow(/black everywhere/);
    expect(() => PatchSet.draw({ ...black, em: [] }, 1, 4, true, new Random(1))).toThrow(/no slices/);
  });

  it("stream set after set, in another order each time, the same wherever one begins", () => {
    const [first, second] = PatchSet.draw(slices, 8, 4, true, new Random(2)).split(5);
    expect([first.count, second.count]).toEqual([5, 3]);
    const stream = () => new PatchStream([first, second], 9);
    const read = (from: number, count: number) => {
      const one = stream();
      return Array.from({ length: count }, (_, i) => values(one.at(from + i)).join());
    };
    const all = read(0, 16);
    const members = (set: PatchSet) => Array.from({ length: set.count }, (_, i) => values(set.cut(i)).join());
    const sorted = (list: string[]) => [...list].sort();
    expect(sorted(all.slice(0, 5))).toEqual(sorted(members(first)));
    expect(sorted(all.slice(5, 8))).toEqual(sorted(members(second)));
    expect(sorted(all.slice(8, 16))).toEqual(sorted(all.slice(0, 8)));
    expect(all.slice(8)).not.toEqual(all.slice(0, 8));
    expect(read(6, 10)).toEqual(all.slice(6));
  });
});

describe("coin flips between domains", () => {
  it("use every batch of a cycle once, in an order that depends on seed and step alone", () => {
    const turns = Array.from({ length: 30 }, (_, step) => new CoinFlips(4, 6, 3).at(step));
    for (const cycle of [0, 1, 2]) {
      const part = turns.slice(10 * cycle, 10 * cycle + 10);
      const indices = (labelled: boolean) =>
        part.filter((turn) => turn.labelled === labelled).map((t) => t.index);
      expect(indices(true)).toEqual([0, 1, 2, 3].map((i) => i + 4 * cycle));
      expect(indices(false)).toEqual([0, 1, 2, 3, 4, 5].map((i) => i + 6 * cycle));
    }
    const kinds = (seed: number) =>
      Array.from({ length: 30 }, (_, step) => new CoinFlips(4, 6, seed).at(step).labelled);
    expect(kinds(3)).not.toEqual(kinds(4));
  });

  it("are fair until one kind is used up", () => {
    const flips = new CoinFlips(900, 1800, 1);
    let labelled = 0;
    for (let step = 0; step < 1000; step++) if (flips.at(step).labelled) labelled++;
    // Binomial of 1000 coins: 500, standard deviation 15.8.
    expect(Math.abs(labelled - 500)).toBeLessThan(64);
    expect(Array.from({ length: 600 }, (_, i) => flips.at(2100 + i).labelled)).toEqual(
      Array(600).fill(false),
    );
  });
});

describe("batches of one domain", () => {
  const patch = (labelled: boolean) => ({
    em: Float32Array.from({ length: 64 }, (_, i) => (i + 1) / 64),
    labels: labelled ? Float32Array.from({ length: 64 }, (_, i) => (i % 8 < 4 ? 1 : 0)) : null,
    source: true,
  });

  it("turn EM and labels alike, and leave rotated labels soft", () => {
    const turned = assemble([patch(true)], 8, { ...plain, rotation: 180 }, undefined, new Random(3));
    expect(turned.labels?.some((label) => label > 0.01 && label < 0.99)).toBe(true);
    const flipped = assemble([patch(true)], 8, { ...plain, d4: true }, undefined, new Random(3));
    const bright = [...flipped.em].map((value) => ((Math.round(value * 64) - 1) % 8 < 4 ? 1 : 0));
    expect([...(flipped.labels as Float32Array)]).toEqual(bright);
  });

  it("match as often as told, and carry labels only where there are some", () => {
    const template = matchingTemplate(
      Float64Array.from({ length: 256 }, (_, i) => (i > 99 && i < 110 ? 1 : 0)),
    );
    const many = Array.from({ length: 400 }, () => patch(false));
    const { em, labels } = assemble(many, 8, plain, { template, probability: 0.5 }, new Random(4));
    expect(labels).toBeNull();
    const [raw, matched] = [patch(false).em, matchPatch(patch(false).em, template)];
    let count = 0;
    for (let n = 0; n < 400; n++) {
      const one = em.subarray(64 * n, 64 * n + 64);
      const isMatched = one.every((value, i) => value === matched[i]);
      expect(isMatched || one.every((value, i) => value === raw[i])).toBe(true);
      if (isMatched) count++;
    }
    // Binomial of 400 coins: 200, standard deviation 10.
    expect(Math.abs(count - 200)).toBeLessThan(40);
    const target = assemble(
      [{ ...patch(false), source: false }],
      8,
      plain,
      { template, probability: 1 },
      new Random(4),
    );
    expect([...target.em]).toEqual([...raw]);
  });
});
