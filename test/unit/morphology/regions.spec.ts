import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Region, solidity, visitRegions } from "../../../src/morphology/regions.js";
import { combineSummaries, summarise } from "../../../src/morphology/summary.js";
import { labelMask } from "../../../src/segmentation/label.js";
import type { Labelling } from "../../../src/segmentation/types.js";
import type { Vec3 } from "../../../src/volume/types.js";
import golden from "../../golden/shapes.json" with { type: "json" };

function regionsOf(labelling: Labelling, axis: 0 | 1 | 2): Region[] {
  const regions: Region[] = [];
  visitRegions(labelling, axis, (region) => regions.push(region));
  return regions;
}

/** The rows of a drawn shape as one label. */
function drawn(rows: readonly string[]): Labelling {
  const labels = Uint32Array.from(rows.join(""), (pixel) => (pixel === "#" ? 1 : 0));
  return { labels, count: 1, size: [rows[0].length, rows.length, 1] };
}

describe("regions of a slice", () => {
  it.each(golden.shapes)(`$name as ${golden.reference}`, (shape) => {
    const [region] = regionsOf(drawn(shape.rows), 2);
    expect(region.area).toBe(shape.area);
    expect(region.convexArea).toBe(shape.convexArea);
    expect(solidity(region)).toBe(shape.solidity);
    expect(region.eccentricity).toBeCloseTo(shape.eccentricity, 7);
  });

  it("do not depend on the axis across which the slices are taken", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 7 * 5 * 4, maxLength: 7 * 5 * 4 }), (noise) => {
        const size: Vec3 = [7, 5, 4];
        const mask = noise.map((value) => (value > 150 ? 1 : 0));
        const straight = labelMask(mask, size);
        for (const axis of [0, 1] as const) {
          // Move `axis` to the end, keeping the order of the two others; the same labels, so the same regions.
          const order = [0, 1, 2].filter((i) => i !== axis).concat(axis);
          const turned = order.map((i) => size[i]) as unknown as Vec3;
          const labels = new Uint32Array(mask.length);
          const at = [0, 0, 0];
          for (at[2] = 0; at[2] < 4; ++at[2]) {
            for (at[1] = 0; at[1] < 5; ++at[1]) {
              for (at[0] = 0; at[0] < 7; ++at[0]) {
                const [u, v, w] = order.map((i) => at[i]);
                labels[u + turned[0] * (v + turned[1] * w)] =
                  straight.labels[at[0] + 7 * (at[1] + 5 * at[2])];
              }
            }
          }
          const expected = regionsOf({ labels, count: straight.count, size: turned }, 2);
          expect(regionsOf(straight, axis)).toEqual(expected);
        }
      }),
    );
  });

  it("are always finite, and convex area is at least area", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 180, maxLength: 180 }), fc.nat(255), (noise, threshold) => {
        const labelling = labelMask(
          noise.map((value) => (value > threshold ? 1 : 0)),
          [12, 5, 3],
        );
        for (const region of regionsOf(labelling, 2)) {
          expect(region.convexArea).toBeGreaterThanOrEqual(region.area);
          expect(region.eccentricity).toBeGreaterThanOrEqual(0);
          expect(region.eccentricity).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("reject labels beyond the count and arrays that do not fit", () => {
    const labels = Uint32Array.of(1, 3);
    expect(() => regionsOf({ labels, count: 2, size: [2, 1, 1] }, 2)).toThrow("label 3 is not in 1..2");
    expect(() => regionsOf({ labels, count: 3, size: [3, 1, 1] }, 2)).toThrow("2 labels");
  });
});

describe("summarise", () => {
  it("averages the regions of more than 10 px only", () => {
    // 4 x 4 = 16 px, 10 px in a row, one pixel.
    const rows = [
      "####......",
      "####......",
      "####......",
      "####.....#",
      "..........",
      "##########",
      "..........",
    ];
    const labelling = labelMask(
      Uint8Array.from(rows.join(""), (c) => (c === "#" ? 1 : 0)),
      [10, 7, 1],
      6,
    );
    expect(labelling.count).toBe(3);
    const summary = summarise(labelling, { sliceAxis: 2 });
    expect(summary).toMatchObject({ objects: 3, regions: 1, solidity: 1, area: 16, ara: 16 / 70 });
    expect(summary.fraction).toBeCloseTo(27 / 70, 15);
    expect(summary.solidityHistogram).toEqual([...Array(19).fill(0), 1]);
  });

  it("is all zeros for an empty box", () => {
    for (const size of [
      [4, 4, 2],
      [0, 0, 0],
    ] as Vec3[]) {
      const empty = labelMask(new Uint8Array(size[0] * size[1] * size[2]), size);
      const summary = summarise(empty, { sliceAxis: 2 });
      const { solidityHistogram, ...numbers } = summary;
      expect(Object.values(numbers)).toEqual(Array(7).fill(0));
      expect(solidityHistogram).toEqual(Array(20).fill(0));
    }
  });

  it("of two boxes combines into the summary of both", () => {
    const mask = Uint8Array.from({ length: 40 * 30 * 4 }, (_, i) =>
      Math.sin(i / 7) + Math.cos(i / 91) > 0.4 ? 1 : 0,
    );
    const half = mask.length / 2;
    const parts = [mask.subarray(0, half), mask.subarray(half)].map((part) => ({
      summary: summarise(labelMask(part, [40, 30, 2]), { sliceAxis: 2 }),
      voxels: half,
    }));
    const regions = parts[0].summary.regions + parts[1].summary.regions;
    const both = combineSummaries(parts);
    expect(regions).toBeGreaterThan(4);
    expect(both.regions).toBe(regions);
    expect(both.fraction).toBeCloseTo(mask.reduce((a, b) => a + b, 0) / mask.length, 12);
    expect(both.solidityHistogram.reduce((a, b) => a + b, 0)).toBe(regions);
    const mean = parts.reduce((sum, { summary }) => sum + summary.solidity * summary.regions, 0) / regions;
    expect(both.solidity).toBeCloseTo(mean, 12);
    expect(combineSummaries([]).solidity).toBe(0);
  });
});
