import {
  ADDITIVE,
  type MeasureFrame,
  type ObjectRows,
  type PieceMeasures,
} from "../../src/morphology/object_types.js";
import { ObjectGraph } from "../../src/segmentation/object_graph.js";
import type { Connectivity, LabelRuns, LabelSettings, PlacedRuns } from "../../src/segmentation/types.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import { keepLabels } from "../../workers/keep_labels.js";
import { ChunkIds, type Mapping } from "./chunk_ids.js";
import type { EditOverlay } from "./edit_overlay.js";
import { EditedRows } from "./edited_rows.js";
import { followed, Heirs } from "./heirs.js";
import { ObjectRowsMaker } from "./object_rows.js";
import type { ObjectIds } from "./protocol.js";
import { sameRuns } from "./same_runs.js";

/** Labels of the chunks of one source, as runs; beyond it those not used for longest are made anew when they are needed. */
const RUN_BYTES = 192 * 2 ** 20;
/** With what is kept of a chunk besides its runs: beyond it chunks that are not on the screen are forgotten, the oldest first. */
const MOST_BYTES = 2 * RUN_BYTES;
/** The page hears of other ids at most this often, ms. */
const IDS_INTERVAL = 500;
/** Rows follow each other at this distance, ms. */
const ROWS_INTERVAL = 250;
/** What comes within this time after a change is told with it, ms. */
const SOON = 40;

export interface WholeObjectsHost {
  readonly chunkSize: Vec3;
  readonly bounds: Box;
  readonly frame: MeasureFrame;
  /** Chunks that have data now, the most wanted first. */
  finished(): readonly string[];
  /** Chunks that a view asks for. */
  visible(): ReadonlySet<string>;
  isComing(key: string): boolean;
  /** See ChunkIdsHost. */
  write(key: string, runs: LabelRuns, ids: Float64Array): Promise<(() => void) | undefined>;
  /** The chunk's labels, made anew as they were; undefined when they cannot be had. Must not reject. */
  labelAgain(key: string): Promise<LabelRuns | undefined>;
  measure(id: number, pieces: readonly PlacedRuns[], signal: AbortSignal): Promise<Float64Array>;
  /** Overviews of these chunks are out of date. */
  touched(keys: readonly string[]): void;
  /** Objects that are other than before, or none any more. */
  changed(ids: readonly number[]): void;
  sendIds(message: Omit<ObjectIds, "id">): void;
  sendRows(rows: ObjectRows): void;
}

export function positionOf(key: string): Vec3 {
  return key.split(",").map(Number) as unknown as Vec3;
}

/** Joins the chunks of one source to whole objects, and keeps the screen, the page and its table in step with them. */
export class WholeObjects {
  /** Edits of the user, which may change the ids that are shown. */
  overlay: EditOverlay | undefined;
  readonly chunkIds: ChunkIds;
  private graph: ObjectGraph;
  private readonly rows: ObjectRowsMaker;
  private readonly editedRows: EditedRows;
  private readonly heirs = new Heirs();
  /** Grows each time a chunk is labelled otherwise. */
  private readonly versions = new Map<string, number>();
  private version = 0;
  private readonly withIntensity = new Set<string>();
  /** Since the page heard of it last. */
  private renamed: ReadonlyMap<number, number> = new Map();
  private idsTimer: ReturnType<typeof setTimeout> | undefined;
  private rowsTimer: ReturnType<typeof setTimeout> | undefined;
  private lastIds = Number.NEGATIVE_INFINITY;
  private lastRows = Number.NEGATIVE_INFINITY;
  private readonly touched = new Set<string>();
  private disposed = false;

  constructor(
    private readonly host: WholeObjectsHost,
    settings: LabelSettings,
  ) {
    this.graph = this.newGraph(settings.connectivity);
    this.graph.minimumVoxels = settings.minimumVoxels;
    this.chunkIds = new ChunkIds({
      finished: () => host.finished(),
      isComing: (key) => host.isComing(key),
      wanted: (key) => this.mappingOf(key),
      write: async (key, { ids, version }) => {
        const runs = await this.runsOf(key);
        return runs === undefined || this.versions.get(key) !== version
          ? undefined
          : host.write(key, runs, ids);
      },
    });
    this.editedRows = new EditedRows({
      overlay: () => this.overlay,
      graph: () => this.graph,
      pieces: (id) => this.piecesOf(id),
      measure: (id, pieces, signal) => host.measure(id, pieces, signal),
      asPredicted: (id) => this.rows.change([id], []),
      send: (rows) => host.sendRows(rows),
    });
    this.rows = new ObjectRowsMaker({
      frame: host.frame,
      graph: () => this.graph,
      pieces: (id) => this.piecesOf(id),
      measure: (id, pieces, signal) => host.measure(id, pieces, signal),
      visibility: () => {
        const visible = host.visible();
        return (id) => this.isVisible(id, visible);
      },
      ready: () => this.rowsSoon(),
    });
  }

