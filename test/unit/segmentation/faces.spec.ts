import { describe, expect, it } from "vitest";
import {
  directionsOf,
  markTouches,
  offsetOf,
  opposite,
  takeSides,
  touchingLabels,
} from "../../../src/segmentation/faces.js";
import type { LabelRuns } from "../../../src/segmentation/types.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { generator } from "./random.js";

const LABELS = 5;

/** Runs of any labels, also of different ones side by side, as a watershed leaves them. */
function runsOf(labels: Uint32Array, size: Vec3): LabelRuns {
  const rows = [0];
  const runs: number[][] = [];
  for (let row = 0; row < size[1] * size[2]; ++row) {
    for (let x = 0; x < size[0]; ++x) {
      const label = labels[row * size[0] + x];
      if (label === 0) continue;
      const last = runs.at(-1);
      if (runs.length > rows[row] && last![1] === x && last![2] === label) last![1] = x + 1;
      else runs.push([x, x + 1, label]);
    }
    rows.push(runs.length);
  }
  return {
    size,
    count: LABELS,
    rows: Uint32Array.from(rows),
    starts: Uint16Array.from(runs, ([start]) => start),
    ends: Uint16Array.from(runs, ([, end]) => end),
    labels: Uint32Array.from(runs, ([, , label]) => label),
  };
}

describe("sides of chunks", () => {
  it.each([6, 18, 26] as const)("touch as their voxels do, connectivity %i", (connectivity) => {
    const random = generator(connectivity);
    const most = { 6: 1, 18: 2, 26: 3 }[connectivity];
    const directions = directionsOf(connectivity);
    for (let round = 0; round < 600; ++round) {
      const direction = random.pick(directions);
      const offset = offsetOf(direction);
      const sizeA: Vec3 = [1 + random.below(6), 1 + random.below(6), 1 + random.below(6)];
      // Neighbours are of one extent along the axes that they share.
      const sizeB = sizeA.map((extent, i) =>
        offset[i] === 0 ? extent : 1 + random.below(6),
      ) as unknown as Vec3;
      const density = 0.2 + 0.8 * random.next();
      const fill = (size: Vec3) =>
        Uint32Array.from({ length: size[0] * size[1] * size[2] }, () =>
          random.next() < density ? 1 + random.below(LABELS) : 0,
        );
      const [a, b] = [fill(sizeA), fill(sizeB)];
      const shift = offset.map((o, i) => (o > 0 ? sizeA[i] : o < 0 ? -sizeB[i] : 0));
      const pairs = new Set<number>();
      const touches = new Uint32Array(LABELS + 1);
      for (let i = 0; i < a.length; ++i) {
        const at = [i % sizeA[0], Math.floor(i / sizeA[0]) % sizeA[1], Math.floor(i / (sizeA[0] * sizeA[1]))];
        const atSide = at.every(
          (v, axis) => offset[axis] === 0 || v === (offset[axis] > 0 ? sizeA[axis] - 1 : 0),
        );
        if (atSide) touches[a[i]] |= 1 << direction;
        for (let j = 0; j < b.length; ++j) {
          const other = [
            j % sizeB[0],
            Math.floor(j / sizeB[0]) % sizeB[1],
            Math.floor(j / (sizeB[0] * sizeB[1])),
          ];
          const apart = other.map((v, axis) => Math.abs(v + shift[axis] - at[axis]));
          if (Math.max(...apart) > 1 || apart.reduce((sum, d) => sum + d) > most) continue;
          if (a[i] > 0 && b[j] > 0) pairs.add(a[i] * 100 + b[j]);
        }
      }
      touches[0] = 0;
      const sidesA = takeSides(runsOf(a, sizeA), directions);
      const sidesB = takeSides(runsOf(b, sizeB), directions);
      const found = touchingLabels(sidesA, sidesB, direction, connectivity);
      const keys = Array.from({ length: found.length / 2 }, (_, i) => found[2 * i] * 100 + found[2 * i + 1]);
      expect(keys).toEqual([...pairs].sort((p, q) => p - q));
      const back = touchingLabels(sidesB, sidesA, opposite(direction), connectivity);
      expect(back.length).toBe(found.length);
      const marked = new Uint32Array(LABELS + 1);
      markTouches(sidesA, [direction], marked);
      expect(marked).toEqual(touches);
    }
  });
});
