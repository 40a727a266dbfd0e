import { BoxTooLargeError } from "../segmentation/voxel_box.js";
import type { Vec3 } from "../volume/types.js";
import { applyOperation } from "./apply_operation.js";
import { Attempt } from "./attempt.js";
import { type Change, Corrections } from "./corrections.js";
import { type Effect, effectOf } from "./effective.js";
import { type Clash, compareOperations, EditLog } from "./log.js";
import type { Conflict, CorrectedObject, KnownOperation, Operation, PredictionView } from "./types.js";

interface Applied {
  readonly operation: KnownOperation;
  readonly change: Change;
  readonly conflicts: readonly Conflict[];
  readonly subjects: ReadonlySet<number>;
}

/** What became of a step. */
export interface Step {
  /** Ids of objects, predicted and corrected, that are not what they were. */
  readonly changed: ReadonlySet<number>;
  readonly clashes: readonly Clash[];
}

export interface Preview {
  /** Objects as they would be; those that would be gone are not among them. */
  readonly objects: readonly CorrectedObject[];
  readonly conflicts: readonly Conflict[];
}

/**
 * The log replayed over the predictions, kept up to date: an operation at the end costs what its objects cost; undo, redo, an operation from
 * another log and changed predictions take back and repeat only what has to do with the same objects. The result is that of a replay from the
 * start, whatever the order in which things came.
 *
 * Calls wait for each other. Between the call and its end `corrections` may be half way.
 */
export class Replay {
  readonly log = new EditLog();
  readonly corrections: Corrections;
  private readonly applied = new Map<string, Applied>();
  /** Ids that an operation saw the last time. */
  private readonly seen = new Map<string, ReadonlySet<number>>();
  /** Operations that have to do with an id. */
  private readonly touching = new Map<number, Set<string>>();
  private effect: Effect = effectOf([]);
  private queue: Promise<unknown> = Promise.resolve();

  constructor(view: PredictionView) {
    this.corrections = new Corrections(view);
  }

  /** @throws what `signal` was aborted with. */
  static async of(
    view: PredictionView,
    operations: Iterable<Operation>,
    signal?: AbortSignal,
  ): Promise<Replay> {
    const replay = new Replay(view);
    await replay.add(operations, signal);
    return replay;
  }

  /**
   * Takes operations into the log, at whatever time they were made; those that it has are passed over.
   * @throws what `signal` was aborted with: the operations are in the log, and are applied with the next call.
   */
  add(operations: Iterable<Operation>, signal?: AbortSignal): Promise<Step> {
    const list = [...operations];
    return this.after(async () => {
      const { clashes } = this.log.add(list);
      // The operation that a clash drops may have been applied.
      const replaced = clashes.flatMap(({ kept }) => {
        const was = this.applied.get(kept.id)?.operation;
        return was !== undefined && was !== kept ? [kept.id] : [];
      });
      return { changed: await this.settle(new Set(), new Set(replaced), signal), clashes };
    });
  }

  /**
   * Predictions are not what they were.
   * @param objects ids of predicted objects that came, went or have other voxels; without it, all may have.
   */
  refresh(objects?: Iterable<number>, signal?: AbortSignal): Promise<Step> {
    const keys = objects === undefined ? undefined : new Set(objects);
    return this.after(async () => ({
      changed: await this.settle(
        keys ?? new Set(),
        new Set(keys ? [] : this.applied.keys()),
        signal,
        keys !== undefined,
      ),
      clashes: [],
    }));
  }

  /** What an operation would do now, without doing it. */
  preview(operation: KnownOperation): Promise<Preview> {
    return this.after(async () => {
      const { change, conflicts } = await this.attempt(operation);
      const objects = [...change.objects.keys()].flatMap((id) =>
        this.corrections.has(id) ? [this.corrections.get(id)] : [],
      );
      this.corrections.revert(change);
      return { objects, conflicts };
    });
  }

  /** Object at a voxel; undefined for background and for what is deleted. */
  objectAt(voxel: Vec3): CorrectedObject | undefined {
    const id = this.corrections.find(voxel);
    const object = id === 0 ? undefined : this.corrections.get(id);
    return object?.deleted ? undefined : object;
  }

  /** Whether an operation is in the log and not taken back. */
  holds(id: string): boolean {
    return this.effect.holds.has(id) || this.effect.toggles.has(id);
  }

  /** All that could not be applied as it was meant, in the order of the log. */
  conflicts(): Conflict[] {
    const toggles = new Map(this.effect.conflicts.map((conflict) => [conflict.operation, conflict]));
    return this.log.operations.flatMap((operation) => {
      if (operation.kind === "not understood")
        return this.effect.holds.has(operation.id) ? [notUnderstood(operation)] : [];
      return this.applied.get(operation.id)?.conflicts ?? toggles.get(operation.id) ?? [];
    });
  }

  /** Ids, predicted and corrected, of the objects that an operation was about; none when it does not hold. */
  subjects(id: string): ReadonlySet<number> {
    return this.applied.get(id)?.subjects ?? new Set();
  }

