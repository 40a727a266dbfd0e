import { throttle } from "lodash-es";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import { FIRST_MADE_ID, madeObjectId } from "../../src/proofreading/operation_id.js";
import type { QueuePlace } from "../../src/proofreading/queue.js";
import type { Action, Reach, Verdict } from "../../src/proofreading/types.js";
import type { Vec3 } from "../../src/volume/types.js";
import type { EditedObject, FoundObject, TriedEdit } from "../mito/edits_protocol.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { Highlight, MARKER_COLOUR } from "./highlight.js";
import { AddMode, MergeMode, type Mode, type ModeHost, SplitMode } from "./modes.js";
import { QueueModel } from "./queue_model.js";
import type { EditSession, Outcome } from "./session.js";
import type { ProofreadingState } from "./state.js";

/** Ids of markers in the views, see the chunk worker's `EditedObjects`. */
const FIRST_MARK_ID = Number.MAX_SAFE_INTEGER - 255;
/** How far an added object may reach at first, nm. */
const ADD_RADIUS = 400;
/** What is done is asked again at most this often, ms. */
const DONE_INTERVAL = 500;

/** The object that keys and buttons act on. */
export interface CurrentObject {
  readonly voxel: Vec3;
  readonly found: FoundObject;
}

/** Corrects the objects of one layer: what panel, keys and mouse do. */
export class LayerEditor extends RefCounted implements ModeHost {
  readonly updated = new NullarySignal();
  readonly queue: QueueModel;
  current: CurrentObject | undefined;
  mode: Mode | undefined;
  /** What came of the last action, for people. */
  message = "";
  /** Where changes of shape work. */
  reach: "3" | "all" | "anchor" = "3";
  private readonly highlight: Highlight;
  private place: QueuePlace | undefined;
  private asked = 0;
  /** A click that is being looked up: keys pressed after it are meant for its object. */
  private pending: Promise<void> = Promise.resolve();

  constructor(
    readonly layer: MitoUserLayer,
    readonly session: EditSession,
    private readonly state: ProofreadingState,
  ) {
    super();
    this.highlight = new Highlight(layer);
    this.queue = new QueueModel(session, state);
    const refreshDone = throttle(() => {
      if (this.queue.size > 0)
        this.queue.refreshDone().catch(() => this.say("The queue could not be read again."));
    }, DONE_INTERVAL);
    this.registerDisposer(() => refreshDone.cancel());
    let seen = session.standing;
    this.registerDisposer(
      session.changed.add(() => {
        this.updated.dispatch();
        if (session.standing === seen) return;
        seen = session.standing;
        refreshDone();
        this.lookAgain();
      }),
    );
    this.registerDisposer(this.queue.changed.add(this.updated.dispatch));
    const order = () => this.queue.order();
    for (const value of [state.metric, state.reverse, state.minimumVoxels])
      this.registerDisposer(value.changed.add(order));
  }

  changed(): void {
    this.updated.dispatch();
  }

  say(message: string): void {
    this.message = message;
    this.updated.dispatch();
  }

  /** The current object, when there is one that is not deleted. */
  get object(): EditedObject | undefined {
    const found = this.current?.found;
    return typeof found === "object" ? found : undefined;
  }

  findAll(voxels: readonly Vec3[]): Promise<readonly FoundObject[]> {
    return this.session.find(voxels);
  }

  private async find(voxel: Vec3): Promise<FoundObject> {
    return (await this.session.find([voxel]))[0];
  }

  /** Makes the object at a voxel the current one. */
  choose(voxel: Vec3): void {
    this.pending = this.look(voxel, true);
  }

  /** Finds out what is at a voxel, which is the current object from then on. */
  private async look(voxel: Vec3, always: boolean): Promise<void> {
    const asked = ++this.asked;
    try {
      const found = await this.find(voxel);
      if (asked !== this.asked || (found === "absent" && !always)) return;
      this.current = { voxel, found };
      this.highlight.select(typeof found === "object" && !found.deleted ? found.id : undefined);
    } catch (error) {
      this.say(messageOf(error));
    }
    this.updated.dispatch();
  }

  /** The current object may have changed; a click meanwhile is newer. */
  private lookAgain(): void {
    const { asked } = this;
    this.pending = this.pending.then(() => {
      const { current } = this;
      if (current !== undefined && asked === this.asked) return this.look(current.voxel, true);
    });
  }

  /** A click into the view. */
  async click(voxel: Vec3): Promise<void> {
    if (this.mode !== undefined) {
      await this.quietly(this.mode.click(voxel));
      return;
    }
    this.place = undefined;
    this.message = "";
    this.pending = this.look(voxel, false);
    await this.pending;
  }

  /** A click with Shift, while a mode is on. */
  async line(voxel: Vec3): Promise<void> {
    await this.mode?.line?.(voxel);
  }

  async perform(action: Action): Promise<Outcome> {
    const outcome = await this.session.perform(action);
    this.say("refused" in outcome ? `Not done: ${outcome.refused}.` : "");
    return outcome;
  }

