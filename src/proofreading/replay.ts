import { BoxTooLargeError } from "../segmentation/voxel_box.js";
import type { Box, Vec3 } from "../volume/types.js";
import { applyOperation } from "./apply_operation.js";
import { Attempt } from "./attempt.js";
import { type Change, Corrections } from "./corrections.js";
import { type Effect, effectOf } from "./effective.js";
import { type Clash, compareOperations, EditLog } from "./log.js";
import type { Conflict, CorrectedObject, KnownOperation, Operation, PredictionView } from "./types.js";
import { boxesMeet } from "./voxel_set.js";

interface Applied {
  readonly operation: KnownOperation;
  readonly change: Change;
  readonly conflicts: readonly Conflict[];
  readonly subjects: ReadonlySet<number>;
  /** It could not be tried (too large, no predictions): what it would have seen is not known. */
  readonly failed: boolean;
}

/** Where predictions came, went or changed. */
export interface ChangedPredictions {
  /** Ids of predicted objects that came, went or have other voxels. */
  readonly objects: Iterable<number>;
  /** The chunks. */
  readonly boxes: readonly Box[];
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
  /** What an operation saw and did the last time. */
  private readonly known = new Map<string, Change>();
  /** The last one of those applied, in the order of the log. */
  private last: Operation | undefined;
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
      return { changed: await this.settle(new Set(replaced), undefined, signal), clashes };
    });
  }

  /** Predictions are not what they were: here, or, when it is not known where, anywhere. */
  refresh(where?: ChangedPredictions, signal?: AbortSignal): Promise<Step> {
    const start = where && { keys: new Set(where.objects), boxes: where.boxes };
    return this.after(async () => {
      const again = new Set(where ? [] : this.applied.keys());
      return { changed: await this.settle(again, start, signal), clashes: [] };
    });
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
   * @param again operations to repeat in any case. @param from what is not what it was before the first operation.
   */
  private async settle(
    again: ReadonlySet<string>,
    from?: { keys: ReadonlySet<number>; boxes: readonly Box[] },
    signal?: AbortSignal,
  ): Promise<ReadonlySet<number>> {
    this.effect = effectOf(this.log.operations);
    const changed = new Set<number>();
    let out = this.concerned(again, from);
    for (let complete = false; !complete; ) {
      this.takeBack(out, changed);
      this.last = this.log.operations.findLast(({ id }) => this.applied.has(id));
      complete = true;
      for (const operation of this.log.operations) {
        if (!this.isDue(operation)) continue;
        signal?.throwIfAborted();
        const applied = await this.attempt(operation);
        this.keep(applied, changed);
        if (!this.isOutOfOrder(applied)) continue;
        // It saw what a later operation had changed, or changed what one had seen: it goes back, then that one, and they come again in order.
        this.takeBack([applied], changed);
        out = this.concerned(new Set());
        complete = false;
        break;
      }
    }
    return changed;
  }

  /** Undo and redo are not among what holds. */
  private isDue(operation: Operation): operation is KnownOperation {
    return (
      !this.applied.has(operation.id) &&
      this.effect.holds.has(operation.id) &&
      operation.kind !== "not understood"
    );
  }

  /**
   * Applied operations that must go, or may come out otherwise: those after a change that saw something of it. Operations that
   * are to come are taken to change what they did the last time.
   */
  private concerned(
    again: ReadonlySet<string>,
    from?: { keys: ReadonlySet<number>; boxes: readonly Box[] },
  ): Applied[] {
    const keys = new Set(from?.keys);
    const written = [...(from?.boxes ?? [])];
    const read: Box[] = [];
    const out: Applied[] = [];
    let begun = from !== undefined;
    const spread = ({ keys: more, reads, writes }: Change) => {
      begun = true;
      for (const key of more) keys.add(key);
      written.push(...writes);
      read.push(...reads);
    };
    for (const operation of this.log.operations) {
      const known = this.known.get(operation.id);
      if (this.isDue(operation)) {
        begun = true;
        if (known !== undefined) spread(known);
      }
      const applied = this.applied.get(operation.id);
      if (applied === undefined) continue;
      const goes =
        !this.effect.holds.has(operation.id) ||
        again.has(operation.id) ||
        (begun && applied.failed) ||
        shares(keys, applied.change.keys) ||
        meet(written, applied.change.reads) ||
        // It must not be there when an earlier one looks again.
        meet(read, applied.change.writes);
      if (!goes) continue;
      out.push(applied);
      spread(applied.change);
    }
    return out;
  }

  /** @param operations in the order in which they were applied. */
  private takeBack(operations: readonly Applied[], changed: Set<number>): void {
    for (const { operation, change } of [...operations].reverse()) {
      this.corrections.revert(change);
      note(change, changed);
      this.applied.delete(operation.id);
    }
  }

  private keep(applied: Applied, changed: Set<number>): void {
    const { operation, change } = applied;
    note(change, changed);
    this.applied.set(operation.id, applied);
    this.known.set(operation.id, change);
    if (this.last === undefined || compareOperations(operation, this.last) > 0) this.last = operation;
  }

  /** Whether a later operation was applied before it that it has to do with. */
  private isOutOfOrder({ operation, change }: Applied): boolean {
    if (this.last === operation) return false;
    const { operations } = this.log;
    for (let i = operations.length - 1; i >= 0 && operations[i] !== operation; --i) {
      const later = this.applied.get(operations[i].id)?.change;
      if (later === undefined) continue;
      if (
        shares(change.keys, later.keys) ||
        meet(change.writes, later.reads) ||
        meet(later.writes, change.reads)
      )
        return true;
    }
    return false;
  }

  private async attempt(operation: KnownOperation): Promise<Applied> {
    const { corrections } = this;
    const attempt = new Attempt(corrections, operation);
    corrections.begin();
    let failed = false;
    try {
      await applyOperation(attempt);
    } catch (error) {
      failed = true;
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
      failed,
    };
  }
}

function note({ objects, owners }: Change, changed: Set<number>): void {
  for (const id of objects.keys()) changed.add(id);
  for (const id of owners.keys()) changed.add(id);
}

function shares(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  if (a.size < b.size) return shares(b, a);
  for (const key of b) if (a.has(key)) return true;
  return false;
}

function meet(a: readonly Box[], b: readonly Box[]): boolean {
  return a.some((box) => b.some((other) => boxesMeet(box, other)));
}

function notUnderstood(operation: Extract<Operation, { kind: "not understood" }>): Conflict {
  return {
    operation: operation.id,
    reason: "not-understood",
    message: `"${operation.record.kind}" of a newer version is kept, but not applied: update Chondria`,
    anchors: [],
  };
}