  private after<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => undefined);
    return result;
  }

  /**
   * Brings `applied` in line with the log.
   * @param keys ids that are not what they were before the first operation.
   * @param again operations to repeat in any case. @param retry also those with conflicts.
   */
  private async settle(
    keys: ReadonlySet<number>,
    again: ReadonlySet<string>,
    signal?: AbortSignal,
    retry = false,
  ): Promise<ReadonlySet<number>> {
    this.effect = effectOf(this.log.operations);
    const changed = new Set<number>();
    let repeat = retry || again.size > 0 || keys.size > 0;
    for (let complete = false; !complete; ) {
      this.takeBack(this.concerned(keys, again, repeat), changed);
      complete = true;
      for (const operation of this.log.operations) {
        if (!this.isDue(operation)) continue;
        signal?.throwIfAborted();
        const applied = await this.attempt(operation);
        this.keep(applied, changed);
        // It saw objects that a later operation had changed already: that one goes back, and comes again after it.
        if (this.isOutOfOrder(applied)) {
          complete = false;
          repeat = false;
          keys = new Set();
          again = new Set([operation.id]);
          break;
        }
      }
    }
    return changed;
  }

  private isDue(operation: Operation): operation is KnownOperation {
    return (
      operation.kind !== "not understood" &&
      operation.kind !== "undo" &&
      operation.kind !== "redo" &&
      this.effect.holds.has(operation.id) &&
      !this.applied.has(operation.id)
    );
  }

  /** Applied operations that must go, or may come out otherwise: those after a change that saw one of its ids, or failed. */
  private concerned(dirty: ReadonlySet<number>, again: ReadonlySet<string>, fromStart: boolean): Applied[] {
    const keys = new Set(dirty);
    const out: Applied[] = [];
    let begun = fromStart;
    for (const operation of this.log.operations) {
      const applied = this.applied.get(operation.id);
      const due = this.isDue(operation);
      if (due) for (const key of this.seen.get(operation.id) ?? []) keys.add(key);
      begun ||= due;
      if (applied === undefined) continue;
      const goes =
        !this.effect.holds.has(operation.id) ||
        again.has(operation.id) ||
        (begun && applied.conflicts.length > 0) ||
        (keys.size > 0 && meets(keys, applied.change.keys));
      if (!goes) continue;
      begun = true;
      out.push(applied);
      for (const key of applied.change.keys) keys.add(key);
    }
    return out;
  }

  private takeBack(operations: readonly Applied[], changed: Set<number>): void {
    for (const applied of [...operations].reverse()) {
      const { operation, change } = applied;
      this.corrections.revert(change);
      note(change, changed);
      this.applied.delete(operation.id);
      for (const key of change.keys) {
        const ids = this.touching.get(key);
        ids?.delete(operation.id);
        if (ids?.size === 0) this.touching.delete(key);
      }
    }
  }

  private keep(applied: Applied, changed: Set<number>): void {
    const { operation, change } = applied;
    note(change, changed);
    this.applied.set(operation.id, applied);
    this.seen.set(operation.id, change.keys);
    for (const key of change.keys) {
      const ids = this.touching.get(key);
      if (ids === undefined) this.touching.set(key, new Set([operation.id]));
      else ids.add(operation.id);
    }
  }

  private isOutOfOrder({ operation, change }: Applied): boolean {
    const last = this.log.operations.at(-1);
    if (last === operation) return false;
    for (const key of change.keys) {
      for (const id of this.touching.get(key) ?? []) {
        const other = this.applied.get(id)?.operation;
        if (other !== undefined && compareOperations(other, operation) > 0) return true;
      }
    }
    return false;
  }

  private async attempt(operation: KnownOperation): Promise<Applied> {
    const { corrections } = this;
    const attempt = new Attempt(corrections, operation);
    corrections.begin();
    try {
      await applyOperation(attempt);
    } catch (error) {
      // Too large, or its voxels cannot be read: nothing of it holds, and the next replay tries again.
      const change = corrections.end();
      corrections.revert(change);
      corrections.begin();
      for (const key of change.keys) corrections.get(key);
      const reason = error instanceof BoxTooLargeError ? "too-large" : "no-prediction";
      attempt.conflict(reason, (error as Error).message, []);
    }
    return {
      operation,
      change: corrections.end(),
      conflicts: attempt.conflicts,
      subjects: attempt.subjects,
    };
  }
}

function note({ objects, owners }: Change, changed: Set<number>): void {
  for (const id of objects.keys()) changed.add(id);
  for (const id of owners.keys()) changed.add(id);
}

function meets(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  for (const key of b) if (a.has(key)) return true;
  return false;
}

function notUnderstood(operation: Extract<Operation, { kind: "not understood" }>): Conflict {
  return {
    operation: operation.id,
    reason: "not-understood",
    message: `"${operation.record.kind}" of a newer version is kept, but not applied: update Chondria`,
    anchors: [],
  };
}
