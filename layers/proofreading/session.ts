import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import { registerRPC } from "neuroglancer/unstable/worker_rpc.js";
import { undoTargets } from "../../src/proofreading/effective.js";
import { type Author, EditLog } from "../../src/proofreading/log.js";
import type { Action, EditedVolume, KnownOperation, Operation } from "../../src/proofreading/types.js";
import type { Vec3 } from "../../src/volume/types.js";
import type { EditStore } from "../../workers/edit_store.js";
import type { LabelsSource } from "../mito/chunk_sources.js";
import {
  ADD_EDITS,
  type AddEdits,
  type AskQueuePlaces,
  EDITS_CHANGED,
  type EditsChanged,
  FIND_EDITED,
  type FindEdited,
  type FoundObject,
  QUEUE_PLACES,
  type QueuePlaces,
  TRY_EDIT,
  type TriedEdit,
  type TryEdit,
} from "../mito/edits_protocol.js";
import type { MitoState } from "../mito/frontend.js";

/** Conflicts that do not keep an operation from being done: it has effect, and is listed. */
const MILD = new Set(["verdicts-differ"]);

export type Outcome = { readonly done: KnownOperation } | { readonly refused: string };

/** Where an author's name comes from, and how a log is opened; for tests. */
export interface SessionOptions {
  author(): string;
  openStore(log: string): Promise<EditStore>;
}

const sessions = new WeakMap<MitoState, Set<EditSession>>();

/** Name of the log of a prediction: objects of another model are other objects. */
export function logName({ url, scale }: EditedVolume, model: string): string {
  return JSON.stringify([url, scale, model]);
}

/**
 * The edits of one prediction in this page: the log, kept in the browser as it grows, and handed to the chunk worker, which replays it.
 * One operation after the other: the next one begins when the one before is stored.
 */
export class EditSession extends RefCounted {
  readonly log = new EditLog();
  /** Dispatched when the log, what is stored of it, or what came of it changed. */
  readonly changed = new NullarySignal();
  readonly volume: EditedVolume;
  readonly logName: string;
  /** The log has been read. */
  readonly ready: Promise<void>;
  /** What is wrong with the storage; undefined while all is well. */
  problem: string | undefined;
  /** What came of the log; undefined before the first edit. */
  standing: Omit<EditsChanged, "id"> | undefined;
  private store: EditStore | undefined;
  private readonly unstored = new Set<Operation>();
  private queue: Promise<unknown>;

  constructor(
    readonly mito: MitoState,
    private readonly options: SessionOptions,
  ) {
    super();
    this.volume = { url: mito.innerUrl, scale: mito.geometry.scale };
    this.logName = logName(this.volume, mito.model.digest);
    const set = sessions.get(mito) ?? new Set();
    sessions.set(mito, set.add(this));
    this.registerDisposer(() => void set.delete(this));
    this.registerDisposer(() => this.store?.close());
    this.registerDisposer(mito.sourcesChanged.add(() => this.send(this.log.operations)));
    this.ready = this.open();
    this.queue = this.ready;
  }

  /** Operations that are in this page only. */
  get unstoredCount(): number {
    return this.unstored.size;
  }

  private async open(): Promise<void> {
    try {
      const store = await this.options.openStore(this.logName);
      if (this.wasDisposed) {
        store.close();
        return;
      }
      this.store = store;
      store.subscribe((operations) => this.take(operations));
      const { operations, damage } = await store.readAll();
      this.take(operations);
      if (damage.length > 0) this.problem = `${damage.length} stored edits cannot be read: ${damage[0]}`;
    } catch (error) {
      this.problem = messageOf(error);
    }
    this.changed.dispatch();
  }

  /** Who edits what: the stamp of the next operation. */
  private get author(): Author {
    const { threshold, connectivity } = this.mito.settings.value;
    return {
      author: this.options.author(),
      model: this.mito.model.digest,
      volume: this.volume,
      settings: { threshold, connectivity },
    };
  }

  get undoTargets() {
    return undoTargets(this.log.operations, this.options.author());
  }

  /** An operation that is not in the log yet. */
  create(action: Action): KnownOperation {
    return this.log.create(action, this.author, Date.now(), crypto.getRandomValues(new Uint8Array(10)));
  }

