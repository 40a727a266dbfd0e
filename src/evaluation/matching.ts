import type { Labelling, LabelRuns } from "../segmentation/types.js";
import { type OverlapScore, overlapScore } from "./agreement.js";

/** IoU from which on two objects match, where the field reports: F1@50 and F1@75. */
export const MATCH_THRESHOLDS = [0.5, 0.75] as const;

/** Voxels that objects of two labellings of the same box share. Labels are from 1; entry 0 of the sizes is 0. */
export interface OverlapTable {
  readonly sizesA: Float64Array;
  readonly sizesB: Float64Array;
  /** Pairs that share voxels. */
  readonly overlaps: readonly { readonly a: number; readonly b: number; readonly voxels: number }[];
}

class TableBuilder {
  private readonly sizesA: Float64Array;
  private readonly sizesB: Float64Array;
  private readonly shared = new Map<number, number>();

  constructor(
    private readonly countA: number,
    private readonly countB: number,
  ) {
    this.sizesA = new Float64Array(countA + 1);
    this.sizesB = new Float64Array(countB + 1);
  }

  addA(label: number, voxels: number): void {
    this.check(label, this.countA);
    this.sizesA[label] += voxels;
  }

  addB(label: number, voxels: number): void {
    this.check(label, this.countB);
    this.sizesB[label] += voxels;
  }

  addBoth(a: number, b: number, voxels: number): void {
    // Below 2^53 for any two labellings of one box that fit in memory.
    const key = a * (this.countB + 1) + b;
    this.shared.set(key, (this.shared.get(key) ?? 0) + voxels);
  }

  result(): OverlapTable {
    const { sizesA, sizesB, countB } = this;
    const overlaps = [...this.shared].map(([key, voxels]) => ({
      a: Math.floor(key / (countB + 1)),
      b: key % (countB + 1),
      voxels,
    }));
    return { sizesA, sizesB, overlaps };
  }

  private check(label: number, count: number): void {
    if (!(label >= 1 && label <= count)) throw new RangeError(`label ${label} is not in 1..${count}`);
  }
}

/** @throws RangeError when the boxes differ or a label is out of range. */
export function overlapTable(a: Labelling, b: Labelling): OverlapTable {
  checkSizes(a, b);
  const table = new TableBuilder(a.count, b.count);
  const { length } = a.labels;
  // Runs of one pair of labels at a time: a look-up for each run, not for each voxel.
  for (let i = 0; i < length; ) {
    const labelA = a.labels[i];
    const labelB = b.labels[i];
    const start = i;
    do i++;
    while (i < length && a.labels[i] === labelA && b.labels[i] === labelB);
    if (labelA !== 0) table.addA(labelA, i - start);
    if (labelB !== 0) table.addB(labelB, i - start);
    if (labelA !== 0 && labelB !== 0) table.addBoth(labelA, labelB, i - start);
  }
  return table.result();
}

/** The same from runs. @throws RangeError as above. */
export function overlapTableOfRuns(a: LabelRuns, b: LabelRuns): OverlapTable {
  checkSizes(a, b);
  const table = new TableBuilder(a.count, b.count);
  for (let i = 0; i < a.labels.length; i++) table.addA(a.labels[i], a.ends[i] - a.starts[i]);
  for (let i = 0; i < b.labels.length; i++) table.addB(b.labels[i], b.ends[i] - b.starts[i]);
  for (let row = 0; row + 1 < a.rows.length; row++) {
    let i = a.rows[row];
    let j = b.rows[row];
    while (i < a.rows[row + 1] && j < b.rows[row + 1]) {
      const shared = Math.min(a.ends[i], b.ends[j]) - Math.max(a.starts[i], b.starts[j]);
      if (shared > 0) table.addBoth(a.labels[i], b.labels[j], shared);
      if (a.ends[i] < b.ends[j]) i++;
      else j++;
    }
  }
  return table.result();
}

function checkSizes(a: { readonly size: readonly number[] }, b: { readonly size: readonly number[] }): void {
  if (a.size.some((extent, axis) => extent !== b.size[axis]))
    throw new RangeError(`boxes of ${a.size.join(" x ")} and ${b.size.join(" x ")} cannot be compared`);
}

/** Objects of A (predicted) that have a partner in B (truth), that have none, and objects of B that have none. They add up over boxes. */
export interface MatchCounts {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly falseNegative: number;
}

/**
 * Pairs objects one to one: each takes part in at most one pair, of IoU >= threshold, best pairs first (ties: smaller labels). From a
 * threshold of 0.5 on that is the largest possible number of pairs: two objects can both reach 0.5 with a third only by being its two
 * halves. An object without a partner counts as one false positive (of A) or one false negative (of B).
 * @throws RangeError for a threshold that is not in 0.5..1: below, greedy pairs need not be the most.
 */
export function matchObjects({ sizesA, sizesB, overlaps }: OverlapTable, threshold: number): MatchCounts {
  if (!(threshold >= 0.5 && threshold <= 1))
    throw new RangeError(`objects are matched at an IoU of 0.5 to 1, not ${threshold}`);
  const pairs = overlaps
    .map(({ a, b, voxels }) => ({ a, b, iou: voxels / (sizesA[a] + sizesB[b] - voxels) }))
    .filter(({ iou }) => iou >= threshold)
    .sort((p, q) => q.iou - p.iou || p.a - q.a || p.b - q.b);
  const takenA = new Set<number>();
  const takenB = new Set<number>();
  for (const { a, b } of pairs) {
    if (takenA.has(a) || takenB.has(b)) continue;
    takenA.add(a);
    takenB.add(b);
  }
  const present = (sizes: Float64Array) => sizes.reduce((sum, voxels) => (voxels > 0 ? sum + 1 : sum), 0);
  const truePositive = takenA.size;
  return {
    truePositive,
    falsePositive: present(sizesA) - truePositive,
    falseNegative: present(sizesB) - truePositive,
  };
}

/** Sum over boxes. An object that the boxes cut counts in each. */
export function mergeMatches(parts: Iterable<MatchCounts>): MatchCounts {
  const sum = { truePositive: 0, falsePositive: 0, falseNegative: 0 };
  for (const { truePositive, falsePositive, falseNegative } of parts) {
    sum.truePositive += truePositive;
    sum.falsePositive += falsePositive;
    sum.falseNegative += falseNegative;
  }
  return sum;
}

/** F1, precision and recall of objects (`iou` is then TP / (TP + FP + FN), empanada's "AP"); two empty sides score 1. */
export function matchScore({ truePositive, falsePositive, falseNegative }: MatchCounts): OverlapScore {
  return overlapScore(truePositive, falsePositive, falseNegative);
}
