import { WithParameters } from "neuroglancer/unstable/chunk_manager/backend.js";
import { ChunkPriorityTier } from "neuroglancer/unstable/chunk_manager/base.js";
import { postProcessRawData } from "neuroglancer/unstable/sliceview/backend_chunk_decoders/postprocess.js";
import { VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { type RPC, registerRPC, registerSharedObject } from "neuroglancer/unstable/worker_rpc.js";
import { paintRuns } from "../../src/segmentation/label_runs.js";
import type { LabelRuns, LabelSettings } from "../../src/segmentation/types.js";
import { boxSize, boxVolume } from "../../src/volume/box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import type { AnalysisResult } from "../../workers/analyse.js";
import { ChunkLabels } from "./chunk_labels.js";
import { isFinished, remake, replaceData, undoDownload } from "./chunk_state.js";
import { UnwantedError } from "./compute_queue.js";
import { Failures } from "./failures.js";
import { joinObjects } from "./objects_backend.js";
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
import { relabelledChunk } from "./relabelled_chunk.js";
import { type Relabelled, Relabeller } from "./relabeller.js";
import { firstId, paintIds } from "./segment_ids.js";
import { counters, thumbnailBytes } from "./services.js";
import { Thumbnails } from "./thumbnails.js";
import { watchVisibleChunks } from "./visible_chunks.js";
import type { WholeObjects } from "./whole_objects.js";

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
  readonly objects: WholeObjects;
  private readonly labels: ChunkLabels;
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
    this.labels = new ChunkLabels(this.predicted, this.parameters);
    const { overviews } = this.parameters;
    this.labelThumbnails = new Thumbnails(overviews, THUMBNAIL_BYTES);
    this.probabilityThumbnails = new Thumbnails(overviews, THUMBNAIL_BYTES);
    const bytes = () => this.labelThumbnails.bytes + this.probabilityThumbnails.bytes;
    thumbnailBytes.add(bytes);
    this.failures = new Failures((key) => this.tryAgain(key));
    this.objects = joinObjects(this, settings);
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
      const { result, settings } = await this.labels.ofPredicted(
        `${this.rpcId}:${key}`,
        box,
        predicted,
        () => this.settings,
        !this.objects.knowsIntensity(key),
        signal,
      );
      this.objects.put(key, result.runs, result.measures);
      const mapping = this.objects.mappingOf(key)!;
      await postProcessRawData(chunk, signal, this.painted(box, result.runs, mapping.ids));
      signal.throwIfAborted();
      this.objects.chunkIds.arrived(key, mapping);
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

  /** Segment ids as Neuroglancer takes them. */
  private async pack(
    key: string,
    runs: LabelRuns,
    ids: Float64Array,
  ): Promise<ArrayBufferView<ArrayBuffer> | null> {
    const box = this.boxOfKey(key);
    const packed = { source: this, chunkDataSize: Uint32Array.from(boxSize(box)), data: null };
    const painted = this.painted(box, runs, ids);
    await postProcessRawData(packed as unknown as VolumeChunk, this.disposal.signal, painted);
    return packed.data;
  }

  private painted(box: Box, runs: LabelRuns, ids: Float64Array): BigUint64Array<ArrayBuffer> {
    const painted = paintIds(runs, ids);
    this.objects.overlay?.paint(box, painted, true);
    return painted;
  }

  get labelSettings(): LabelSettings {
    return this.settings;
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

  private thumbnail(key: string, box: Box, probability: Uint8Array | undefined, { runs }: AnalysisResult) {
    const labels = new Uint32Array(boxVolume(box));
    paintRuns(runs, labels);
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
    this.objects.setSettings(settings);
    this.relabeller.change();
  }

  /** Chunks that have data, the most wanted first. */
  finishedChunks(): VolumeChunk[] {
    const chunks = ([...this.chunks.values()] as VolumeChunk[]).filter(isFinished);
    return chunks.sort((a, b) => a.priorityTier - b.priorityTier || b.priority - a.priority);
  }

  /**
   * Chunks that have labels, and those that are only known to the objects or have thumbnails; what is being made gets the settings by
   * itself.
   */
  private labelled(): { visible: string[]; others: string[] } {
    const chunks = this.finishedChunks();
    const keys = (some: VolumeChunk[]) => some.map(({ key }) => key!);
    const isVisible = ({ priorityTier }: VolumeChunk) => priorityTier === ChunkPriorityTier.VISIBLE;
    const others = keys(chunks.filter((chunk) => !isVisible(chunk)));
    for (const key of new Set([...this.objects.keys(), ...this.labelThumbnails.keys()]))
      if (!this.chunks.has(key)) others.push(key);
    return { visible: keys(chunks.filter(isVisible)), others };
  }

  boxOfKey(key: string): Box {
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
    try {
      const result = await this.labelStored(key, settings);
      if (result === undefined) return undefined;
      const ms = { gather: 0, queue: 0, forward: 0, label: result.milliseconds };
      const { summary } = result;
      return relabelledChunk({
        key,
        result,
        objects: this.objects,
        isShown: () => this.isShown(key),
        write: (ids) => this.write(key, result.runs, ids),
        shown: () => this.report({ key, box, summary, ms, origin: "memory", failures: 0 }, true),
        finish: () => this.thumbnail(key, box, undefined, result),
        failed: (error) => this.failed(key, box, error),
      });
    } catch (error) {
      if (!this.disposal.signal.aborted) this.failed(key, box, error);
      return undefined;
    }
  }

  private isShown(key: string): boolean {
    const chunk = this.chunks.get(key) as VolumeChunk | undefined;
    return chunk !== undefined && isFinished(chunk);
  }

  /** Makes other data of a chunk. @returns What puts it in the place of the old; undefined when the source is closed. */
  async write(key: string, runs: LabelRuns, ids: Float64Array): Promise<(() => void) | undefined> {
    let data: ArrayBufferView<ArrayBuffer> | null;
    try {
      data = await this.pack(key, runs, ids);
    } catch (error) {
      if (!this.disposal.signal.aborted) this.failed(key, this.boxOfKey(key), error);
      return undefined;
    }
    return () => {
      // Looked up now: the chunk may have gone, or come, in the meantime.
      const chunk = this.chunks.get(key) as VolumeChunk | undefined;
      if (chunk !== undefined) replaceData(this, chunk, data);
    };
  }

  /** Labels of a chunk from its stored probability; when that is gone, all that is known of the chunk goes. */
  private async labelStored(key: string, settings: LabelSettings): Promise<AnalysisResult | undefined> {
    const id = `${this.rpcId}:${key}:again`;
    const result = await this.labels.ofStored(id, this.boxOfKey(key), settings, this.disposal.signal);
    if (result === undefined) this.forget(key);
    return result;
  }

  /** The labels of a chunk once more, as they were. */
  async labelAgain(key: string): Promise<LabelRuns | undefined> {
    try {
      return (await this.labelStored(key, this.settings))?.runs;
    } catch {
      return undefined;
    }
  }

  /** What is known of a chunk goes, as its probability has; it is computed again if it is looked at. */
  private forget(key: string): void {
    this.labelThumbnails.delete(key);
    this.objects.remove(key);
    const chunk = this.chunks.get(key) as VolumeChunk | undefined;
    if (chunk !== undefined && !this.failures.has(key)) remake(this, chunk);
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
