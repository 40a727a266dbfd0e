import { WithParameters } from "neuroglancer/unstable/chunk_manager/backend.js";
import { type VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { type RPC, registerSharedObject } from "neuroglancer/unstable/worker_rpc.js";
import { remake, undoDownload } from "./chunk_state.js";
import { UnwantedError } from "./compute_queue.js";
import { Failures } from "./failures.js";
import { ComputedChunk, type LabelsSource } from "./labels_backend.js";
import { ProbabilityParameters } from "./protocol.js";
import { counters } from "./services.js";

export interface ProbabilityOptions {
  labels: { id: number; gen: number };
}

/** The network's probability itself, uint8: same chunks as the labels, and no second forward pass. */
export class ProbabilitySource extends WithParameters(VolumeChunkSource, ProbabilityParameters) {
  private readonly labels: LabelsSource;
  private readonly failures = new Failures((key) => {
    const chunk = this.chunks.get(key) as VolumeChunk | undefined;
    if (chunk !== undefined) remake(this, chunk);
  });

  // biome-ignore lint/suspicious/noExplicitAny: the base class takes what the frontend sent.
  constructor(rpc: RPC, options: any) {
    super(rpc, options);
    this.labels = this.registerDisposer(rpc.getRef<LabelsSource>((options as ProbabilityOptions).labels));
    this.registerDisposer(() => this.failures.clear());
  }

  override async download(chunk: VolumeChunk, signal: AbortSignal): Promise<void> {
    const key = chunk.key!;
    try {
      chunk.data = (await this.labels.predicted.get(chunk, this.labels.boxOf(chunk), signal)).probability;
      this.failures.forget(key);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UnwantedError) {
        counters.dropped++;
        undoDownload(chunk);
        throw error;
      }
      // The labels' chunk, which always is wanted too, reports why.
      chunk.data = null;
      this.failures.add(key);
    }
  }
}
ProbabilitySource.prototype.chunkConstructor = ComputedChunk;
registerSharedObject()(ProbabilitySource);
