import { distanceTransform } from "../segmentation/distance_transform.js";
import { boxSize } from "../volume/box.js";
import type { Vec3 } from "../volume/types.js";
import type { Corrections } from "./corrections.js";
import { middleVoxel } from "./queue_measures.js";
import type { ObjectScore, Truth } from "./simulate_score.js";
import { type Hand, strokesAlong, widestClick } from "./simulate_strokes.js";
import type { Action, Strokes, VoxelSet } from "./types.js";
import { fromMask, hasVoxel, maskOf, subtract, visitRuns } from "./voxel_set.js";

/** Operations that belong together, as deleting what is in the way of what is added. */
export type Plan = readonly Action[];

/** An object as it is at present. */
export interface PresentObject {
  readonly id: number;
  readonly voxels: VoxelSet;
  readonly score: ObjectScore;
}

/** Local thresholds tried for what was missed, in the order in which a person turns the wheel. */
const THRESHOLDS = [0.3, 0.15, 0.06, 0.02];
/** A share of an object, or of a true one, from which on it is a part of it to be cut off. */
const PART = 0.1;
/** Sections with a marker, of each part of a split. */
const MARKED_SECTIONS = 3;

/**
 * What a person would think of at a place: looks at the truth, which stands for what is seen in the EM, only to find operations.
 */
export class Planner {
  private readonly strokes = new Map<number, Strokes>();

  constructor(
    private readonly truth: Truth,
    private readonly corrections: Corrections,
    private readonly hand: Hand,
  ) {}

  /** @param objects those in question and all that overlap the true ones. @param targets true objects in question. */
  async plans(objects: readonly PresentObject[], targets: Iterable<number>): Promise<Plan[]> {
    const plans: Plan[] = [];
    for (const object of objects) {
      plans.push([{ kind: "delete", anchor: middleVoxel(object.voxels) }]);
      plans.push(...this.splits(object));
    }
    for (const target of targets) {
      const own = objects.filter(({ score }) => mainOf(score) === target);
      plans.push(...this.additions(target, objects, own));
      plans.push(...(await this.grown(target, own)));
      if (own.length > 1)
        plans.push([{ kind: "merge", anchors: own.map(({ voxels }) => middleVoxel(voxels)) }]);
      for (const object of own) plans.push(...shapes(middleVoxel(object.voxels)));
    }
    return plans;
  }

  /** The whole of a true object along clicks: in the place of what is there, or joined to it. */
  private additions(target: number, all: readonly PresentObject[], own: readonly PresentObject[]): Plan[] {
    const strokes = this.strokesOf(target);
    const free = this.freeClick(strokes, all);
    const plans: Plan[] = [];
    if (free !== undefined && own.length > 0) {
      const anchors = [free, ...own.map(({ voxels }) => middleVoxel(voxels))];
      plans.push([this.along(strokes, free), { kind: "merge", anchors }]);
    }
    if (free !== undefined && own.length === 0) plans.push([this.along(strokes, free)]);
    if (own.length > 0)
      plans.push([
        ...own.map(({ voxels }): Action => ({ kind: "delete", anchor: middleVoxel(voxels) })),
        this.along(strokes, this.freeClick(strokes, without(all, own)) ?? widestClick(strokes)),
      ]);
    return plans;
  }

  /** What is left of a true object grown from one click through lower probability. */
  private async grown(target: number, own: readonly PresentObject[]): Promise<Plan[]> {
    const set = own.reduce((rest, { voxels }) => subtract(rest, voxels), this.truth.sets[target]);
    if (set.count === 0) return [];
    const { box } = set;
    const probability = await this.corrections.view.probability(box);
    const [width, height] = boxSize(box);
    let highest = -1;
    let seed: Vec3 = box.lower;
    visitRuns(set, box, (start, end, y, z) => {
      const row = width * (y - box.lower[1] + height * (z - box.lower[2])) - box.lower[0];
      for (let x = start; x < end; ++x) {
        if (probability[row + x] <= highest) continue;
        highest = probability[row + x];
        seed = [x, y, z];
      }
    });
    const reach = (i: 0 | 1 | 2) => Math.max(seed[i] - box.lower[i], box.upper[i] - 1 - seed[i]) * 1.2 + 1;
    const radius: Vec3 = [reach(0), reach(1), reach(2)];
    return THRESHOLDS.filter((threshold) => highest / 255 >= threshold).flatMap((threshold): Plan[] => {
      const add: Action = { kind: "add", seed, threshold, radius };
      if (own.length === 0) return [[add]];
      return [[add, { kind: "merge", anchors: [seed, ...own.map(({ voxels }) => middleVoxel(voxels))] }]];
    });
  }

