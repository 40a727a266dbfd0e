import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { growFromSeed } from "../../../src/proofreading/grow_from_seed.js";
import {
  fillShape,
  growShape,
  type ShapeInBox,
  shrinkShape,
  smoothShape,
} from "../../../src/proofreading/shape_edits.js";
import { splitObject } from "../../../src/proofreading/split_object.js";
import {
  componentAt,
  fromMask,
  fromPlaced,
  hasVoxel,
  maskOf,
  sameSet,
  subtract,
  toPlaced,
  union,
} from "../../../src/proofreading/voxel_set.js";
import { BoxTooLargeError } from "../../../src/segmentation/voxel_box.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";
import { blobVolume } from "./scene.js";

const SIZE: Vec3 = [6, 5, 4];
const BOX: Box = { lower: [-3, 10, 100], upper: [3, 15, 104] };
const VOXELS = 120;
const masks = fc
  .array(fc.constantFrom(0, 1), { minLength: VOXELS, maxLength: VOXELS })
  .map((bits) => Uint8Array.from(bits));
const axesOf = fc.constantFrom<ShapeInBox["axes"]>([0, 1, 2], [0, 1], [0, 2], [1, 2]);
const sections = fc.option(fc.record({ axis: fc.constantFrom<0 | 1 | 2>(0, 1, 2), at: fc.nat(3) }), {
  nil: undefined,
});
/** A mask, what others have of the rest, and how it may change. */
const shapes = fc.tuple(masks, masks, axesOf, sections).map(([mask, others, axes, only]) => ({
  size: SIZE,
  mask,
  blocked: others.map((b, i) => b & (1 - mask[i])),
  axes,
  only,
}));

const index = ([x, y, z]: Vec3) => x + SIZE[0] * (y + SIZE[1] * z);
function* voxelsOf(): Generator<Vec3> {
  for (let z = 0; z < SIZE[2]; ++z)
    for (let y = 0; y < SIZE[1]; ++y) for (let x = 0; x < SIZE[0]; ++x) yield [x, y, z];
}
const inBox = (voxel: Vec3) => voxel.every((at, i) => at >= 0 && at < SIZE[i]);
const faces = (voxel: Vec3, axes: readonly number[]): Vec3[] =>
  axes
    .flatMap((axis) =>
      [-1, 1].map((by) => voxel.map((at, i) => (i === axis ? at + by : at)) as unknown as Vec3),
    )
    .filter(inBox);
/** The definition, voxel by voxel; `rule` gives the new value of a voxel. */
function slowly({ mask, blocked, only }: ShapeInBox, rule: (voxel: Vec3, at: number) => boolean): Uint8Array {
  const out = Uint8Array.from(mask);
  for (const voxel of voxelsOf()) {
    const at = index(voxel);
    if (blocked[at] !== 0 || (only !== undefined && voxel[only.axis] !== only.at)) continue;
    out[at] = rule(voxel, at) ? 1 : 0;
  }
  return out;
}

describe("changes of shape, against their definitions", () => {
  it("grow by face neighbours, not into others, not in other sections", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const once = slowly(
          shape,
          (voxel, at) =>
            shape.mask[at] === 1 || faces(voxel, shape.axes).some((n) => shape.mask[index(n)] === 1),
        );
        expect(growShape(shape, 1)).toEqual(once);
        expect(growShape(shape, 2)).toEqual(growShape({ ...shape, mask: once }, 1));
      }),
    );
  });

  it("shrink by what has background beside it, not from the border", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        expect(shrinkShape(shape, 1)).toEqual(
          slowly(
            shape,
            (voxel, at) =>
              shape.mask[at] === 1 && faces(voxel, shape.axes).every((n) => shape.mask[index(n)] === 1),
          ),
        );
      }),
    );
  });

  it("smooth by the majority", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        expect(smoothShape(shape, 1)).toEqual(
          slowly(shape, (voxel, at) => {
            const near = [...voxelsOf()].filter((other) =>
              other.every((c, i) => Math.abs(c - voxel[i]) <= (shape.axes.includes(i as 0 | 1 | 2) ? 1 : 0)),
            );
            const set = near.reduce((sum, other) => sum + shape.mask[index(other)], 0);
            return 2 * set === near.length ? shape.mask[at] === 1 : 2 * set > near.length;
          }),
        );
      }),
      { numRuns: 40 },
    );
  });

  it("fill a hole in 3-D, or in sections only, and not what another object has of it", () => {
    const size: Vec3 = [5, 5, 5];
    const at = (x: number, y: number, z: number) => x + 5 * (y + 5 * z);
    const mask = new Uint8Array(125);
    for (let z = 1; z < 4; ++z) for (let y = 1; y < 4; ++y) for (let x = 1; x < 4; ++x) mask[at(x, y, z)] = 1;
    mask[at(2, 2, 2)] = 0;
    const shape: ShapeInBox = { size, mask, blocked: new Uint8Array(125), axes: [0, 1, 2] };
    expect(fillShape(shape)[at(2, 2, 2)]).toBe(1);
    const open = Uint8Array.from(mask);
    open[at(2, 2, 1)] = 0;
    expect(fillShape({ ...shape, mask: open })).toEqual(open);
    expect(fillShape({ ...shape, mask: open, axes: [0, 1] })[at(2, 2, 2)]).toBe(1);
    const blocked = new Uint8Array(125);
    blocked[at(2, 2, 2)] = 1;
    expect(fillShape({ ...shape, blocked })).toEqual(mask);
  });
});

