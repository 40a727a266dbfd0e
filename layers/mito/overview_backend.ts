import { WithParameters } from "neuroglancer/unstable/chunk_manager/backend.js";
import { postProcessRawData } from "neuroglancer/unstable/sliceview/backend_chunk_decoders/postprocess.js";
import { type VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { type RPC, registerSharedObject } from "neuroglancer/unstable/worker_rpc.js";
import { boxVolume } from "../../src/volume/box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import { isFinished, replaceData } from "./chunk_state.js";
import type { LabelsSource } from "./labels_backend.js";
import { OverviewParameters } from "./protocol.js";
import { sampledBox } from "./thumbnails.js";

/** How long finished chunks are collected before overviews are drawn again, ms. */
const REFRESH_INTERVAL = 300;

export interface OverviewOptions {
  labels: { id: number; gen: number };
}

/** A coarser scale: draws what was computed out of thumbnails, and computes nothing. */
export class OverviewSource extends WithParameters(VolumeChunkSource, OverviewParameters) {
  private readonly labels: LabelsSource;
  private readonly stale = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  // biome-ignore lint/suspicious/noExplicitAny: the base class takes what the frontend sent.
  constructor(rpc: RPC, options: any) {
    super(rpc, options);
    this.labels = this.registerDisposer(rpc.getRef<LabelsSource>((options as OverviewOptions).labels));
    this.labels.overviews.add(this);
    this.registerDisposer(() => {
      this.labels.overviews.delete(this);
      clearTimeout(this.timer);
    });
  }

  override async download(chunk: VolumeChunk, signal: AbortSignal): Promise<void> {
    await this.draw(chunk, this.boxOf(chunk), signal);
  }

  /** A box of the computed scale changed: draws the chunks that show it again, soon. */
  touch(box: Box): void {
    if (this.chunks.size === 0) return;
    const mine = sampledBox(box, this.labels.parameters.overviews[this.parameters.level]);
    if (mine === undefined) return;
    const size = this.spec.chunkDataSize;
    const first = mine.lower.map((l, i) => Math.floor(l / size[i]));
    const last = mine.upper.map((u, i) => Math.floor((u - 1) / size[i]));
    for (let z = first[2]; z <= last[2]; z++)
      for (let y = first[1]; y <= last[1]; y++)
        for (let x = first[0]; x <= last[0]; x++) {
          const key = `${x},${y},${z}`;
          if (this.chunks.has(key)) this.stale.add(key);
        }
    if (this.stale.size > 0) this.timer ??= setTimeout(() => void this.refresh(), REFRESH_INTERVAL);
  }

  private async refresh(): Promise<void> {
    const keys = [...this.stale];
    this.stale.clear();
    this.timer = undefined;
    for (const key of keys) {
      const chunk = this.chunks.get(key) as VolumeChunk | undefined;
      if (chunk === undefined || !isFinished(chunk)) continue;
      const drawn = {
        source: this,
        chunkDataSize: chunk.chunkDataSize,
        data: null,
      } as unknown as VolumeChunk;
      await this.draw(drawn, this.boxOf(chunk), new AbortController().signal);
      const now = this.chunks.get(key) as VolumeChunk | undefined;
      if (now !== undefined) replaceData(this, now, drawn.data as ArrayBufferView<ArrayBuffer> | null);
    }
  }

  private boxOf(chunk: VolumeChunk): Box {
    const lower = Array.from(this.computeChunkBounds(chunk)) as unknown as Vec3;
    const size = chunk.chunkDataSize!;
    return { lower, upper: lower.map((l, i) => l + size[i]) as unknown as Vec3 };
  }

  private async draw(chunk: VolumeChunk, box: Box, signal: AbortSignal): Promise<void> {
    const { kind, level } = this.parameters;
    if (kind === "labels") {
      const ids = new BigUint64Array(boxVolume(box));
      const known = new Map<string, Float64Array | undefined>();
      const drawn = this.labels.labelThumbnails.draw(level, box, ids, (base, label, key) => {
        if (!known.has(key)) known.set(key, this.labels.objects.mappingOf(key)?.ids);
        // A chunk that is not joined to others any more shows its own ids.
        return BigInt(known.get(key)?.[label] ?? base | BigInt(label));
      });
      if (drawn) {
        this.labels.objects.overlay?.paint(box, ids, true, this.labels.parameters.overviews[level]);
        await postProcessRawData(chunk, signal, ids);
      } else chunk.data = null;
    } else {
      const values = new Uint8Array(boxVolume(box));
      const drawn = this.labels.probabilityThumbnails.draw(level, box, values, (_, step) => step * 17);
      chunk.data = drawn ? values : null;
    }
  }
}
registerSharedObject()(OverviewSource);
