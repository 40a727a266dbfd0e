import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { labelMask } from "../../../src/segmentation/label.js";
import type { Connectivity } from "../../../src/segmentation/types.js";
import { BoxTooLargeError } from "../../../src/segmentation/voxel_box.js";
import { Neighbours, watershed } from "../../../src/segmentation/watershed.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { asSize, operators, unpackMask } from "../../support/operator_shapes.js";

const scenes = fc
  .tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 5 }))
  .chain(([x, y, z]) => {
    const voxels = x * y * z;
    return fc.record({
      size: fc.constant([x, y, z] as Vec3),
      mask: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: voxels, maxLength: voxels }),
      landscape: fc.uint8Array({ minLength: voxels, maxLength: voxels, max: 12 }),
      seeds: fc.array(fc.tuple(fc.nat(voxels - 1), fc.integer({ min: 1, max: 4 })), { maxLength: 5 }),
      connectivity: fc.constantFrom<Connectivity[]>(6, 18, 26),
      from: fc.constantFrom<("low" | "high")[]>("low", "high"),
    });
  })
  .map((scene) => {
    const markers = new Uint32Array(scene.mask.length);
    for (const [at, label] of scene.seeds) markers[at] = label;
    return { ...scene, mask: Uint8Array.from(scene.mask, (value) => (value > 2 ? 1 : 0)), markers };
  });

/** The least that any path from the sources has as its highest value, by repeated relaxation. */
function floodLevels(
  size: Vec3,
  mask: Uint8Array,
  landscape: Uint8Array,
  sources: readonly number[],
  connectivity: Connectivity,
): Float64Array {
  const levels = new Float64Array(mask.length).fill(Infinity);
  for (const at of sources) if (mask[at]) levels[at] = landscape[at];
  const neighbours = new Neighbours(size, connectivity);
  for (let changed = true; changed; ) {
    changed = false;
    for (let at = 0; at < mask.length; ++at) {
      if (!mask[at]) continue;
      const count = neighbours.find(at);
      for (let i = 0; i < count; ++i) {
        const level = Math.max(levels[neighbours.found[i]], landscape[at]);
        if (level >= levels[at]) continue;
        levels[at] = level;
        changed = true;
      }
    }
  }
  return levels;
}

describe("watershed", () => {
  it(`agrees with ${operators.reference} voxel by voxel`, () => {
    for (const flood of operators.floods) {
      const size = asSize(flood.size);
      const mask = unpackMask(flood.mask, size);
      const markers = Uint32Array.from(flood.markers);
      for (const connectivity of [6, 18, 26] as const) {
        const expected = Uint32Array.from(flood.labels[`${connectivity}`]);
        const floats = Float32Array.from(flood.landscape);
        expect(watershed(mask, size, floats, markers, { connectivity })).toEqual(expected);
        const turned = floats.map((value) => -value);
        expect(watershed(mask, size, turned, markers, { connectivity, from: "high" })).toEqual(expected);
        if (!flood.ties) continue;
        expect(watershed(mask, size, Uint8Array.from(flood.landscape), markers, { connectivity })).toEqual(
          expected,
        );
      }
    }
  });

  it("gives bytes and floats the same parts, whatever the labels are called", () => {
    fc.assert(
      fc.property(scenes, ({ size, mask, landscape, markers, connectivity, from }) => {
        const options = { connectivity, from };
        const labels = watershed(mask, size, landscape, markers, options);
        expect(watershed(mask, size, Float32Array.from(landscape), markers, options)).toEqual(labels);
        const renamed = watershed(
          mask,
          size,
          landscape,
          markers.map((label) => (label === 0 ? 0 : 1000 - label)),
          options,
        );
        expect(renamed).toEqual(labels.map((label) => (label === 0 ? 0 : 1000 - label)));
      }),
      { numRuns: 200 },
    );
  });

  it("floods every voxel as low as can be, from a marker of its part", () => {
    fc.assert(
      fc.property(scenes, ({ size, mask, landscape, markers, connectivity }) => {
        const labels = watershed(mask, size, landscape, markers, { connectivity });
        const sources = [...markers.keys()].filter((at) => markers[at] !== 0 && mask[at] !== 0);
        const levels = floodLevels(size, mask, landscape, sources, connectivity);
        for (let at = 0; at < mask.length; ++at) {
          expect(labels[at] !== 0).toBe(levels[at] !== Infinity);
          if (markers[at] !== 0 && mask[at] !== 0) expect(labels[at]).toBe(markers[at]);
        }
        for (const label of new Set(sources.map((at) => markers[at]))) {
          const part = labels.map((value) => (value === label ? 1 : 0));
          const own = sources.filter((at) => markers[at] === label);
          const within = floodLevels(size, Uint8Array.from(part), landscape, own, connectivity);
          for (let at = 0; at < mask.length; ++at) if (part[at]) expect(within[at]).toBe(levels[at]);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("cuts where the probability is lowest between two markers", () => {
    const probability = Uint8Array.of(250, 240, 230, 90, 200, 220, 255, 255);
    const markers = Uint32Array.of(1, 0, 0, 0, 0, 0, 0, 2);
    const mask = new Uint8Array(8).fill(1);
    const labels = watershed(mask, [8, 1, 1], probability, markers, { from: "high" });
    expect([...labels]).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    expect(labelMask(Uint8Array.from(labels), [8, 1, 1]).count).toBe(1);
  });

  it("keeps to the mask, and leaves what no marker reaches", () => {
    const mask = Uint8Array.of(1, 1, 0, 1, 1);
    const labels = watershed(mask, [5, 1, 1], new Uint8Array(5), Uint32Array.of(7, 0, 9, 0, 0));
    expect([...labels]).toEqual([7, 7, 0, 0, 0]);
  });

  it("refuses what makes no sense", () => {
    const mask = new Uint8Array(2).fill(1);
    const markers = Uint32Array.of(1, 0);
    const nan = Float32Array.of(0, Number.NaN);
    expect(() => watershed(mask, [2, 1, 1], nan, markers)).toThrow("not a number");
    expect(() => watershed(mask, [3, 1, 1], nan, markers)).toThrow(RangeError);
    const connectivity = 8 as unknown as Connectivity;
    expect(() => watershed(mask, [2, 1, 1], mask, markers, { connectivity })).toThrow("6, 18 or 26");
    const huge = { length: 2 ** 27 };
    expect(() =>
      watershed(huge as Uint8Array, [2 ** 27, 1, 1], huge as Uint8Array, huge as Uint32Array),
    ).toThrow(BoxTooLargeError);
  });
});