  /** Does an operation, unless nothing would come of it. Never rejects. */
  perform(action: Action): Promise<Outcome> {
    return this.after(async () => {
      const operation = this.create(action);
      if (action.kind !== "undo" && action.kind !== "redo") {
        const refused = await this.refusal(operation);
        if (refused !== undefined) return { refused };
      }
      this.take([operation]);
      await this.keep([operation]);
      return { done: operation };
    });
  }

  undo(): Promise<Outcome> {
    return this.toggle("undo");
  }

  redo(): Promise<Outcome> {
    return this.toggle("redo");
  }

  private async toggle(kind: "undo" | "redo"): Promise<Outcome> {
    await this.queue;
    const target = this.undoTargets[kind];
    if (target === undefined) return { refused: `There is nothing to ${kind}.` };
    return this.perform({ kind, target });
  }

  private async refusal(operation: KnownOperation): Promise<string | undefined> {
    try {
      const { conflicts } = await this.try(operation, false);
      return conflicts.find(({ reason }) => !MILD.has(reason))?.message;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Takes operations of a file into the log. @returns how many were new. */
  import(operations: readonly Operation[]): Promise<number> {
    return this.after(async () => {
      const added = this.take(operations);
      await this.keep(added);
      return added.length;
    });
  }

  /** What an operation would do; shown in the views until the next call, with markers, when `show` is set. */
  try(
    operation: KnownOperation | undefined,
    show: boolean,
    marks?: readonly (readonly Vec3[])[],
  ): Promise<TriedEdit> {
    const message = { volume: this.volume, show, ...(operation && { operation }), ...(marks && { marks }) };
    return this.ask<Omit<TryEdit, "source">, TriedEdit>(TRY_EDIT, message);
  }

  find(voxels: readonly Vec3[]): Promise<FoundObject[]> {
    return this.ask<Omit<FindEdited, "source">, FoundObject[]>(FIND_EDITED, { volume: this.volume, voxels });
  }

  places(after: number, prior: AskQueuePlaces["prior"]): Promise<QueuePlaces> {
    const message = { volume: this.volume, after, ...(prior && { prior }) };
    return this.ask<Omit<AskQueuePlaces, "source">, QueuePlaces>(QUEUE_PLACES, message);
  }

  /** The chunk worker replayed the log. */
  replayed(standing: Omit<EditsChanged, "id">): void {
    this.standing = standing;
    this.changed.dispatch();
  }

  private async ask<Message extends object, Answer>(name: string, message: Message): Promise<Answer> {
    const [source] = this.mito.sources;
    if (source === undefined) throw new Error("no view shows this layer: make it visible, then try again");
    return source.rpc!.promiseInvoke<Answer>(name, { source: source.rpcId!, ...message });
  }

  private take(operations: readonly Operation[]): readonly Operation[] {
    const { added } = this.log.add(operations);
    if (added.length === 0) return added;
    this.send(added);
    this.changed.dispatch();
    return added;
  }

  private send(operations: readonly Operation[]): void {
    if (operations.length === 0) return;
    for (const { rpc, rpcId } of this.mito.sources)
      if (typeof rpcId === "number")
        rpc!.invoke(ADD_EDITS, { source: rpcId, volume: this.volume, operations } satisfies AddEdits);
  }

  /** Stores operations, with those that could not be stored before. */
  private async keep(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) this.unstored.add(operation);
    const waiting = [...this.unstored];
    try {
      if (this.store === undefined) throw new Error(this.problem ?? "the browser keeps no edits");
      await this.store.append(waiting);
      for (const operation of waiting) this.unstored.delete(operation);
      this.problem = undefined;
    } catch (error) {
      this.problem = messageOf(error);
    }
    this.changed.dispatch();
  }

  private after<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => undefined);
    return result;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

registerRPC(EDITS_CHANGED, function ({ id, ...standing }: EditsChanged) {
  // The frontend object under the same id; gone once it was disposed.
  const mito = (this.get(id) as LabelsSource | undefined)?.mito;
  for (const session of (mito && sessions.get(mito)) ?? []) session.replayed(standing);
});
