import { WithParameters } from "neuroglancer/unstable/chunk_manager/backend.js";
import { ChunkPriorityTier } from "neuroglancer/unstable/chunk_manager/base.js";
import { postProcessRawData } from "neuroglancer/unstable/sliceview/backend_chunk_decoders/postprocess.js";
import { VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { type RPC, registerRPC, registerSharedObject } from "neuroglancer/unstable/worker_rpc.js";
import type { LabelSettings } from "../../src/segmentation/types.js";
import { boxSize } from "../../src/volume/box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import type { AnalysisResult } from "../../workers/analyse.js";
import { isFinished, remake, replaceData, undoDownload } from "./chunk_state.js";
import { UnwantedError } from "./compute_queue.js";
import { Failures } from "./failures.js";
import type { OverviewSource } from "./overview_backend.js";
import { type PredictedChunk, PredictedChunks } from "./predicted_chunks.js";
import {
  LabelsParameters,
  REPORT,
  RETRY,
  type Report,
  type Retry,
  SET_SETTINGS,
  type SetSettings,
} from "./protocol.js";
import { type Relabelled, Relabeller } from "./relabeller.js";
import { firstId, segmentIds } from "./segment_ids.js";
import { analysis, counters, thumbnailBytes } from "./services.js";
import { Thumbnails } from "./thumbnails.js";
import { watchVisibleChunks } from "./visible_chunks.js";

const THUMBNAIL_BYTES = 48 * 2 ** 20;

/** A chunk that is computed: queued under Neuroglancer's "compute" capacity in place of the "download" one. */
export class ComputedChunk extends VolumeChunk {
  override isComputational = true;
}

export interface LabelsOptions {
  em: { id: number; gen: number };
  settings: LabelSettings;
}

/** Chunk worker's side of the segmentation: predicts, labels and reports the chunks that views ask for. */
export class LabelsSource extends WithParameters(VolumeChunkSource, LabelsParameters) {
  readonly predicted: PredictedChunks;
  readonly labelThumbnails: Thumbnails;
  readonly probabilityThumbnails: Thumbnails;
  readonly overviews = new Set<OverviewSource>();
  private settings: LabelSettings;
  private readonly failures: Failures;
  private readonly relabeller: Relabeller;
  private readonly disposal = new AbortController();

  // biome-ignore lint/suspicious/noExplicitAny: the base class takes what the frontend sent.
  constructor(rpc: RPC, options: any) {
    super(rpc, options);
    const { em, settings } = options as LabelsOptions;
    this.settings = settings;
    const source = this.registerDisposer(rpc.getRef<VolumeChunkSource>(em));
    this.predicted = new PredictedChunks(source, this.parameters);
    const { overviews } = this.parameters;
    this.labelThumbnails = new Thumbnails(overviews, THUMBNAIL_BYTES);
    this.probabilityThumbnails = new Thumbnails(overviews, THUMBNAIL_BYTES);
    const bytes = () => this.labelThumbnails.bytes + this.probabilityThumbnails.bytes;
    thumbnailBytes.add(bytes);
    this.failures = new Failures((key) => this.tryAgain(key));
    this.relabeller = new Relabeller({
      settings: () => this.settings,
      keys: () => this.labelled(),
      relabel: (key, now) => this.relabel(key, now),
    });
    this.registerDisposer(watchVisibleChunks(this));
    this.registerDisposer(() => {
      thumbnailBytes.delete(bytes);
      this.failures.clear();
      this.relabeller.dispose();
      this.disposal.abort();
    });
  }

  /** Voxels of a chunk, clipped to the bounds. Sets `chunkDataSize`, as Neuroglancer's own sources do. */
  boxOf(chunk: VolumeChunk): Box {
    const lower = Array.from(this.computeChunkBounds(chunk)) as unknown as Vec3;
    const size = chunk.chunkDataSize!;
    return { lower, upper: lower.map((l, i) => l + size[i]) as unknown as Vec3 };
  }

  private baseOf({ lower }: Box): bigint {
    return firstId(lower, this.spec.chunkDataSize, this.spec.upperVoxelBound);
  }

  override async download(chunk: VolumeChunk, signal: AbortSignal): Promise<void> {
    const key = chunk.key!;
    const box = this.boxOf(chunk);
    try {
      const predicted = await this.predicted.get(chunk, box, signal);
      const { settings } = this;
      const { probability } = predicted;
      const result = await this.label(`${this.rpcId}:${key}`, box, probability, settings, signal);
      await postProcessRawData(chunk, signal, this.ids(box, result));
      signal.throwIfAborted();
      this.failures.forget(key);
      this.finished(key, box, predicted, result);
      // Once the chunk has arrived.
      if (settings !== this.settings) setTimeout(() => this.relabeller.change());
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UnwantedError) {
        counters.dropped++;
        undoDownload(chunk);
        throw error;
      }
      // Neuroglancer would leave a rejected chunk failed for good: it arrives empty and is tried again later.
      chunk.data = null;
      this.failed(key, box, error);
    }
  }

  private async label(
    id: string,
    box: Box,
    probability: Uint8Array,
    settings: LabelSettings,
    signal: AbortSignal,
  ): Promise<AnalysisResult> {
    const { sliceAxis } = this.parameters.geometry;
    const result = await analysis().label(id, { probability, size: boxSize(box), sliceAxis, settings });
    signal.throwIfAborted();
    return result;
  }

  private ids(box: Box, { labels, count }: AnalysisResult): BigUint64Array<ArrayBuffer> {
    return segmentIds(labels, count, this.baseOf(box));
  }

  private finished(
    key: string,
    box: Box,
    { origin, backend, ms, probability }: PredictedChunk,
    result: AnalysisResult,
  ) {
    this.thumbnail(key, box, probability, result);
    this.report({
      key,
      box,
      summary: result.summary,
      ms: { ...ms, label: result.milliseconds },
      ...(backend !== undefined && { backend }),
      origin,
      failures: 0,
    });
  }

  private thumbnail(key: string, box: Box, probability: Uint8Array | undefined, { labels }: AnalysisResult) {
    this.labelThumbnails.put(key, box, labels, this.baseOf(box));
    if (probability !== undefined) this.probabilityThumbnails.put(key, box, quantise(probability), 0n);
    for (const overview of this.overviews) overview.touch(box);
  }

  private failed(key: string, box: Box, error: unknown) {
    counters.failures++;
    const failures = this.failures.add(key);
    const message = error instanceof Error ? error.message : String(error);
    this.report({
      key,
      box,
      ms: { gather: 0, queue: 0, forward: 0, label: 0 },
      origin: "computed",
      error: message,
      failures,
    });
  }

  private report(report: Report["report"], relabelled = false) {
    this.rpc?.invoke(REPORT, { id: this.rpcId!, report, relabelled } satisfies Report);
  }

  private tryAgain(key: string) {
    const chunk = this.chunks.get(key) as VolumeChunk | undefined;
    if (chunk !== undefined) remake(this, chunk);
  }

  retry() {
    this.failures.retryAll();
  }

  setSettings(settings: LabelSettings) {
    this.settings = settings;
    this.relabeller.change();
  }

  /** Chunks that have labels, and those that only have thumbnails; what is being made gets the settings by itself. */
  private labelled(): { visible: string[]; others: string[] } {
    const chunks = ([...this.chunks.values()] as VolumeChunk[]).filter(isFinished);
    chunks.sort((a, b) => a.priorityTier - b.priorityTier || b.priority - a.priority);
    const keys = (some: VolumeChunk[]) => some.map(({ key }) => key!);
    const isVisible = ({ priorityTier }: VolumeChunk) => priorityTier === ChunkPriorityTier.VISIBLE;
    const others = keys(chunks.filter((chunk) => !isVisible(chunk)));
    for (const key of this.labelThumbnails.keys()) if (!this.chunks.has(key)) others.push(key);
    return { visible: keys(chunks.filter(isVisible)), others };
  }

  private boxOfKey(key: string): Box {
    const { chunkDataSize, upperVoxelBound } = this.spec;
    const lower = key.split(",").map((p, i) => Number(p) * chunkDataSize[i]);
    return {
      lower: lower as unknown as Vec3,
      upper: lower.map((l, i) => Math.min(l + chunkDataSize[i], upperVoxelBound[i])) as unknown as Vec3,
    };
  }

  /** Labels a chunk anew from its stored probability; never runs the network. */
  private async relabel(key: string, settings: LabelSettings): Promise<Relabelled | undefined> {
    const box = this.boxOfKey(key);
    const { signal } = this.disposal;
    try {
      const probability = await this.predicted.known(box);
      if (probability === undefined) {
        // Forgotten: what shows the old settings goes, and is computed again if it is looked at.
        this.labelThumbnails.delete(key);
        const chunk = this.chunks.get(key) as VolumeChunk | undefined;
        if (chunk !== undefined && !this.failures.has(key)) remake(this, chunk);
        return undefined;
      }
      const result = await this.label(`${this.rpcId}:${key}:again`, box, probability, settings, signal);
      const packed = { source: this, chunkDataSize: Uint32Array.from(boxSize(box)), data: null };
      await postProcessRawData(packed as unknown as VolumeChunk, signal, this.ids(box, result));
      const ms = { gather: 0, queue: 0, forward: 0, label: result.milliseconds };
      return {
        show: () => {
          counters.relabelled++;
          // Looked up now: the chunk may have gone, or come, in the meantime.
          const chunk = this.chunks.get(key) as VolumeChunk | undefined;
          if (chunk !== undefined) replaceData(this, chunk, packed.data);
          this.report({ key, box, summary: result.summary, ms, origin: "memory", failures: 0 }, true);
        },
        finish: () => this.thumbnail(key, box, undefined, result),
      };
    } catch (error) {
      if (!signal.aborted) this.failed(key, box, error);
      return undefined;
    }
  }
}
LabelsSource.prototype.chunkConstructor = ComputedChunk;
registerSharedObject()(LabelsSource);

/** Sixteen steps are enough for an overview, and make runs. */
function quantise(probability: Uint8Array): Uint8Array {
  return probability.map((p) => p >> 4);
}

registerRPC(SET_SETTINGS, function ({ id, settings }: SetSettings) {
  (this.get(id) as LabelsSource | undefined)?.setSettings(settings);
});

registerRPC(RETRY, function ({ id }: Retry) {
  (this.get(id) as LabelsSource | undefined)?.retry();
});
