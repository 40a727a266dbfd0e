import { measuredFlag } from "../../src/morphology/object_properties.js";
import {
  FLAG_BORDER,
  FLAG_FAILED,
  FLAG_PARTIAL,
  OBJECT_COLUMN_IDS,
  type ObjectRows,
} from "../../src/morphology/object_types.js";
import type { ObjectGraph } from "../../src/segmentation/object_graph.js";
import type { PlacedRuns } from "../../src/segmentation/types.js";
import type { EditOverlay } from "./edit_overlay.js";

const WIDTH = OBJECT_COLUMN_IDS.length;

export interface EditedRowsHost {
  overlay(): EditOverlay | undefined;
  graph(): ObjectGraph;
  pieces(id: number): Promise<PlacedRuns[] | undefined>;
  /** See `ObjectRowsHost.measure`. */
  measure(id: number, pieces: readonly PlacedRuns[], signal: AbortSignal): Promise<Float64Array>;
  /** An object is as predicted again: its row is that of the predictions. */
  asPredicted(id: number): void;
  send(rows: ObjectRows): void;
}

/** Rows of objects that edits gave other voxels, one measured after the other. Without intensity: the EM need not be at hand. */
export class EditedRows {
  private readonly waiting = new Set<number>();
  private readonly measured = new Map<number, object>();
  private running = false;
  private readonly disposal = new AbortController();

  constructor(private readonly host: EditedRowsHost) {}

  /** Edits changed these objects, or made them, or took them away. */
  change(ids: readonly number[]): void {
    const overlay = this.host.overlay();
    const gone: number[] = [];
    for (const id of ids) {
      const shape = overlay?.shape(id);
      if (shape === undefined) {
        this.waiting.delete(id);
        this.measured.delete(id);
        if (overlay?.isObject(id) !== false && this.host.graph().isShown(id)) this.host.asPredicted(id);
        else gone.push(id);
      } else if (this.measured.get(id) !== shape) this.waiting.add(id);
    }
    if (gone.length > 0) this.host.send({ ...NO_ROWS, gone: Float64Array.from(gone) });
    if (!this.running && this.waiting.size > 0) void this.run();
  }

  /** Rows of predicted objects without those that are, by edits, no objects of their own any more or have other voxels. */
  without({ ids, values, flags, gone }: ObjectRows): ObjectRows {
    const overlay = this.host.overlay();
    const isReshaped = (id: number) => overlay?.shape(id) !== undefined;
    const kept = Array.from(ids, (_, row) => row).filter(
      (row) => overlay?.isObject(ids[row]) !== false && !isReshaped(ids[row]),
    );
    const now = new Float64Array(kept.length * WIDTH);
    kept.forEach((row, i) => {
      now.set(values.subarray(row * WIDTH, (row + 1) * WIDTH), i * WIDTH);
    });
    return {
      ids: Float64Array.from(kept, (row) => ids[row]),
      values: now,
      flags: Uint8Array.from(kept, (row) => flags[row]),
      gone: gone.filter((id) => !isReshaped(id)),
    };
  }

  dispose(): void {
    this.disposal.abort(new DOMException("the layer was closed", "AbortError"));
  }

  private async run(): Promise<void> {
    this.running = true;
    for (const id of this.waiting) {
      this.waiting.delete(id);
      await this.measure(id);
      if (this.disposal.signal.aborted) break;
    }
    this.running = false;
  }

  private async measure(id: number): Promise<void> {
    const { signal } = this.disposal;
    const shape = this.host.overlay()?.shape(id);
    if (shape === undefined) return;
    let values = new Float64Array(WIDTH).fill(Number.NaN);
    let flag = FLAG_FAILED;
    try {
      const pieces = await this.host.pieces(id);
      if (pieces === undefined) return;
      values = Float64Array.from(await this.host.measure(id, pieces, signal));
      flag = measuredFlag(values);
    } catch {
      if (signal.aborted) return;
    }
    // Changed meanwhile: it waits for its turn again.
    if (this.host.overlay()?.shape(id) !== shape) return;
    this.measured.set(id, shape);
    const flags = Uint8Array.of(flag | this.placeFlags(id));
    this.host.send({ ...NO_ROWS, ids: Float64Array.of(id), values, flags });
  }

  /** Whether predicted parts of it may still come, and whether they touch the volume's border. */
  private placeFlags(id: number): number {
    const parts = this.host.overlay()?.partsOf(id) ?? [];
    const states = parts.map((part) => this.host.graph().state(part));
    const partial = states.some((state) => state?.partial ?? false);
    const border = states.some((state) => state?.border ?? false);
    return (partial ? FLAG_PARTIAL : 0) | (border ? FLAG_BORDER : 0);
  }
}

const NO_ROWS: ObjectRows = {
  ids: new Float64Array(0),
  values: new Float64Array(0),
  flags: new Uint8Array(0),
  gone: new Float64Array(0),
};
