import type { Labelling } from "../segmentation/types.js";
import type { Box, Vec3 } from "../volume/types.js";
import type { VoxelSet } from "./types.js";
import { visitRuns, voxelSet } from "./voxel_set.js";

/** What an object has of the truth. */
export interface ObjectScore {
  readonly voxels: number;
  /** Voxels in any true object. */
  readonly inTruth: number;
  /** Voxels shared with each true object. */
  readonly shared: ReadonlyMap<number, number>;
  /** The true object that it matches: IoU above 0.5, which at most one object reaches with it, and it with one. 0 for none. */
  readonly matches: number;
}

/** The true objects of a box. */
export class Truth {
  /** Voxels of each; entry 0 is empty. */
  readonly sets: readonly VoxelSet[];
  /** In all objects. */
  readonly voxels: number;

  constructor(
    readonly labelling: Labelling,
    readonly box: Box,
  ) {
    this.sets = setsOf(labelling, box);
    this.voxels = this.sets.reduce((sum, set) => sum + set.count, 0);
  }

  get count(): number {
    return this.labelling.count;
  }

  /** True object at a voxel; 0 for none. */
  at([x, y, z]: Vec3): number {
    const { lower, upper } = this.box;
    if (x < lower[0] || y < lower[1] || z < lower[2] || x >= upper[0] || y >= upper[1] || z >= upper[2])
      return 0;
    const [width, height] = this.labelling.size;
    return this.labelling.labels[x - lower[0] + width * (y - lower[1] + height * (z - lower[2]))];
  }

  score(set: VoxelSet): ObjectScore {
    const { labels, size } = this.labelling;
    const { lower } = this.box;
    const shared = new Map<number, number>();
    let inTruth = 0;
    visitRuns(set, this.box, (start, end, y, z) => {
      const row = size[0] * (y - lower[1] + size[1] * (z - lower[2])) - lower[0];
      for (let x = start; x < end; ) {
        const label = labels[row + x];
        const from = x;
        do ++x;
        while (x < end && labels[row + x] === label);
        if (label === 0) continue;
        shared.set(label, (shared.get(label) ?? 0) + x - from);
        inTruth += x - from;
      }
    });
    let matches = 0;
    for (const [label, voxels] of shared)
      if (2 * voxels > set.count + this.sets[label].count - voxels) matches = label;
    return { voxels: set.count, inTruth, shared, matches };
  }
}

/** Voxels of each label; entry 0 is empty. */
function setsOf({ labels, count, size }: Labelling, { lower }: Box): VoxelSet[] {
  const runs = Array.from({ length: count + 1 }, (): number[] => []);
  const [width, height, depth] = size;
  for (let row = 0; row < height * depth; ++row) {
    for (let x = 0; x < width; ) {
      const label = labels[row * width + x];
      const start = x;
      do ++x;
      while (x < width && labels[row * width + x] === label);
      if (label === 0) continue;
      const y = lower[1] + (row % height);
      runs[label].push(lower[2] + Math.floor(row / height), y, lower[0] + start, lower[0] + x);
    }
  }
  return runs.map((list) => voxelSet(Int32Array.from(list)));
}

/** How good a segmentation is: sums over its objects, which share no voxel. */
export interface Totals {
  readonly objects: number;
  readonly matched: number;
  readonly voxels: number;
  readonly inTruth: number;
}

export const NO_OBJECTS: Totals = { objects: 0, matched: 0, voxels: 0, inTruth: 0 };

export function addScore(totals: Totals, score: ObjectScore, times: 1 | -1): Totals {
  return {
    objects: totals.objects + times,
    matched: totals.matched + (score.matches > 0 ? times : 0),
    voxels: totals.voxels + times * score.voxels,
    inTruth: totals.inTruth + times * score.inTruth,
  };
}

export interface Quality {
  /** Of objects, matched at an IoU above 0.5. */
  readonly f1: number;
  /** Of the foreground. */
  readonly iou: number;
}

export function qualityOf({ objects, matched, voxels, inTruth }: Totals, truth: Truth): Quality {
  const both = objects + truth.count;
  const union = voxels + truth.voxels - inTruth;
  return { f1: both === 0 ? 1 : (2 * matched) / both, iou: union === 0 ? 1 : inTruth / union };
}

/**
 * What the scripted proofreader makes as large as it can: an object found counts 1, one that is none -1/2, and the foreground's IoU as much as all
 * objects together.
 */
export function worth(totals: Totals, truth: Truth): number {
  return totals.matched - (totals.objects - totals.matched) / 2 + truth.count * qualityOf(totals, truth).iou;
}
