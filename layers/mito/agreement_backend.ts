import { WithParameters } from "neuroglancer/unstable/chunk_manager/backend.js";
import { ChunkPriorityTier, ChunkState } from "neuroglancer/unstable/chunk_manager/base.js";
import { type VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { type RPC, registerRPC, registerSharedObject } from "neuroglancer/unstable/worker_rpc.js";
import { compareChunk } from "../../src/evaluation/compare_chunk.js";
import type { LabelSettings } from "../../src/segmentation/types.js";
import { boxSize, boxVolume } from "../../src/volume/box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import type { AgreementOverviewSource } from "./agreement_overview_backend.js";
import {
  AGREEMENT_REPORTS,
  AgreementParameters,
  type AgreementReport,
  type AgreementReports,
  SET_COMPARED,
  SET_REFERENCE,
  type SetCompared,
  type SetReference,
} from "./agreement_protocol.js";
import { ReferenceReader } from "./agreement_reference.js";
import { isFinished, remake, replaceData, undoDownload } from "./chunk_state.js";
import { UnwantedError } from "./compute_queue.js";
import { Failures } from "./failures.js";
import { ComputedChunk, type LabelsSource } from "./labels_backend.js";
import { type Relabelled, Relabeller } from "./relabeller.js";
import { counters } from "./services.js";
import { Thumbnails } from "./thumbnails.js";

const THUMBNAIL_BYTES = 24 * 2 ** 20;
/** Reports and what is visible go to the page at most this often, ms. */
const INTERVAL = 200;
/** Chunks whose counts are kept up to date with the settings; the page keeps as many reports. */
const KEPT = 20_000;

interface AgreementOptions {
  labels: readonly { id: number; gen: number }[];
  settings: readonly LabelSettings[];
}

/**
 * Compares the predictions of several models chunk by chunk: the probabilities are those of their own sources, so that nothing is
 * computed twice, whether their layers are shown or not.
 */
export class AgreementSource extends WithParameters(VolumeChunkSource, AgreementParameters) {
  readonly thumbnails: Thumbnails;
  readonly overviews = new Set<AgreementOverviewSource>();
  private readonly labels: readonly LabelsSource[];
  private settings: readonly LabelSettings[];
  private reference: ReferenceReader | undefined;
  private releaseReference: (() => void) | undefined;
  /** Compared chunks, oldest first. */
  private readonly compared = new Set<string>();
  private readonly reports = new Map<string, AgreementReport>();
  private readonly gone = new Set<string>();
  private visible = "";
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly disposal = new AbortController();
  private readonly failures = new Failures((key) => {
    const chunk = this.chunks.get(key) as VolumeChunk | undefined;
    if (chunk !== undefined) remake(this, chunk);
  });
  private readonly again = new Relabeller({
    settings: () => this.settings[0],
    keys: () => this.finishedKeys(),
    relabel: (key) => this.compareAgain(key),
  });

  // biome-ignore lint/suspicious/noExplicitAny: the base class takes what the frontend sent.
  constructor(rpc: RPC, options: any) {
    super(rpc, options);
    const { labels, settings } = options as AgreementOptions;
    this.labels = labels.map((one) => this.registerDisposer(rpc.getRef<LabelsSource>(one)));
    this.settings = settings;
    this.thumbnails = new Thumbnails(this.parameters.overviews, THUMBNAIL_BYTES);
    // Priorities change after the signal, in the same turn.
    this.registerDisposer(this.chunkManager.recomputeChunkPrioritiesLate.add(() => this.tellSoon()));
    this.registerDisposer(() => {
      clearTimeout(this.timer);
      this.disposal.abort();
      this.failures.clear();
      this.again.dispose();
      this.releaseReference?.();
    });
  }

  override async download(chunk: VolumeChunk, signal: AbortSignal): Promise<void> {
    const key = chunk.key!;
    const lower = Array.from(this.computeChunkBounds(chunk)) as unknown as Vec3;
    const size = chunk.chunkDataSize!;
    const box: Box = { lower, upper: lower.map((l, i) => l + size[i]) as unknown as Vec3 };
    const { settings, reference } = this;
    try {
      const predicted = await Promise.all(this.labels.map((one) => one.predicted.get(chunk, box, signal)));
      const { report, values } = await this.compare(
        key,
        box,
        predicted.map(({ probability }) => probability),
        signal,
      );
      chunk.data = values;
      this.failures.forget(key);
      this.finished(report, values);
      // Once the chunk has arrived.
      if (settings !== this.settings || reference !== this.reference) setTimeout(() => this.again.change());
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UnwantedError) {
        counters.dropped++;
        undoDownload(chunk);
        throw error;
      }
      // Arrives empty and is tried again later.
      chunk.data = null;
      this.failures.add(key);
      this.report({ key, box, error: error instanceof Error ? error.message : String(error) });
    }
  }

  private async compare(
    key: string,
    box: Box,
    probabilities: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<{ report: AgreementReport; values: Uint8Array<ArrayBuffer> }> {
    let reference: Uint8Array | undefined;
    let referenceError: string | undefined;
    try {
      reference = await this.reference?.read(box, signal);
    } catch (error) {
      signal.throwIfAborted();
      referenceError = error instanceof Error ? error.message : String(error);
    }
    const values = new Uint8Array(boxVolume(box));
    const { sliceAxis } = this.labels[0].parameters.geometry;
    const { settings } = this;
    const comparison = compareChunk(
      { size: boxSize(box), sliceAxis, probabilities, settings, ...(reference && { reference }) },
      values,
    );
    return { report: { key, box, comparison, ...(referenceError && { referenceError }) }, values };
  }

  private finished(report: AgreementReport, values: Uint8Array): void {
    const { key, box } = report;
    this.compared.delete(key);
    this.compared.add(key);
    if (this.compared.size > KEPT) {
      const [oldest] = this.compared;
      this.compared.delete(oldest);
    }
    this.thumbnails.put(key, box, values, 0n);
    for (const overview of this.overviews) overview.touch(box);
    this.report(report);
  }

  private report(report: AgreementReport): void {
    this.gone.delete(report.key);
    this.reports.set(report.key, report);
    this.tellSoon();
  }

  private tellSoon(): void {
    this.timer ??= setTimeout(() => this.tell(), INTERVAL);
  }

  private tell(): void {
    this.timer = undefined;
    const keys: string[] = [];
    for (const chunk of this.chunks.values() as Iterable<VolumeChunk>)
      if (chunk.priorityTier === ChunkPriorityTier.VISIBLE && chunk.state !== ChunkState.NEW)
        keys.push(chunk.key!);
    const visible = keys.join(";");
    if (this.reports.size === 0 && this.gone.size === 0 && visible === this.visible) return;
    this.rpc?.invoke(AGREEMENT_REPORTS, {
      id: this.rpcId!,
      reports: [...this.reports.values()],
      gone: [...this.gone],
      ...(visible !== this.visible && { visible: keys }),
    } satisfies AgreementReports);
    this.visible = visible;
    this.reports.clear();
    this.gone.clear();
  }

  setCompared(settings: readonly LabelSettings[]): void {
    this.settings = settings;
    this.again.change();
  }

  setReference(reference: SetReference["reference"]): void {
    this.releaseReference?.();
    this.releaseReference = undefined;
    this.reference = undefined;
    if (reference !== undefined) {
      const source = this.rpc!.getRef<VolumeChunkSource>(reference.source);
      this.releaseReference = () => source.dispose();
      this.reference = new ReferenceReader(source, reference, reference.name);
    }
    this.again.change();
  }

  private finishedKeys(): { visible: string[]; others: string[] } {
    const visible: string[] = [];
    for (const chunk of this.chunks.values() as Iterable<VolumeChunk>)
      if (isFinished(chunk) && chunk.priorityTier === ChunkPriorityTier.VISIBLE) visible.push(chunk.key!);
    const shown = new Set(visible);
    return { visible, others: [...this.compared].filter((key) => !shown.has(key)) };
  }

  /** Compares a chunk anew from stored probabilities; never runs a network. */
  private async compareAgain(key: string): Promise<Relabelled | undefined> {
    const { chunkDataSize, upperVoxelBound } = this.spec;
    const lower = key.split(",").map((p, i) => Number(p) * chunkDataSize[i]) as unknown as Vec3;
    const upper = lower.map((l, i) => Math.min(l + chunkDataSize[i], upperVoxelBound[i]));
    const box: Box = { lower, upper: upper as unknown as Vec3 };
    const { signal } = this.disposal;
    try {
      const known = await Promise.all(this.labels.map((one) => one.predicted.known(box)));
      const probabilities = known.filter((probability) => probability !== undefined);
      if (probabilities.length < known.length) {
        this.forget(key);
        return undefined;
      }
      const { report, values } = await this.compare(key, box, probabilities, signal);
      return {
        show: () => {
          // Looked up now: the chunk may have gone, or come, in the meantime.
          const chunk = this.chunks.get(key) as VolumeChunk | undefined;
          if (chunk !== undefined) replaceData(this, chunk, values.slice());
          this.report(report);
        },
        finish: () => this.finished(report, values),
      };
    } catch (error) {
      if (!signal.aborted)
        this.report({ key, box, error: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }

  /** What shows older settings goes, and is compared again if it is looked at. */
  private forget(key: string): void {
    this.compared.delete(key);
    this.thumbnails.delete(key);
    this.reports.delete(key);
    this.gone.add(key);
    this.tellSoon();
    const chunk = this.chunks.get(key) as VolumeChunk | undefined;
    if (chunk !== undefined && !this.failures.has(key)) remake(this, chunk);
  }
}
AgreementSource.prototype.chunkConstructor = ComputedChunk;
registerSharedObject()(AgreementSource);

registerRPC(SET_COMPARED, function ({ id, settings }: SetCompared) {
  (this.get(id) as AgreementSource | undefined)?.setCompared(settings);
});

registerRPC(SET_REFERENCE, function ({ id, reference }: SetReference) {
  (this.get(id) as AgreementSource | undefined)?.setReference(reference);
});
