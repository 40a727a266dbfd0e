import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  matchObjects,
  matchScore,
  mergeMatches,
  overlapTable,
  overlapTableOfRuns,
} from "../../../src/evaluation/matching.js";
import type { Labelling, LabelRuns } from "../../../src/segmentation/types.js";

function labelling(rows: number[][]): Labelling {
  const labels = Uint32Array.from(rows.flat());
  return { labels, count: Math.max(0, ...labels), size: [rows[0].length, rows.length, 1] };
}

/** Runs of a labelling, the plain way. */
function runsOf({ labels, count, size }: Labelling): LabelRuns {
  const rows = [0];
  const starts: number[] = [];
  const ends: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < size[1] * size[2]; row++) {
    for (let x = 0; x < size[0]; x++) {
      const label = labels[row * size[0] + x];
      if (label === 0) continue;
      if (x > 0 && labels[row * size[0] + x - 1] === label) ends[ends.length - 1] = x + 1;
      else {
        starts.push(x);
        ends.push(x + 1);
        values.push(label);
      }
    }
    rows.push(starts.length);
  }
  return {
    size,
    count,
    rows: Uint32Array.from(rows),
    starts: Uint16Array.from(starts),
    ends: Uint16Array.from(ends),
    labels: Uint32Array.from(values),
  };
}

describe("matching of objects", () => {
  const a = labelling([
    [1, 1, 1, 1, 0, 2, 2],
    [0, 0, 0, 0, 0, 2, 2],
    [3, 0, 0, 0, 0, 0, 0],
  ]);
  const b = labelling([
    [1, 1, 1, 0, 0, 2, 2],
    [0, 0, 0, 0, 0, 2, 0],
    [0, 0, 4, 0, 0, 3, 0],
  ]);

  it("tables what objects share", () => {
    const { sizesA, sizesB, overlaps } = overlapTable(a, b);
    expect([...sizesA]).toEqual([0, 4, 4, 1]);
    expect([...sizesB]).toEqual([0, 3, 3, 1, 1]);
    expect(overlaps).toEqual([
      { a: 1, b: 1, voxels: 3 },
      { a: 2, b: 2, voxels: 3 },
    ]);
  });

  it("pairs one to one from the threshold on, inclusive", () => {
    const table = overlapTable(a, b);
    expect(matchObjects(table, 0.75)).toEqual({ truePositive: 2, falsePositive: 1, falseNegative: 2 });
    expect(matchObjects(table, 0.76)).toEqual({ truePositive: 0, falsePositive: 3, falseNegative: 4 });
    expect(matchScore(matchObjects(table, 0.5))).toEqual({
      iou: 2 / 5,
      precision: 2 / 3,
      recall: 2 / 4,
      f1: 4 / 7,
    });
  });

  it("gives one of two halves the partner that both reach half of", () => {
    const halves = labelling([[1, 1, 2, 2]]);
    const whole = labelling([[1, 1, 1, 1]]);
    expect(matchObjects(overlapTable(halves, whole), 0.5)).toEqual({
      truePositive: 1,
      falsePositive: 1,
      falseNegative: 0,
    });
  });

  it("scores two empty labellings 1, and one against an empty one 0", () => {
    const empty = labelling([[0, 0]]);
    expect(matchScore(matchObjects(overlapTable(empty, empty), 0.5)).f1).toBe(1);
    expect(matchScore(matchObjects(overlapTable(labelling([[1, 0]]), empty), 0.5)).f1).toBe(0);
  });

  it("adds up over boxes", () => {
    const part = matchObjects(overlapTable(a, b), 0.5);
    expect(mergeMatches([part, part])).toEqual({ truePositive: 4, falsePositive: 2, falseNegative: 4 });
    expect(mergeMatches([])).toEqual({ truePositive: 0, falsePositive: 0, falseNegative: 0 });
  });

  it("is the same from runs as from labels, and the most pairs that there can be", () => {
    const cells = fc.array(fc.nat(3), { minLength: 24, maxLength: 24 });
    const make = (values: number[]): Labelling => ({
      labels: Uint32Array.from(values),
      count: 3,
      size: [4, 3, 2],
    });
    const sorted = (table: ReturnType<typeof overlapTable>) =>
      [...table.overlaps].sort((p, q) => p.a - q.a || p.b - q.b);
    fc.assert(
      fc.property(cells, cells, (p, q) => {
        const one = overlapTable(make(p), make(q));
        const other = overlapTableOfRuns(runsOf(make(p)), runsOf(make(q)));
        expect(other.sizesA).toEqual(one.sizesA);
        expect(other.sizesB).toEqual(one.sizesB);
        expect(sorted(other)).toEqual(sorted(one));
        expect(matchObjects(one, 0.5).truePositive).toBe(mostPairs(one, 0.5));
      }),
      { numRuns: 300 },
    );
  });

  it("refuses other boxes, labels and thresholds", () => {
    expect(() => overlapTable(a, labelling([[1]]))).toThrow("7 x 3 x 1 and 1 x 1 x 1");
    expect(() => overlapTable({ ...a, count: 2 }, b)).toThrow("label 3 is not in 1..2");
    expect(() => matchObjects(overlapTable(a, b), 0.4)).toThrow("0.5 to 1");
  });
});

/** By trying all assignments. */
function mostPairs({ sizesA, sizesB, overlaps }: ReturnType<typeof overlapTable>, threshold: number): number {
  const good = overlaps.filter(({ a, b, voxels }) => voxels / (sizesA[a] + sizesB[b] - voxels) >= threshold);
  const best = (from: number, usedA: ReadonlySet<number>, usedB: ReadonlySet<number>): number => {
    if (from === good.length) return 0;
    const { a, b } = good[from];
    const without = best(from + 1, usedA, usedB);
    if (usedA.has(a) || usedB.has(b)) return without;
    return Math.max(without, 1 + best(from + 1, new Set([...usedA, a]), new Set([...usedB, b])));
  };
  return best(0, new Set(), new Set());
}