describe("growFromSeed", () => {
  const size: Vec3 = [30, 14, 14];
  const probability = blobVolume(size, [
    { centre: [7, 7, 7], radius: 4, peak: 0.6 },
    { centre: [20, 7, 7], radius: 5 },
  ]);
  const region = (change: Partial<Parameters<typeof growFromSeed>[0]> = {}) =>
    growFromSeed({
      size,
      probability,
      blocked: new Uint8Array(probability.length),
      seed: [7, 7, 7],
      threshold: 0.3,
      radius: [30, 30, 30],
      connectivity: 26,
      ...change,
    });
  const sum = (mask: Uint8Array) => mask.reduce((a, b) => a + b, 0);

  it("takes the blob around the seed and no other, more at a lower threshold", () => {
    const found = region();
    expect(found[20 + 30 * (7 + 14 * 7)]).toBe(0);
    expect(sum(found)).toBeGreaterThan(100);
    expect(sum(region({ threshold: 0.2 }))).toBeGreaterThan(sum(found));
    expect(sum(region({ threshold: 0.7 }))).toBe(0);
  });

  it("stays in the ellipsoid where it would bleed, and out of other objects", () => {
    const bleeding = region({ threshold: 0, radius: [3, 2, 1] });
    expect(fromMask(bleeding, { lower: [0, 0, 0], upper: size }).box).toEqual({
      lower: [4, 5, 6],
      upper: [11, 10, 9],
    });
    const blocked = Uint8Array.from(probability, (_, i) => (i % 30 > 7 ? 1 : 0));
    const halved = region({ blocked });
    expect(halved.some((value, i) => value === 1 && blocked[i] === 1)).toBe(false);
    expect(sum(halved)).toBeLessThan(sum(region()));
    expect(sum(region({ blocked: blocked.fill(1) }))).toBe(0);
  });
});

describe("splitObject", () => {
  it("puts every voxel in one part, each with its markers", () => {
    const size: Vec3 = [30, 14, 14];
    const probability = blobVolume(size, [
      { centre: [8, 7, 7], radius: 5 },
      { centre: [17, 7, 7], radius: 5 },
    ]);
    const mask = Uint8Array.from(probability, (value) => (value >= 128 ? 1 : 0));
    // A crumb that no marker reaches, nearer to the second.
    mask[29 + 30 * (7 + 14 * 7)] = 1;
    for (const landscape of [probability, undefined]) {
      const markers: Vec3[][] = [
        [[8, 7, 7]],
        [
          [17, 7, 7],
          [18, 7, 7],
        ],
      ];
      const labels = splitObject({
        size,
        mask,
        probability: landscape,
        markers,
        connectivity: 26,
        voxelSize: [8, 8, 8],
      });
      expect(Uint8Array.from(labels, (label) => Math.min(label, 1))).toEqual(mask);
      const count = (part: number) => labels.filter((label) => label === part).length;
      expect(Math.abs(count(1) + 1 - count(2)) / count(1)).toBeLessThan(0.06);
      expect(labels[29 + 30 * (7 + 14 * 7)]).toBe(2);
      expect(labels[8 + 30 * (7 + 14 * 7)]).toBe(1);
    }
  });
});

describe("sets of voxels", () => {
  it("are what masks are", () => {
    fc.assert(
      fc.property(masks, masks, (a, b) => {
        const [setA, setB] = [fromMask(a, BOX), fromMask(b, BOX)];
        expect(maskOf(setA, BOX)).toEqual(a);
        expect(setA.count).toBe(a.reduce((sum, bit) => sum + bit, 0));
        expect(maskOf(union([setA, setB]), BOX)).toEqual(a.map((bit, i) => bit | b[i]));
        expect(maskOf(subtract(setA, setB), BOX)).toEqual(a.map((bit, i) => bit & (1 - b[i])));
        expect(sameSet(fromPlaced(toPlaced(setA)), setA)).toBe(true);
        let at = 0;
        for (let z = 100; z < 104; ++z)
          for (let y = 10; y < 15; ++y)
            for (let x = -3; x < 3; ++x) expect(hasVoxel(setA, [x, y, z])).toBe(a[at++] === 1);
      }),
    );
  });

  it("keep what hangs together with a voxel", () => {
    const mask = Uint8Array.from({ length: VOXELS }, (_, i) => (i % 6 === 0 || i % 6 === 2 ? 1 : 0));
    const set = fromMask(mask, BOX);
    expect(componentAt(set, [-3, 12, 101], 26).count).toBe(20);
    expect(componentAt(set, [-2, 12, 101], 26).count).toBe(0);
  });

  it("wider than runs can be are given in pieces, and refused as an array", () => {
    const wide = union([
      fromMask([1], { lower: [0, 0, 0], upper: [1, 1, 1] }),
      fromMask([1], { lower: [200_000, 1000, 1000], upper: [200_001, 1001, 1001] }),
    ]);
    expect(sameSet(fromPlaced(toPlaced(wide)), wide)).toBe(true);
    expect(() => maskOf(wide, wide.box)).toThrow(BoxTooLargeError);
  });
});