  /** Whole objects, hidden ones included. */
  get size(): number {
    return this.graph.size;
  }

  get byteLength(): number {
    return this.graph.byteLength;
  }

  /** Threshold and smallest object; chunks labelled by another threshold are put again by the caller. */
  setSettings({ minimumVoxels, connectivity }: LabelSettings): void {
    if (connectivity !== this.graph.connectivity) {
      this.absorb();
      const gone = Array.from(this.graph.objects(), ({ id }) => id);
      this.graph = this.newGraph(connectivity);
      this.rows.change([], gone);
      this.host.changed(gone);
    }
    this.graph.minimumVoxels = minimumVoxels;
    this.idsSoon();
  }

  /** Takes a chunk's labels; the same ones again cost nothing. */
  put(key: string, runs: LabelRuns, measures: PieceMeasures): void {
    const position = positionOf(key);
    const before = this.graph.runsOf(position);
    const same = before ? sameRuns(before, runs) : false;
    // Measured without EM before, it is worth putting again with it.
    if (same && (this.withIntensity.has(key) || !hasIntensity(measures))) return;
    if (before && !same) {
      const ids = this.graph.mappingOf(position);
      if (ids !== undefined) this.heirs.add(this.graph.grid.indexOf(position) * 2 ** 20, before, ids, runs);
    }
    this.graph.put(position, runs, measures);
    if (!same) {
      this.versions.set(key, ++this.version);
      this.chunkIds.outdate([key]);
    }
    if (hasIntensity(measures)) this.withIntensity.add(key);
    else this.withIntensity.delete(key);
    this.trim();
    this.idsSoon();
  }

  /** Whether a chunk's labels were measured with the EM under them. */
  knowsIntensity(key: string): boolean {
    return this.withIntensity.has(key);
  }

  /** Forgets a chunk. */
  remove(key: string): void {
    this.graph.remove(positionOf(key));
    this.versions.delete(key);
    this.withIntensity.delete(key);
    this.idsSoon();
  }

  /** Chunks that are known, in the order in which they came. */
  keys(): string[] {
    return this.graph.positions().map((position) => position.join());
  }

  /** The ids that a chunk's labels are to show; undefined when the chunk is not known. */
  mappingOf(key: string): Mapping | undefined {
    // First, so that a change that this answers is not lost to the chunk's data.
    this.absorb();
    const position = positionOf(key);
    const ids = this.graph.mappingOf(position);
    if (ids === undefined) return undefined;
    return {
      ids: this.overlay?.apply(position, ids) ?? ids,
      version: this.versions.get(key) ?? 0,
      drawn: this.overlay?.drawnVersion(key) ?? 0,
    };
  }

  /** What is known of the chunks, for the edits, which must not change it. */
  get predicted(): ObjectGraph {
    return this.graph;
  }

  /** The edits of the user changed these objects, in these chunks (or all). */
  edited(keys: Iterable<string> = this.keys(), ids: readonly number[] = []): void {
    const list = [...keys];
    this.chunkIds.outdate(list);
    for (const key of list) this.touched.add(key);
    this.chunkIds.write();
    this.host.changed(ids);
    this.idsSoon();
    this.editedRows.change(ids);
  }

  /** Has the labels of chunks that were dropped made anew. @returns false when those of one cannot be had. */
  async bringBack(positions: Iterable<Vec3>): Promise<boolean> {
    for (const position of positions)
      if (this.graph.runsOf(position) === null && (await this.runsOf(position.join())) === undefined)
        return false;
    return true;
  }

  select(ids: Iterable<number>): void {
    this.rows.select(new Set(ids));
  }

  /** An object, if it is one now. */
  object(id: number) {
    this.absorb();
    return (this.overlay?.isObject(id) ?? this.graph.isShown(id)) ? { id } : undefined;
  }

