import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { labelMask, labelRuns, thresholdByte } from "../../../src/segmentation/label.js";
import { paintRuns } from "../../../src/segmentation/label_runs.js";
import { RunLabeller } from "../../../src/segmentation/runs.js";
import type { Connectivity, LabelRuns } from "../../../src/segmentation/types.js";
import type { Vec3 } from "../../../src/volume/types.js";
import golden from "../../golden/shapes.json" with { type: "json" };

/** Labels in scan order by a flood fill: slow, and too simple to be wrong. */
function floodFill(mask: Uint8Array, [sx, sy, sz]: Vec3, connectivity: Connectivity, minimumVoxels: number) {
  const labels = new Uint32Array(mask.length);
  const most = { 6: 1, 18: 2, 26: 3 }[connectivity];
  let count = 0;
  const seen = new Uint8Array(mask.length);
  for (let seed = 0; seed < mask.length; ++seed) {
    if (mask[seed] === 0 || seen[seed]) continue;
    const members = [seed];
    seen[seed] = 1;
    for (const at of members) {
      const x = at % sx;
      const y = Math.floor(at / sx) % sy;
      const z = Math.floor(at / (sx * sy));
      for (let dz = -1; dz <= 1; ++dz) {
        for (let dy = -1; dy <= 1; ++dy) {
          for (let dx = -1; dx <= 1; ++dx) {
            if (Math.abs(dx) + Math.abs(dy) + Math.abs(dz) > most) continue;
            const [u, v, w] = [x + dx, y + dy, z + dz];
            if (u < 0 || v < 0 || w < 0 || u >= sx || v >= sy || w >= sz) continue;
            const next = u + sx * (v + sy * w);
            if (mask[next] === 0 || seen[next]) continue;
            seen[next] = 1;
            members.push(next);
          }
        }
      }
    }
    if (members.length < minimumVoxels) continue;
    ++count;
    for (const at of members) labels[at] = count;
  }
  return { labels, count };
}

const boxes = fc
  .tuple(fc.integer({ min: 1, max: 13 }), fc.integer({ min: 1, max: 11 }), fc.integer({ min: 1, max: 6 }))
  .chain(([x, y, z]) =>
    fc.record({
      size: fc.constant([x, y, z] as Vec3),
      probability: fc.uint8Array({ minLength: x * y * z, maxLength: x * y * z }),
    }),
  );

function painted(runs: LabelRuns) {
  const labels = new Uint32Array(runs.size[0] * runs.size[1] * runs.size[2]);
  paintRuns(runs, labels);
  return { labels, count: runs.count };
}

describe("labelRuns and labelMask", () => {
  it.each([6, 18, 26] as const)("agrees with a flood fill, connectivity %i", (connectivity) => {
    fc.assert(
      fc.property(boxes, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(9), (box, threshold, minimum) => {
        const mask = box.probability.map((value) => (value / 255 >= threshold ? 1 : 0));
        const found = painted(
          labelRuns(box.probability, box.size, thresholdByte(threshold), connectivity, minimum),
        );
        expect(labelMask(mask, box.size, connectivity).labels).toEqual(
          floodFill(mask, box.size, connectivity, 0).labels,
        );
        const expected = floodFill(mask, box.size, connectivity, minimum);
        expect(found.count).toBe(expected.count);
        expect(found.labels).toEqual(expected.labels);
      }),
      { numRuns: 300 },
    );
  });

  it(`agrees with ${golden.reference}`, () => {
    for (const { size, mask, counts, labels } of golden.volumes) {
      const voxels = Uint8Array.from(mask, Number);
      for (const connectivity of [6, 18, 26] as const) {
        expect(labelMask(voxels, size as unknown as Vec3, connectivity).count).toBe(
          counts[`${connectivity}`],
        );
      }
      expect([...labelMask(voxels, size as unknown as Vec3).labels]).toEqual(labels);
    }
  });

  it("keeps nothing of the call before, whatever its size", () => {
    const noise = Uint8Array.from({ length: 64 * 64 * 8 }, (_, i) => (i * 2654435761) >>> 24);
    labelRuns(noise, [64, 64, 8], 128, 26);
    const small = labelMask(Uint8Array.of(255, 0, 255), [3, 1, 1]);
    expect(small).toEqual({ labels: Uint32Array.of(1, 0, 2), count: 2, size: [3, 1, 1] });
    expect(labelRuns(new Uint8Array(0), [0, 5, 5], 128, 26).count).toBe(0);
  });

  it("rejects what makes no sense", () => {
    expect(() => labelRuns(new Uint8Array(7), [2, 2, 2], 128, 26)).toThrow("7 voxels");
    expect(() => labelRuns(new Uint8Array(8), [2, 2, 2], 128, 8 as 6)).toThrow("6, 18 or 26");
    expect(() => labelRuns(new Uint8Array(8), [2, 2, 2], 128, 26, Number.NaN)).toThrow("not a number");
    expect(() => thresholdByte(Number.NaN)).toThrow("not a number");
    expect(() => new RunLabeller().begin(-1, 2, 6)).toThrow(RangeError);
  });
});

describe("thresholdByte", () => {
  it("is the smallest byte whose quotient reaches the threshold", () => {
    for (let k = 0; k <= 255; ++k) expect(thresholdByte(k / 255)).toBe(k);
    expect(thresholdByte(0.5)).toBe(128);
    expect(thresholdByte(1.01)).toBe(256);
    expect(thresholdByte(-1)).toBe(0);
  });
});
