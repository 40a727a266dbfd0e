import { LabelsDroppedError } from "../../src/proofreading/graph_view.js";
import { FIRST_MADE_ID } from "../../src/proofreading/operation_id.js";
import { objectPlaces, type QueueSources } from "../../src/proofreading/queue_measures.js";
import { Replay, type Step } from "../../src/proofreading/replay.js";
import type { CorrectedObject, KnownOperation, Operation, VoxelSet } from "../../src/proofreading/types.js";
import { toPlaced, visitRuns, voxelSet } from "../../src/proofreading/voxel_set.js";
import type { PlacedRuns } from "../../src/segmentation/types.js";
import { boxSize } from "../../src/volume/box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import type { EditOverlay } from "./edit_overlay.js";
import {
  type EditedObject,
  type EditsChanged,
  type FoundObject,
  MOST_CONFLICTS,
  type QueuePlaces,
  type TriedEdit,
} from "./edits_protocol.js";
import type { EditsView } from "./edits_view.js";
import type { WholeObjects } from "./whole_objects.js";

/** Changes of the predictions that come within this time are replayed together, ms; longer where a replay takes long. */
const SOON = 40;
const LATE = 400;
/** Objects are measured for the queue for this long at once, ms. */
const QUEUE_TURN = 60;
/** Half width of a marker's dot, voxels. */
const DOT = 3;
/** Ids of markers: the largest that there are. */
export const FIRST_MARK_ID = Number.MAX_SAFE_INTEGER - 255;

interface Drawn {
  readonly id: number;
  readonly voxels: VoxelSet;
}

export type ChangeReport = Omit<EditsChanged, "id">;

/** The edits of one source: its log replayed over what is predicted, and what the views show of it. */
export class EditedObjects implements EditOverlay {
  private readonly replay: Replay;
  /** What an edit that is only tried would draw, over everything else. */
  private tried: readonly Drawn[] = [];
  private readonly versions = new Map<string, number>();
  private version = 0;
  /** Chunks in which an object has drawn voxels. */
  private readonly drawnAt = new Map<number, readonly string[]>();
  private readonly stale = new Set<number>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private telling = false;
  /** What the last replay over changed predictions took, ms. */
  private lastRefresh = 0;
  private disposed = false;

  constructor(
    private readonly view: EditsView,
    private readonly objects: WholeObjects,
    private readonly report: (change: ChangeReport) => void,
  ) {
    this.replay = new Replay(view);
  }

  private get corrections() {
    return this.replay.corrections;
  }

  dispose(): void {
    this.disposed = true;
    clearTimeout(this.timer);
  }

  /** Takes operations of the log; those that are known are passed over. */
  async add(operations: readonly Operation[]): Promise<void> {
    const fresh = operations.filter(({ id }) => this.replay.log.get(id) === undefined);
    if (fresh.length === 0) return;
    for (const operation of fresh.slice(0, 100)) await this.bringBack(operation);
    await this.step(() => this.replay.add(fresh), fresh.length === 1);
  }

  /** Objects of the predictions are others than before, or none any more. */
  predictionsChanged(ids: readonly number[]): void {
    if (this.telling || this.disposed || this.replay.log.size === 0) return;
    for (const id of ids) this.stale.add(id);
    this.timer ??= setTimeout(
      () =>
        void this.refresh().catch((error: unknown) => console.error("edits could not be replayed:", error)),
      Math.min(LATE, Math.max(SOON, 3 * this.lastRefresh)),
    );
  }

  private async refresh(): Promise<void> {
    this.timer = undefined;
    const objects = [...this.stale];
    this.stale.clear();
    this.view.release();
    const begun = performance.now();
    await this.step(() => this.replay.refresh({ objects, boxes: this.boxesOf(objects) }), false);
    this.lastRefresh = performance.now() - begun;
  }

  /** Chunks of objects; of those that are gone, the one that gave the id. */
  private boxesOf(ids: readonly number[]): Box[] {
    const { predicted } = this.objects;
    const keys = new Map<string, Vec3>();
    for (const id of ids) {
      const home = predicted.grid.positionOf(Math.floor(id / 2 ** 20));
      if (predicted.grid.has(home)) keys.set(home.join(), home);
      for (const { position } of predicted.object(id)?.pieces ?? []) keys.set(position.join(), position);
    }
    return Array.from(keys.values(), (position) => predicted.grid.boxOf(position));
  }

  private async step(work: () => Promise<Step>, single: boolean): Promise<void> {
    const begun = performance.now();
    const { changed } = await work();
    if (this.disposed) return;
    this.publish(changed, single, performance.now() - begun);
  }

