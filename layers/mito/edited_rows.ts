import { measuredFlag } from "../../src/morphology/object_properties.js";
import {
  FLAG_BORDER,
  FLAG_FAILED,
  FLAG_PARTIAL,
  OBJECT_COLUMN_IDS,
  type ObjectRows,
} from "../../src/morphology/object_types.js";
import type { PlacedRuns } from "../../src/segmentation/types.js";

export interface EditedRowsHost {
  /** Stands for the voxels of an object that edits gave others; undefined of objects that are as predicted, or none. */
  shape(id: number): object | undefined;
  pieces(id: number): Promise<PlacedRuns[] | undefined>;
  state(id: number): { readonly partial: boolean; readonly border: boolean };
  /** See `ObjectRowsHost.measure`. */
  measure(id: number, pieces: readonly PlacedRuns[], signal: AbortSignal): Promise<Float64Array>;
  send(rows: ObjectRows): void;
}

/** Rows of objects that edits gave other voxels, one measured after the other. Without intensity: the EM need not be at hand. */
export class EditedRows {
  private readonly waiting = new Set<number>();
  private readonly measured = new Map<number, object>();
  private running = false;
  private readonly disposal = new AbortController();

  constructor(private readonly host: EditedRowsHost) {}

  /** The object may have other voxels than before. */
  change(id: number): void {
    const shape = this.host.shape(id);
    if (shape === undefined) {
      this.waiting.delete(id);
      this.measured.delete(id);
    } else if (this.measured.get(id) !== shape) {
      this.waiting.add(id);
      if (!this.running) void this.run();
    }
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
    const shape = this.host.shape(id);
    if (shape === undefined) return;
    let values = new Float64Array(OBJECT_COLUMN_IDS.length).fill(Number.NaN);
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
    if (this.host.shape(id) !== shape) return;
    this.measured.set(id, shape);
    const { partial, border } = this.host.state(id);
    this.host.send({
      ids: Float64Array.of(id),
      values,
      flags: Uint8Array.of(flag | (partial ? FLAG_PARTIAL : 0) | (border ? FLAG_BORDER : 0)),
      gone: new Float64Array(0),
    });
  }
}

/** Rows of predicted objects without those that are, by edits, no objects of their own any more or have other voxels. */
export function withoutEdited(
  { ids, values, flags, gone }: ObjectRows,
  isObject: (id: number) => boolean | undefined,
  isReshaped: (id: number) => boolean,
): ObjectRows {
  const width = OBJECT_COLUMN_IDS.length;
  const kept = Array.from(ids, (_, row) => row).filter(
    (row) => isObject(ids[row]) !== false && !isReshaped(ids[row]),
  );
  const now = new Float64Array(kept.length * width);
  kept.forEach((row, i) => {
    now.set(values.subarray(row * width, (row + 1) * width), i * width);
  });
  return {
    ids: Float64Array.from(kept, (row) => ids[row]),
    values: now,
    flags: Uint8Array.from(kept, (row) => flags[row]),
    gone: gone.filter((id) => !isReshaped(id)),
  };
}