  async preview(action: Action | undefined, marks: readonly (readonly Vec3[])[]): Promise<TriedEdit> {
    const operation = action && this.session.create(action);
    const tried = await this.session.try(operation, true, marks);
    const colours: [number, number][] = marks.map((_, k) => [FIRST_MARK_ID + k, MARKER_COLOUR]);
    for (const { id } of tried.objects) {
      const part = Array.from({ length: 255 }, (_, k) => k).find(
        (k) => id === (k === 0 ? -1 : madeObjectId(operation!.id, k)),
      );
      colours.unshift([id, part ?? (id < FIRST_MADE_ID ? 0 : 2)]);
    }
    this.highlight.setPreview(colours);
    return tried;
  }

  /** Begins a mode, or ends it when it is on. */
  async start(name: Mode["name"]): Promise<void> {
    const same = this.mode?.name === name;
    await this.cancel();
    if (same) return;
    if (name === "merge") this.mode = new MergeMode(this);
    else if (name === "split") this.mode = new SplitMode(this);
    else {
      const { threshold } = this.session.mito.settings.value;
      const radius = this.session.mito.voxelSize.map((size) => Math.max(1, Math.round(ADD_RADIUS / size)));
      this.mode = new AddMode(
        this,
        Math.max(0.05, Math.round(50 * threshold) / 100),
        radius as unknown as Vec3,
      );
    }
    this.say("");
  }

  async commit(): Promise<void> {
    const { mode } = this;
    if (mode !== undefined && (await this.quietly(mode.commit()))) await this.cancel();
  }

  async cancel(): Promise<void> {
    const { mode } = this;
    if (mode === undefined) return;
    this.mode = undefined;
    await this.quietly(mode.end());
    this.lookAgain();
    this.updated.dispatch();
  }

  /** Says what went wrong. */
  async quietly<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      this.say(messageOf(error));
      return undefined;
    }
  }

  private async onCurrent(action: (anchor: Vec3, object: EditedObject) => Action): Promise<boolean> {
    await this.pending;
    const { current, object } = this;
    if (current === undefined || object === undefined) {
      this.say("Click an object first, or go to one in the queue.");
      return false;
    }
    return "done" in (await this.perform(action(current.voxel, object)));
  }

  async verdict(verdict: Verdict): Promise<void> {
    await this.pending;
    // The same once more takes it back.
    const given = this.object?.verdict === verdict ? "none" : verdict;
    const done = await this.onCurrent((anchor) => ({ kind: "verdict", anchor, verdict: given }));
    if (!done || given === "none") return;
    await this.goOn();
  }

  async remove(): Promise<void> {
    if (await this.onCurrent((anchor) => ({ kind: "delete", anchor }))) await this.goOn();
  }

  async restore(): Promise<void> {
    await this.onCurrent((anchor) => ({ kind: "restore", anchor }));
  }

  async separate(): Promise<void> {
    await this.onCurrent((anchor) => ({ kind: "separate", anchor }));
  }

  async shape(kind: "fill_holes" | "smooth" | "grow" | "shrink"): Promise<void> {
    const axis = this.session.mito.geometry.sliceAxis;
    const reach: Reach =
      this.reach === "3" ? { dimensions: 3 } : { dimensions: 2, axis, sections: this.reach };
    await this.onCurrent((anchor) =>
      kind === "fill_holes" ? { kind, anchor, reach } : { kind, anchor, reach, voxels: 1 },
    );
  }

  async tag(tag: string): Promise<void> {
    await this.pending;
    const remove = this.object?.tags.includes(tag) ?? false;
    await this.onCurrent((anchor) => ({ kind: "tag", anchor, tag, ...(remove && { remove }) }));
  }

  async comment(text: string): Promise<void> {
    await this.onCurrent((anchor) => ({ kind: "comment", anchor, text }));
  }

  async toggle(kind: "undo" | "redo"): Promise<void> {
    const outcome = await this.session[kind]();
    this.say("refused" in outcome ? outcome.refused : kind === "undo" ? "Undone." : "Done again.");
  }

  /** Takes back, or puts back, any operation of the log. */
  async toggleOne(kind: "undo" | "redo", target: string): Promise<void> {
    await this.perform({ kind, target });
  }

  private async goOn(): Promise<void> {
    const { place } = this;
    if (place === undefined) return;
    this.queue.finish(place);
    if (this.state.goOn.value) await this.step(1);
  }

  /** The next or previous object of the queue, which is measured first when that has not been done. */
  async step(by: 1 | -1): Promise<void> {
    const first = this.queue.size === 0;
    if (first) await this.load();
    // Where it stood is where it begins.
    const { place: stood } = this.queue.now;
    const place = first && stood !== undefined && !this.queue.isDone(stood) ? stood : this.queue.step(by);
    if (place === undefined) {
      this.say(this.queue.size === 0 ? "There is no object here yet." : "All objects of the queue are done.");
      return;
    }
    this.goTo(place);
  }

  async load(): Promise<void> {
    await this.quietly(this.queue.load());
  }

  goTo(place: QueuePlace): void {
    this.queue.goTo(place);
    this.place = place;
    this.show(place.anchor);
  }

  /** Moves the view to a voxel, whose object is the current one. */
  show(voxel: Vec3): void {
    this.message = "";
    this.layer.goToVoxel(voxel.map((v) => v + 0.5) as unknown as Vec3);
    this.choose(voxel);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
