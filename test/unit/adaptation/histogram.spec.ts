import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  matchImage,
  matchingTable,
  matchingTemplate,
  matchPatch,
} from "../../../src/adaptation/histogram.js";
import { Random } from "../../../src/network/random.js";
import { histogramOf } from "../../../src/training/source_statistics.js";

/** From numpy: test/golden/adaptation/histogram.py. */
const golden = JSON.parse(
  readFileSync(new URL("../../golden/adaptation/histogram.json", import.meta.url), "utf8"),
) as {
  templates: Record<string, number[]>;
  images: Record<string, number[]>;
  matched: Record<string, Record<string, number[]>>;
};

describe("histogram matching", () => {
  const cases = Object.keys(golden.templates).flatMap((t) => Object.keys(golden.images).map((i) => [t, i]));
  it.each(cases)("equals numpy's: template %s, image %s", (t, name) => {
    const template = matchingTemplate(histogramOf([Uint8Array.from(golden.templates[t])]));
    const image = Uint8Array.from(golden.images[name]);
    const table = matchingTable(histogramOf([image]), template);
    const expected = golden.matched[t][name];
    for (let i = 0; i < image.length; i++) expect(table[image[i]]).toBeCloseTo(expected[i], 4);
    expect([...matchImage(image, template)]).toEqual([...image].map((value) => Math.round(table[value])));
  });

  it("gives an image the template's histogram, and leaves one that has it alone", () => {
    const random = new Random(3);
    const bell = (mean: number, sd: number) =>
      Uint8Array.from({ length: 20000 }, () =>
        Math.min(250, Math.max(1, Math.round(mean + sd * random.normal()))),
      );
    const target = bell(90, 20);
    const template = matchingTemplate(histogramOf([target]));
    const matched = matchImage(bell(150, 25), template);
    const mean = (image: Uint8Array) => image.reduce((a, b) => a + b, 0) / image.length;
    expect(Math.abs(mean(matched) - mean(target))).toBeLessThan(1);
    const same = matchImage(target, template);
    // But for the tails: numpy takes the upper end of a gap in the template.
    const kept = same.filter((value, i) => Math.abs(value - target[i]) <= 1).length;
    expect(kept / same.length).toBeGreaterThan(0.99);
  });

  it("is monotone and gives the same table for counts and for fractions", () => {
    const counts = histogramOf([Uint8Array.from(golden.templates.bell)]);
    const template = matchingTemplate(counts);
    const fractions = matchingTemplate([...counts].map((count) => count / 820));
    const image = histogramOf([Uint8Array.from(golden.images["bright, no zeros"])]);
    const table = matchingTable(image, template);
    for (let value = 1; value < 256; value++) expect(table[value]).toBeGreaterThanOrEqual(table[value - 1]);
    matchingTable(image, fractions).forEach((value, i) => {
      expect(value).toBeCloseTo(table[i], 3);
    });
  });

  it("matches patches of 0..1 as the images they were cut from", () => {
    const image = Uint8Array.from(golden.images["bright, no zeros"]);
    const template = matchingTemplate(histogramOf([Uint8Array.from(golden.templates.bell)]));
    const table = matchingTable(histogramOf([image]), template);
    const patch = matchPatch(
      Float32Array.from(image, (value) => value / 255),
      template,
    );
    patch.forEach((value, i) => {
      expect(value).toBeCloseTo(table[image[i]] / 255, 6);
    });
  });

  it("refuses histograms that are none", () => {
    expect(() => matchingTemplate([1, 2])).toThrow(/256 counts/);
    expect(() => matchingTemplate(new Float64Array(256).fill(Number.NaN))).toThrow(/256 counts/);
    expect(() => matchingTemplate(histogramOf([new Uint8Array(9)]))).toThrow(/black/);
  });
});
