import type { Random } from "../network/random.js";
import { BoxTooLargeError } from "../segmentation/voxel_box.js";
import { intersect, isEmpty } from "../volume/box.js";
import { applyOperation } from "./apply_operation.js";
import { Attempt } from "./attempt.js";
import type { Change } from "./corrections.js";
import type { Author } from "./log.js";
import { FIRST_MADE_ID } from "./operation_id.js";
import type { QueuePlace } from "./queue.js";
import { middleVoxel } from "./queue_measures.js";
import { Replay } from "./replay.js";
import { clicksOf, type Plan, Planner, type PresentObject } from "./simulate_plans.js";
import {
  addScore,
  NO_OBJECTS,
  type ObjectScore,
  type Quality,
  qualityOf,
  type Totals,
  type Truth,
  worth,
} from "./simulate_score.js";
import type { Action, KnownOperation } from "./types.js";
import type { VolumeView } from "./volume_view.js";
import { fromPlaced } from "./voxel_set.js";

export interface SimulationOptions {
  readonly view: VolumeView;
  readonly truth: Truth;
  /** In the order in which they are looked at. */
  readonly places: readonly QueuePlace[];
  readonly author: Author;
  /** Ends when both are reached. */
  readonly goal: Quality;
  /** Of ids and of the hand. */
  readonly random: Random;
  /** How far clicks miss, in voxels, and half widths, as a share. */
  readonly hand: { readonly voxels: number; readonly width: number };
  /** Time of the first operation, milliseconds since 1970. */
  readonly start: number;
  readonly signal?: AbortSignal;
  readonly onOperation?: (point: CurvePoint) => void;
}

export interface CurvePoint extends Quality {
  readonly kind: Action["kind"];
  /** Clicks of this operation. */
  readonly clicks: number;
  /** Places looked at so far. */
  readonly looks: number;
}

export interface Simulation {
  readonly before: Quality;
  /** One an operation. */
  readonly curve: readonly CurvePoint[];
  readonly reached: boolean;
  readonly replay: Replay;
}

/** What an operation must be worth (see `worth`) in the first round, and in the last one. */
const LEAST_WORTH = [0.1, 0.02, 0.004];
/** Operations at one place before it is left. */
const PLANS_A_PLACE = 12;
/** Share of a true object that an object must have to concern it. */
const CONCERNS = 0.03;

/**
 * A scripted proofreader: goes from place to place and does, of what a person would think of there, what is worth most an operation,
 * until nothing is; then goes round again for smaller things, until the goal is reached or nothing helps. All is done by operations of the log, replayed.
 * @throws what `signal` was aborted with.
 */
export async function simulate(options: SimulationOptions): Promise<Simulation> {
  const proofreader = new ScriptedProofreader(options);
  const before = proofreader.quality;
  let reached = proofreader.isDone();
  for (const least of LEAST_WORTH) {
    for (const place of options.places) {
      if (reached) break;
      options.signal?.throwIfAborted();
      await proofreader.visit(place, least);
      reached = proofreader.isDone();
    }
  }
  return { before, curve: proofreader.curve, reached, replay: proofreader.replay };
}

class ScriptedProofreader {
  readonly replay: Replay;
  readonly curve: CurvePoint[] = [];
  private readonly planner: Planner;
  /** Of all objects that are there now. */
  private readonly scores = new Map<number, ObjectScore>();
  private totals: Totals = NO_OBJECTS;
  private looks = 0;

  constructor(private readonly options: SimulationOptions) {
    const { view, truth, hand, random } = options;
    this.replay = new Replay(view);
    this.planner = new Planner(truth, this.replay.corrections, { ...hand, random });
    for (const id of view.ids) {
      if (view.voxelsOf(id) < view.settings.minimumVoxels) continue;
      const score = truth.score(fromPlaced(view.runsOf(id)));
      this.scores.set(id, score);
      this.totals = addScore(this.totals, score, 1);
    }
  }

  get quality(): Quality {
    return qualityOf(this.totals, this.options.truth);
  }

  isDone(): boolean {
    const { f1, iou } = this.quality;
    return f1 >= this.options.goal.f1 && iou >= this.options.goal.iou;
  }

  async visit(place: QueuePlace, least: number): Promise<void> {
    ++this.looks;
    const targets = this.targetsAt(place);
    for (let i = 0; i < PLANS_A_PLACE && !this.isDone(); ++i) {
      const objects = this.objectsFor(place, targets);
      const plan = await this.best(await this.planner.plans(objects, targets), least);
      if (plan === undefined) break;
      for (const action of plan) await this.perform(action);
    }
    await this.accept(targets);
  }

  /** True objects that a person sees to be concerned: those under an object, those whose middle is in a chunk. */
  private targetsAt({ kind, box, object, anchor }: QueuePlace): Set<number> {
    const { truth } = this.options;
    const targets = new Set<number>();
    if (kind === "object") {
      const id = this.replay.objectAt(anchor)?.id ?? object;
      const score = id === undefined ? undefined : this.scores.get(id);
      for (const [label, shared] of score?.shared ?? [])
        if (shared >= CONCERNS * truth.sets[label].count || shared >= CONCERNS * (score?.voxels ?? 0))
          targets.add(label);
      return targets;
    }
    truth.sets.forEach((set, label) => {
      if (set.count === 0 || isEmpty(intersect(set.box, box))) return;
      const [x, y, z] = middleVoxel(set);
      const inside = !isEmpty(intersect(box, { lower: [x, y, z], upper: [x + 1, y + 1, z + 1] }));
      if (kind === "missed" ? truth.at(anchor) === label : inside) targets.add(label);
    });
    return targets;
  }

