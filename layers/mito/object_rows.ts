import {
  ADDITIVE_WIDTH,
  additiveColumns,
  mergeMeasures,
  type PlacedSums,
} from "../../src/morphology/additive.js";
import { joinColumns, measuredFlag } from "../../src/morphology/object_properties.js";
import {
  FLAG_BORDER,
  FLAG_FAILED,
  FLAG_PARTIAL,
  type MeasureFrame,
  OBJECT_COLUMN_IDS,
  type ObjectRows,
} from "../../src/morphology/object_types.js";
import type { ObjectGraph } from "../../src/segmentation/object_graph.js";
import type { PlacedRuns } from "../../src/segmentation/types.js";

const WIDTH = OBJECT_COLUMN_IDS.length;
/** Objects that the page is told of; beyond it those that changed longest ago are taken back. */
const MOST_OBJECTS = 200_000;
/** Rows sent at once: a message of about 1 MB. */
const ROWS_AT_ONCE = 4_000;
/** Objects chosen for measuring at once: after that, what is near the view is asked again. */
const CHOSEN_AT_ONCE = 32;

export interface ObjectRowsHost {
  readonly frame: MeasureFrame;
  graph(): ObjectGraph;
  /** The object's runs, those dropped made anew; undefined when they cannot be had. */
  pieces(id: number): Promise<PlacedRuns[] | undefined>;
  /** All columns of the object. @throws when it cannot be measured; the signal's reason. */
  measure(id: number, pieces: readonly PlacedRuns[], signal: AbortSignal): Promise<Float64Array>;
  /** Says of an object whether a part of it is on the screen now. */
  visibility(): (id: number) => boolean;
  /** There is something to send: `take` wants to be called soon. */
  ready(): void;
}

/** The rows of the object table: what adds up at once, the rest when the whole object is there and has had its turn. */
export class ObjectRowsMaker {
  /** Ids that the page has, the one that changed last at the end. */
  private readonly sent = new Set<number>();
  private readonly dirty = new Set<number>();
  private readonly gone = new Set<number>();
  private readonly unmeasured = new Set<number>();
  /** Measured, or found not to be measurable, and not yet sent. */
  private readonly measured = new Map<number, Float64Array | "failed">();
  private selected: ReadonlySet<number> = new Set();
  private current: { readonly id: number; readonly controller: AbortController } | undefined;
  private running = false;
  private disposed = false;

  constructor(
    private readonly host: ObjectRowsHost,
    private readonly most = MOST_OBJECTS,
  ) {}

  /** Objects changed, or are none any more. */
  change(objects: Iterable<number>, gone: Iterable<number>): void {
    for (const id of gone) this.drop(id);
    const graph = this.host.graph();
    for (const id of objects) {
      this.forget(id);
      if (!graph.isShown(id)) {
        this.drop(id);
        continue;
      }
      this.gone.delete(id);
      this.dirty.add(id);
      const partial = graph.state(id)?.partial ?? true;
      if (!partial || this.selected.has(id)) this.unmeasured.add(id);
    }
    if (this.dirty.size > 0 || this.gone.size > 0) this.host.ready();
    this.start();
  }

  /** These are measured even while they are partial. */
  select(ids: ReadonlySet<number>): void {
    for (const id of ids) {
      if (this.selected.has(id) || !this.host.graph().isShown(id)) continue;
      if (this.host.graph().state(id)?.partial) this.unmeasured.add(id);
    }
    this.selected = ids;
    this.start();
  }