  /** Cuts an object into the true ones that it covers, and what is none, which is deleted. */
  private splits({ voxels, score }: PresentObject): Plan[] {
    const parts: { set: VoxelSet; wrong: boolean }[] = [];
    const labels = this.truthIn(voxels);
    for (const [label, shared] of [...score.shared].sort(([a], [b]) => a - b))
      if (shared >= PART * score.voxels || shared >= PART * this.truth.sets[label].count)
        parts.push({ set: fromMask(labels, voxels.box, label + 1), wrong: false });
    if (score.voxels - score.inTruth >= PART * score.voxels)
      parts.push({ set: fromMask(labels, voxels.box, 1), wrong: true });
    if (parts.length < 2) return [];
    const markers = parts.map(({ set }) => this.markersIn(set));
    const deletions = parts.flatMap(({ wrong }, i): Action[] =>
      wrong ? [{ kind: "delete", anchor: markers[i][0] }] : [],
    );
    return (["probability", "distance"] as const).map((landscape) => [
      { kind: "split", parts: markers, landscape },
      ...deletions,
    ]);
  }

  /** 1 + true object of each voxel of a set in its box, 0 outside of it. */
  private truthIn(set: VoxelSet): Uint32Array {
    const labels = new Uint32Array(maskOf(set, set.box));
    const { lower, upper } = set.box;
    let at = 0;
    for (let z = lower[2]; z < upper[2]; ++z)
      for (let y = lower[1]; y < upper[1]; ++y)
        for (let x = lower[0]; x < upper[0]; ++x, ++at)
          if (labels[at] !== 0) labels[at] += this.truth.at([x, y, z]);
    return labels;
  }

  /** The deepest voxels of the sections that have most of a part, deepest of all first. */
  private markersIn(set: VoxelSet): Vec3[] {
    const { box } = set;
    const size = boxSize(box);
    const depth = distanceTransform(maskOf(set, box), size, this.corrections.view.voxelSize, {
      outside: "background",
    });
    const best = new Map<number, { at: Vec3; depth: number }>();
    let i = 0;
    for (let z = box.lower[2]; z < box.upper[2]; ++z)
      for (let y = box.lower[1]; y < box.upper[1]; ++y)
        for (let x = box.lower[0]; x < box.upper[0]; ++x, ++i)
          if (depth[i] > (best.get(z)?.depth ?? 0)) best.set(z, { at: [x, y, z], depth: depth[i] });
    return [...best.values()]
      .sort((a, b) => b.depth - a.depth || a.at[2] - b.at[2])
      .slice(0, MARKED_SECTIONS)
      .map(({ at }) => at);
  }

  private strokesOf(target: number): Strokes {
    const found = this.strokes.get(target) ?? strokesAlong(this.truth.sets[target], this.hand);
    this.strokes.set(target, found);
    return found;
  }

  private along(strokes: Strokes, seed: Vec3): Action {
    const { lower, upper } = this.truth.box;
    const reach = (i: 0 | 1 | 2) => Math.min(1024, upper[i] - lower[i]);
    return { kind: "add", seed, threshold: 0, radius: [reach(0), reach(1), reach(2)], strokes };
  }

  /** The widest click that no object is at. */
  private freeClick({ lines, axis }: Strokes, objects: readonly PresentObject[]): Vec3 | undefined {
    const free = lines
      .flat()
      .filter(([x, y, z]) => !objects.some(({ voxels }) => hasVoxel(voxels, [x, y, z])));
    return free.length === 0 ? undefined : widestClick({ axis, lines: [free] });
  }
}

function without(all: readonly PresentObject[], some: readonly PresentObject[]): PresentObject[] {
  return all.filter((object) => !some.includes(object));
}

/** Changes of shape, in the sections: the model sees each by itself. */
function shapes(anchor: Vec3): Plan[] {
  const reach = { dimensions: 2, axis: 2, sections: "all" } as const;
  return [
    [{ kind: "fill_holes", anchor, reach }],
    [{ kind: "smooth", anchor, reach, voxels: 2 }],
    ...[1, 3, 6].flatMap((voxels): Plan[] => [
      [{ kind: "grow", anchor, reach, voxels }],
      [{ kind: "shrink", anchor, reach, voxels }],
    ]),
  ];
}

/** The true object that an object has most of; 0 when it has none. */
export function mainOf({ shared }: ObjectScore): number {
  let main = 0;
  let most = 0;
  for (const [label, voxels] of shared) {
    if (voxels <= most) continue;
    main = label;
    most = voxels;
  }
  return main;
}

/** Voxels that a person clicks at for an operation, beyond the object that is chosen. */
export function clicksOf(action: Action): number {
  switch (action.kind) {
    case "merge":
      return action.anchors.length;
    case "split":
      return action.parts.reduce((sum, part) => sum + part.length, 0);
    case "add":
      return action.strokes === undefined ? 1 : action.strokes.lines.flat().length;
    default:
      return 1;
  }
}