  private publish(changed: ReadonlySet<number>, single: boolean, milliseconds: number): void {
    const { predicted } = this.objects;
    const keys = new Set<string>();
    for (const id of changed) {
      for (const { position } of predicted.object(id)?.pieces ?? []) keys.add(position.join());
      const now = this.chunksOfDrawn(id);
      for (const key of [...(this.drawnAt.get(id) ?? []), ...now]) {
        keys.add(key);
        this.versions.set(key, ++this.version);
      }
      if (now.length > 0) this.drawnAt.set(id, now);
      else this.drawnAt.delete(id);
    }
    this.tell(keys, [...changed]);
    const { conflicts, waiting } = this.standing();
    this.report({
      conflicts: conflicts.slice(0, MOST_CONFLICTS),
      conflictCount: conflicts.length,
      waiting,
      changed: Float64Array.from(changed),
      became: this.became(changed, single),
      operations: this.replay.log.size,
      corrected: [...this.corrections.corrected()].length,
      milliseconds,
    });
  }

  private tell(keys: Iterable<string>, ids: readonly number[]): void {
    this.telling = true;
    try {
      this.objects.edited(keys, ids);
    } finally {
      this.telling = false;
    }
  }

  private chunksOfDrawn(id: number): string[] {
    if (!this.corrections.has(id)) return [];
    const { atoms, deleted } = this.corrections.get(id);
    if (deleted) return [];
    return atoms.flatMap(({ voxels }) => (voxels === undefined ? [] : this.chunksOf(voxels.box)));
  }

  private chunksOf(box: Box): string[] {
    return this.view.positionsIn(box).map((position) => position.join());
  }

  private became(changed: ReadonlySet<number>, single: boolean): Float64Array {
    const pairs: number[] = [];
    const isNow = (id: number) => this.isObject(id) ?? true;
    const come = single ? [...changed].filter(isNow) : [];
    for (const id of changed) {
      if (isNow(id)) continue;
      const owner = id < FIRST_MADE_ID ? this.corrections.shownAs(id) : 0;
      if (owner !== 0) pairs.push(id, owner);
      else for (const other of come.slice(0, 16)) pairs.push(id, other);
    }
    return Float64Array.from(pairs);
  }

  /** Conflicts, without those that only wait for chunks. */
  private standing() {
    const waiting = new Set<string>();
    const conflicts = this.replay.conflicts().filter(({ operation, reason, anchors }) => {
      const waits = reason === "no-object" && anchors.some((anchor) => !this.view.isThere(anchor));
      if (waits) waiting.add(operation);
      return !waits;
    });
    return { conflicts, waiting: waiting.size };
  }

  /** What an operation would do now. @param show whether the views show it, with the marks, until the next call. */
  async try(
    operation: KnownOperation | undefined,
    show: boolean,
    marks: readonly (readonly Vec3[])[] = [],
  ): Promise<TriedEdit> {
    if (operation !== undefined) await this.bringBack(operation);
    const { objects, conflicts } =
      operation === undefined ? { objects: [], conflicts: [] } : await this.replay.preview(operation);
    const drawn: Drawn[] = [];
    if (show) {
      for (const { id, atoms, deleted } of objects)
        if (!deleted) for (const { voxels } of atoms) if (voxels !== undefined) drawn.push({ id, voxels });
      marks.forEach((voxels, k) => {
        drawn.push({ id: FIRST_MARK_ID + (k % 256), voxels: dots(voxels) });
      });
    }
    const keys = new Set([...this.tried, ...drawn].flatMap(({ voxels }) => this.chunksOf(voxels.box)));
    this.tried = drawn;
    for (const key of keys) this.versions.set(key, ++this.version);
    if (keys.size > 0) this.tell(keys, []);
    return { conflicts, objects: objects.map((object) => this.describe(object)) };
  }

  /** Labels that an operation needs and that were dropped to save memory. */
  private async bringBack(operation: Operation): Promise<void> {
    const { predicted } = this.objects;
    const positions = anchorsOf(operation)
      .slice(0, 64)
      .flatMap(([x, y, z]) => this.view.positionsIn({ lower: [x, y, z], upper: [x + 1, y + 1, z + 1] }));
    await this.objects.bringBack(positions);
    for (const anchor of anchorsOf(operation).slice(0, 64)) {
      const id = this.quietly(() => this.view.objectAt(anchor)) ?? 0;
      if (id !== 0) await this.objects.bringBack(predicted.droppedOf(id));
    }
  }

