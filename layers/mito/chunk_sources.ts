import { type ChunkManager, WithParameters } from "neuroglancer/unstable/chunk_manager/frontend.js";
import type { VolumeChunkSpecification } from "neuroglancer/unstable/sliceview/volume/base.js";
import { type VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/frontend.js";
import type { RPC } from "neuroglancer/unstable/worker_rpc.js";
import type { MitoState } from "./frontend.js";
import { LabelsParameters, OverviewParameters, ProbabilityParameters } from "./protocol.js";

/** The page's side of the chunk sources: what they tell the chunk worker, and what makes two of them the same. */

/**
 * A source whose chunks the worker may replace while they are on the screen (`replaceData`): the chunk that goes gives
 * its texture back, in the same turn in which the new one comes.
 */
export class InPlaceVolumeChunkSource extends VolumeChunkSource {
  /** Not queued behind the drawing: all chunks that a new threshold changes shall be in the next frame. */
  override immediateChunkUpdates = true;

  override addChunk(key: string, chunk: VolumeChunk): void {
    if (this.chunks.has(key)) this.deleteChunk(key);
    super.addChunk(key, chunk);
  }
}

interface LabelsOptions {
  spec: VolumeChunkSpecification;
  parameters: LabelsParameters;
  em: VolumeChunkSource;
  mito: MitoState;
}

const LabelsBase = WithParameters(InPlaceVolumeChunkSource, LabelsParameters);

export class LabelsSource extends LabelsBase {
  declare OPTIONS: LabelsOptions;
  readonly mito: MitoState;
  private readonly em: VolumeChunkSource;

  constructor(chunkManager: ChunkManager, options: LabelsOptions) {
    super(chunkManager, options);
    this.em = this.registerDisposer(options.em.addRef());
    this.mito = options.mito;
    this.mito.sources.add(this);
    this.registerDisposer(() => {
      this.mito.sources.delete(this);
      if (this.mito.sources.size === 0) this.mito.objects.clear();
    });
  }

  override initializeCounterpart(rpc: RPC, options: object): void {
    const { em, mito } = this;
    super.initializeCounterpart(rpc, {
      ...options,
      em: em.addCounterpartRef(),
      settings: mito.settings.value,
    });
    mito.sourcesChanged.dispatch();
  }

  static override encodeOptions(options: LabelsOptions) {
    return { ...LabelsBase.encodeOptions(options), em: options.em.key };
  }
}

interface DerivedOptions {
  spec: VolumeChunkSpecification;
  labels: LabelsSource;
}

const ProbabilityBase = WithParameters(InPlaceVolumeChunkSource, ProbabilityParameters);

export class ProbabilitySource extends ProbabilityBase {
  declare OPTIONS: DerivedOptions & { parameters: ProbabilityParameters };
  private readonly labels: LabelsSource;

  constructor(chunkManager: ChunkManager, options: DerivedOptions & { parameters: ProbabilityParameters }) {
    super(chunkManager, options);
    this.labels = this.registerDisposer(options.labels.addRef());
  }

  override initializeCounterpart(rpc: RPC, options: object): void {
    super.initializeCounterpart(rpc, { ...options, labels: this.labels.addCounterpartRef() });
  }

  static override encodeOptions(options: DerivedOptions & { parameters: ProbabilityParameters }) {
    return { ...ProbabilityBase.encodeOptions(options), labels: options.labels.key };
  }
}

const OverviewBase = WithParameters(InPlaceVolumeChunkSource, OverviewParameters);

export class OverviewSource extends OverviewBase {
  declare OPTIONS: DerivedOptions & { parameters: OverviewParameters };
  private readonly labels: LabelsSource;

  constructor(chunkManager: ChunkManager, options: DerivedOptions & { parameters: OverviewParameters }) {
    super(chunkManager, options);
    this.labels = this.registerDisposer(options.labels.addRef());
  }

  override initializeCounterpart(rpc: RPC, options: object): void {
    super.initializeCounterpart(rpc, { ...options, labels: this.labels.addCounterpartRef() });
  }

  static override encodeOptions(options: DerivedOptions & { parameters: OverviewParameters }) {
    return { ...OverviewBase.encodeOptions(options), labels: options.labels.key };
  }
}