  /** The next rows; undefined when there is nothing to tell. */
  take(): ObjectRows | undefined {
    const ids: number[] = [];
    for (const id of this.dirty) {
      if (ids.length === Math.min(ROWS_AT_ONCE, this.most)) break;
      this.dirty.delete(id);
      ids.push(id);
    }
    const values = new Float64Array(ids.length * WIDTH);
    const flags = new Uint8Array(ids.length);
    let rows = 0;
    for (const id of ids) {
      const row = this.row(id);
      if (row === undefined) continue;
      values.set(row.values, rows * WIDTH);
      flags[rows] = row.flags;
      ids[rows++] = id;
      this.sent.delete(id);
      this.sent.add(id);
    }
    for (const oldest of this.sent) {
      if (this.sent.size <= this.most) break;
      this.sent.delete(oldest);
      this.gone.add(oldest);
    }
    const gone = Float64Array.from(this.gone);
    this.gone.clear();
    if (this.dirty.size > 0) this.host.ready();
    if (rows === 0 && gone.length === 0) return undefined;
    return {
      ids: Float64Array.from(ids.slice(0, rows)),
      values: values.slice(0, rows * WIDTH),
      flags: flags.slice(0, rows),
      gone,
    };
  }

  dispose(): void {
    this.disposed = true;
    this.current?.controller.abort(new DOMException("the layer was closed", "AbortError"));
  }

  private drop(id: number): void {
    this.forget(id);
    this.dirty.delete(id);
    if (this.sent.delete(id)) this.gone.add(id);
  }

  /** What was measured is not of the object as it is now. */
  private forget(id: number): void {
    this.unmeasured.delete(id);
    this.measured.delete(id);
    if (this.current?.id === id)
      this.current.controller.abort(new DOMException("the object changed", "AbortError"));
  }

  private row(id: number): { values: Float64Array; flags: number } | undefined {
    const graph = this.host.graph();
    const object = graph.state(id);
    if (object === undefined) return undefined;
    const measured = this.measured.get(id);
    this.measured.delete(id);
    const flags = (object.border ? FLAG_BORDER : 0) | (object.partial ? FLAG_PARTIAL : 0);
    if (measured instanceof Float64Array)
      return { values: joinColumns(this.additive(id), measured), flags: flags | measuredFlag(measured) };
    return { values: this.additive(id), flags: flags | (measured === "failed" ? FLAG_FAILED : 0) };
  }

  private additive(id: number): Float64Array {
    const parts: PlacedSums[] = [];
    for (const { lower, measures, labels } of this.host.graph().measuresOf(id) ?? [])
      for (const label of labels)
        parts.push({
          lower,
          values: measures.values.subarray((label - 1) * ADDITIVE_WIDTH, label * ADDITIVE_WIDTH),
        });
    const { origin, values } = mergeMeasures(parts);
    return additiveColumns(values, origin, this.host.frame);
  }

  private start(): void {
    if (!this.running && this.unmeasured.size > 0) void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.unmeasured.size > 0 && !this.disposed) {
      for (const id of this.choose()) {
        if (this.disposed) break;
        if (this.unmeasured.delete(id)) await this.measureOne(id);
      }
    }
    this.running = false;
  }

  /** On the screen first, then the large. */
  private choose(): number[] {
    const graph = this.host.graph();
    const isVisible = this.host.visibility();
    const wanted = Array.from(this.unmeasured, (id) => ({
      id,
      visible: isVisible(id),
      voxels: graph.state(id)?.voxels ?? 0,
    }));
    wanted.sort((a, b) => Number(b.visible) - Number(a.visible) || b.voxels - a.voxels);
    return wanted.slice(0, CHOSEN_AT_ONCE).map(({ id }) => id);
  }

  private async measureOne(id: number): Promise<void> {
    const controller = new AbortController();
    const current = { id, controller };
    this.current = current;
    try {
      const pieces = await this.host.pieces(id);
      controller.signal.throwIfAborted();
      if (pieces === undefined) return;
      this.measured.set(id, await this.host.measure(id, pieces, controller.signal));
    } catch {
      if (controller.signal.aborted) return;
      this.measured.set(id, "failed");
    } finally {
      this.current = undefined;
    }
    this.dirty.add(id);
    this.host.ready();
  }
}