  private quietly<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      // What needs labels that were dropped is tried again when they are back.
      if (!(error instanceof LabelsDroppedError)) throw error;
      return undefined;
    }
  }

  find(voxel: Vec3): FoundObject {
    if (!this.view.isThere(voxel)) return "absent";
    const id = this.quietly(() => this.corrections.find(voxel));
    if (id === undefined) return "absent";
    return id === 0 ? "background" : this.describe(this.corrections.get(id));
  }

  private describe({ id, atoms, deleted, verdict, tags, comments }: CorrectedObject): EditedObject {
    const voxels = atoms.reduce(
      (sum, atom) => sum + (atom.voxels?.count ?? this.objects.predicted.state(atom.id)?.voxels ?? 0),
      0,
    );
    return {
      id,
      voxels,
      deleted: deleted !== undefined,
      ...(verdict && { verdict: verdict.verdict }),
      tags,
      comments: comments.map(({ text, author }) => ({ text, author })),
      parts: atoms.length,
    };
  }

  /** The next objects for the queue, in the order of their ids. */
  async places(after: number, prior: QueueSources["prior"]): Promise<QueuePlaces> {
    const { predicted } = this.objects;
    const ids: number[] = [];
    for (const { id } of predicted.objects()) if (predicted.isShown(id)) ids.push(id);
    ids.sort((a, b) => a - b);
    const places: QueuePlaces["places"][number][] = [];
    const begun = performance.now();
    let next: number | undefined;
    for (const id of ids) {
      if (id <= after) continue;
      if (performance.now() - begun > QUEUE_TURN) break;
      next = id;
      try {
        places.push(...(await objectPlaces({ view: this.view, ...(prior && { prior }) }, [id])));
      } catch {
        // Its labels were dropped: it is in the queue once it has been looked at again.
      }
    }
    this.view.release();
    return { places, next: next === ids.at(-1) ? undefined : next, total: ids.length };
  }

  apply(position: Vec3, ids: Float64Array): Float64Array {
    const { corrections } = this;
    const out = ids.slice();
    const { predicted } = this.objects;
    for (let label = 1; label < out.length; ++label) {
      // Small objects that are hidden are shown when somebody corrected or judged them.
      const id = out[label] || (predicted.objectOf(position, label) ?? 0);
      if (id === 0) continue;
      const shown = corrections.shownAs(id);
      if (shown !== id || corrections.has(shown)) out[label] = shown;
    }
    return out;
  }

  drawnVersion(key: string): number {
    return this.versions.get(key) ?? 0;
  }

  paint(box: Box, ids: BigUint64Array, preview: boolean, factor: Vec3 = [1, 1, 1]): void {
    const scaled = (corner: Vec3) => corner.map((v, i) => v * factor[i]) as unknown as Vec3;
    const fine: Box = { lower: scaled(box.lower), upper: scaled(box.upper) };
    const draw = (voxels: VoxelSet, id: number) => paintIds(voxels, fine, factor, box, ids, BigInt(id));
    for (const { id, atoms } of this.corrections.drawnIn(fine))
      for (const { voxels } of atoms) if (voxels !== undefined) draw(voxels, id);
    if (preview) for (const { id, voxels } of this.tried) draw(voxels, id);
  }

  isObject(id: number): boolean | undefined {
    // Of a split, one part keeps the id of the predicted object.
    if (this.corrections.has(id)) return !this.corrections.get(id).deleted;
    if (this.tried.some((drawn) => drawn.id === id)) return true;
    if (id >= FIRST_MADE_ID) return false;
    return this.corrections.shownAs(id) === id ? undefined : false;
  }

  shape(id: number): object | undefined {
    if (!this.corrections.has(id)) return undefined;
    const { atoms, deleted } = this.corrections.get(id);
    const asPredicted = atoms.length === 1 && atoms[0].voxels === undefined;
    return deleted || asPredicted ? undefined : atoms;
  }

  partsOf(id: number): readonly number[] {
    return this.corrections
      .get(id)
      .atoms.flatMap(({ id: part, voxels }) => (voxels === undefined ? [part] : []));
  }

  piecesOf(id: number): PlacedRuns[] | undefined {
    if (!this.corrections.has(id)) return undefined;
    return this.quietly(() => toPlaced(this.corrections.voxelsOf(this.corrections.get(id))));
  }
}

/** Anchors of an operation, markers of a split included. */
function anchorsOf(operation: Operation): readonly Vec3[] {
  switch (operation.kind) {
    case "merge":
      return operation.anchors;
    case "split":
      return operation.parts.flat();
    case "add":
      return [operation.seed];
    case "undo":
    case "redo":
    case "not understood":
      return [];
    default:
      return [operation.anchor];
  }
}

function dots(centres: readonly Vec3[]): VoxelSet {
  const runs: number[] = [];
  for (const [x, y, z] of centres)
    for (let dy = -DOT; dy <= DOT; ++dy) {
      const half = Math.floor(Math.sqrt(DOT * DOT - dy * dy));
      runs.push(z, y + dy, x - half, x + half + 1);
    }
  return voxelSet(Int32Array.from(runs));
}

function paintIds(set: VoxelSet, fine: Box, factor: Vec3, box: Box, ids: BigUint64Array, id: bigint): void {
  const [width, height] = boxSize(box);
  const [x0, y0, z0] = box.lower;
  const [mx, my, mz] = factor.map((f) => Math.floor(f / 2));
  visitRuns(set, fine, (start, end, y, z) => {
    if (y % factor[1] !== my || z % factor[2] !== mz) return;
    const base = width * (Math.floor(y / factor[1]) - y0 + height * (Math.floor(z / factor[2]) - z0)) - x0;
    // The first voxel of the box whose middle is at or behind an end.
    const first = (x: number) => Math.max(x0, Math.ceil((x - mx) / factor[0]));
    ids.fill(id, base + first(start), base + Math.min(box.upper[0], first(end)));
  });
}