  private objectsFor({ kind, anchor, box }: QueuePlace, targets: ReadonlySet<number>): PresentObject[] {
    const { truth } = this.options;
    const ids = new Set<number>();
    if (kind === "object") {
      const id = this.replay.objectAt(anchor)?.id;
      if (id !== undefined) ids.add(id);
    }
    for (const [id, { shared }] of this.scores)
      for (const [label, voxels] of shared)
        if (targets.has(label) && voxels >= CONCERNS * truth.sets[label].count) ids.add(id);
    const objects = [...ids].sort((a, b) => a - b).flatMap((id) => this.present(id) ?? []);
    if (kind !== "chunk") return objects;
    // Whatever else lies in the middle of the chunk's view, as what is no mitochondrion.
    for (const id of this.scores.keys()) {
      if (ids.has(id)) continue;
      const object = this.present(id);
      if (object === undefined) continue;
      const [x, y, z] = middleVoxel(object.voxels);
      if (!isEmpty(intersect(box, { lower: [x, y, z], upper: [x + 1, y + 1, z + 1] }))) objects.push(object);
    }
    return objects;
  }

  private present(id: number): PresentObject | undefined {
    const { corrections } = this.replay;
    if (!corrections.has(id)) {
      const { view } = this.options;
      const seen = id < FIRST_MADE_ID && view.voxelsOf(id) >= view.settings.minimumVoxels;
      if (!seen || corrections.shownAs(id) !== id) return undefined;
    }
    const object = corrections.get(id);
    if (object.deleted) return undefined;
    const voxels = corrections.voxelsOf(object);
    return voxels.count === 0 ? undefined : { id, voxels, score: this.options.truth.score(voxels) };
  }

  private async best(plans: readonly Plan[], least: number): Promise<Plan | undefined> {
    let best: Plan | undefined;
    let most = least;
    const { truth } = this.options;
    const now = worth(this.totals, truth);
    for (const plan of plans) {
      const totals = await this.tried(plan);
      if (totals === undefined) continue;
      const gain = (worth(totals, truth) - now) / plan.length;
      if (gain < most || (gain === most && best !== undefined)) continue;
      most = gain;
      best = plan;
    }
    return best;
  }

  /** Totals after a plan, as a preview shows it; undefined when an operation of it does not work. */
  private async tried(plan: Plan): Promise<Totals | undefined> {
    const { corrections } = this.replay;
    const changes: Change[] = [];
    let works = true;
    for (const action of plan) {
      const attempt = new Attempt(corrections, this.write(action, new Uint8Array(10)));
      corrections.begin();
      try {
        await applyOperation(attempt);
      } catch (error) {
        if (!(error instanceof BoxTooLargeError)) throw error;
        works = false;
      }
      changes.push(corrections.end());
      works &&= attempt.conflicts.every(({ reason }) => reason === "verdicts-differ");
      if (!works) break;
    }
    const totals = works ? this.totalsWith(idsOf(changes)).totals : undefined;
    for (const change of changes.reverse()) corrections.revert(change);
    return totals;
  }

  private totalsWith(ids: Iterable<number>): {
    totals: Totals;
    scores: Map<number, ObjectScore | undefined>;
  } {
    let { totals } = this;
    const scores = new Map<number, ObjectScore | undefined>();
    for (const id of ids) {
      const before = this.scores.get(id);
      const after = this.present(id)?.score;
      if (before) totals = addScore(totals, before, -1);
      if (after) totals = addScore(totals, after, 1);
      scores.set(id, after);
    }
    return { totals, scores };
  }

  private async perform(action: Action): Promise<void> {
    const { random } = this.options;
    const operation = this.write(
      action,
      Uint8Array.from({ length: 10 }, () => random.integer(256)),
    );
    const { changed } = await this.replay.add([operation]);
    const { totals, scores } = this.totalsWith(changed);
    this.totals = totals;
    for (const [id, score] of scores) {
      if (score) this.scores.set(id, score);
      else this.scores.delete(id);
    }
    const point = { ...this.quality, kind: action.kind, clicks: clicksOf(action), looks: this.looks };
    this.curve.push(point);
    this.options.onOperation?.(point);
  }

  /** Says of what matches now that it is right. */
  private async accept(targets: ReadonlySet<number>): Promise<void> {
    for (const [id, score] of this.scores) {
      if (!targets.has(score.matches)) continue;
      const { corrections } = this.replay;
      if (corrections.get(id).verdict !== undefined) continue;
      const anchor = this.present(id)?.voxels;
      if (anchor !== undefined)
        await this.perform({ kind: "verdict", anchor: middleVoxel(anchor), verdict: "accept" });
    }
  }

  private write(action: Action, random: Uint8Array): KnownOperation {
    const { author, start } = this.options;
    return this.replay.log.create(action, author, start + 1000 * this.curve.length, random);
  }
}

function idsOf(changes: readonly Change[]): Set<number> {
  const ids = new Set<number>();
  for (const { objects, owners } of changes) {
    for (const id of objects.keys()) ids.add(id);
    for (const id of owners.keys()) ids.add(id);
  }
  return ids;
}