  /** Runs of all pieces of an object, nothing else in them; undefined when they cannot be had. */
  async piecesOf(id: number): Promise<PlacedRuns[] | undefined> {
    const edited = this.overlay?.piecesOf(id);
    if (edited !== undefined) return edited;
    // Runs made anew may push out others, but not for ever.
    for (let attempt = 0; attempt < 3; attempt++) {
      const pieces = this.graph.piecesOf(id);
      if (pieces === undefined) return undefined;
      if (pieces !== null)
        return pieces.map(({ lower, runs, labels }) => {
          const own = new Set(labels);
          return {
            lower,
            runs: keepLabels(runs, (label) => own.has(label)),
            labels: Array.from(labels, (_, i) => i + 1),
          };
        });
      for (const position of this.graph.droppedOf(id)) {
        const runs = await this.host.labelAgain(position.join());
        if (runs === undefined || !this.graph.restore(position, runs)) return undefined;
      }
    }
    return undefined;
  }

  dispose(): void {
    this.disposed = true;
    clearTimeout(this.idsTimer);
    clearTimeout(this.rowsTimer);
    this.chunkIds.dispose();
    this.rows.dispose();
    this.editedRows.dispose();
  }

  private newGraph(connectivity: Connectivity): ObjectGraph {
    const { chunkSize, bounds } = this.host;
    return new ObjectGraph({ connectivity, chunkSize, bounds, maximumBytes: RUN_BYTES });
  }

  private async runsOf(key: string): Promise<LabelRuns | undefined> {
    const position = positionOf(key);
    const runs = this.graph.runsOf(position);
    if (runs !== null) return runs;
    const again = await this.host.labelAgain(key);
    return again !== undefined && this.graph.restore(position, again) ? again : undefined;
  }

  private trim(): void {
    if (this.graph.byteLength <= MOST_BYTES) return;
    const needed = new Set(this.host.finished());
    for (const position of this.graph.positions()) {
      const key = position.join();
      if (needed.has(key) || this.host.isComing(key)) continue;
      this.remove(key);
      if (this.graph.byteLength <= MOST_BYTES) return;
    }
  }

  private isVisible(id: number, visible: ReadonlySet<string>): boolean {
    return this.graph.object(id)?.pieces.some(({ position }) => visible.has(position.join())) ?? false;
  }

  /** Takes up what the graph says has changed. */
  private absorb(): void {
    const { objects, gone, renamed, chunks } = this.graph.takeChanges();
    if (objects.length === 0 && gone.length === 0 && chunks.length === 0) return;
    const heirs = this.heirs.take((piece) => this.graph.objectOfPiece(piece));
    this.renamed = followed(this.renamed, new Map([...renamed, ...heirs]));
    const keys = chunks.map((position) => position.join());
    this.chunkIds.outdate(keys);
    for (const key of keys) this.touched.add(key);
    this.rows.change(objects, gone);
    this.host.changed([...objects, ...gone]);
    this.idsSoon();
  }

  private idsSoon(): void {
    if (this.disposed) return;
    this.idsTimer ??= setTimeout(
      () => this.sendIds(),
      Math.max(SOON, this.lastIds + IDS_INTERVAL - performance.now()),
    );
  }

  private rowsSoon(): void {
    if (this.disposed) return;
    this.rowsTimer ??= setTimeout(
      () => {
        this.rowsTimer = undefined;
        this.lastRows = performance.now();
        const rows = this.rows.take();
        if (rows !== undefined) this.host.sendRows(this.editedRows.without(rows));
      },
      Math.max(SOON, this.lastRows + ROWS_INTERVAL - performance.now()),
    );
  }

  private sendIds(): void {
    this.idsTimer = undefined;
    this.lastIds = performance.now();
    this.absorb();
    clearTimeout(this.idsTimer);
    this.idsTimer = undefined;
    const links = this.chunkIds.update((id) => this.overlay?.isObject(id) ?? this.graph.isShown(id));
    const none = new Float64Array(0);
    if (links !== undefined || this.renamed.size > 0)
      this.host.sendIds({
        renamed: Float64Array.from([...this.renamed].filter(([from, to]) => from !== to).flat()),
        linked: links?.linked ?? none,
        unlinked: links?.unlinked ?? none,
      });
    this.renamed = new Map();
    if (this.touched.size > 0) {
      this.host.touched([...this.touched]);
      this.touched.clear();
    }
    // Links go once what they bridge is written.
    if (this.chunkIds.outdatedCount > 0 || this.chunkIds.linkCount > 0) this.idsSoon();
  }
}

const INTENSITY_VOXELS = ADDITIVE.indexOf("intensityVoxels");

function hasIntensity({ count, values }: PieceMeasures): boolean {
  return count > 0 && values[INTENSITY_VOXELS] > 0;
}
