import { type ChunkManager, WithParameters } from "neuroglancer/unstable/chunk_manager/frontend.js";
import type { SliceViewSingleResolutionSource } from "neuroglancer/unstable/sliceview/frontend.js";
import {
  DataType,
  makeVolumeChunkSpecification,
  type VolumeChunkSpecification,
  type VolumeSourceOptions,
  VolumeType,
} from "neuroglancer/unstable/sliceview/volume/base.js";
import { MultiscaleVolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/frontend.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import { type RPC, registerRPC, type SharedObject } from "neuroglancer/unstable/worker_rpc.js";
import type { LabelSettings } from "../../src/segmentation/types.js";
import type { Vec3 } from "../../src/volume/types.js";
import {
  AGREEMENT_REPORTS,
  AgreementOverviewParameters,
  AgreementParameters,
  type AgreementReport,
  type AgreementReports,
  type ReferencePlacement,
  SET_COMPARED,
  SET_REFERENCE,
  type SetCompared,
  type SetReference,
} from "./agreement_protocol.js";
import type { AgreementQuery } from "./agreement_url.js";
import { DEFAULT_LABEL_SETTINGS } from "./base.js";
import { InPlaceVolumeChunkSource, LabelsSource } from "./chunk_sources.js";
import { canonicalOptions, type MitoState } from "./frontend.js";
import { coarsen } from "./layout.js";

/** Chunks of an overview, in its voxels. */
const OVERVIEW_CHUNK = Uint32Array.of(128, 128, 8);
/** Reports kept for one comparison, as many as the chunk worker keeps up to date. */
const KEPT = 20_000;

/** A segmentation that models are scored against, as the page hands it to the chunk worker. */
export interface Reference extends ReferencePlacement {
  readonly name: string;
  readonly source: Pick<SharedObject, "addCounterpartRef">;
}

let instances = 0;

/** One loaded comparison: which models, with which settings, and the counts of each chunk. */
export class AgreementState {
  /** Dispatched when reports arrived or what is visible changed. */
  readonly changed = new NullarySignal();
  readonly volume: AgreementVolume;
  /** Chunk sources that exist now: none while no layer shows it, else one. */
  readonly sources = new Set<AgreementSource>();
  readonly instance = instances++;
  private readonly reports = new Map<string, AgreementReport>();
  private visible: readonly string[] = [];
  private current: readonly LabelSettings[];
  private reference: Reference | undefined;

  constructor(
    /** As it was opened, for the state. */
    readonly url: string,
    readonly innerUrl: string,
    readonly query: AgreementQuery,
    /** Sources of the models, in the order of the query; of one grid. */
    readonly models: readonly MitoState[],
  ) {
    this.current = models.map(() => DEFAULT_LABEL_SETTINGS);
    this.volume = new AgreementVolume(this);
  }

  get settings(): readonly LabelSettings[] {
    return this.current;
  }

  /** Compares anew with other settings; never runs a network. */
  set settings(settings: readonly LabelSettings[]) {
    const same = settings.every(({ threshold, minimumVoxels, connectivity }, k) => {
      const before = this.current[k];
      return (
        threshold === before.threshold &&
        minimumVoxels === before.minimumVoxels &&
        connectivity === before.connectivity
      );
    });
    if (same) return;
    this.current = settings;
    for (const { rpc, rpcId } of this.sources)
      rpc!.invoke(SET_COMPARED, { id: rpcId!, settings } satisfies SetCompared);
  }

  /** Scores against another segmentation from now on, or none. */
  setReference(reference: Reference | undefined): void {
    this.reference = reference;
    for (const source of this.sources) source.sendReference(reference);
  }

  get activeReference(): Reference | undefined {
    return this.reference;
  }

  all(): AgreementReport[] {
    return [...this.reports.values()];
  }

  get(key: string): AgreementReport | undefined {
    return this.reports.get(key);
  }

  inView(): AgreementReport[] {
    return this.visible.flatMap((key) => this.reports.get(key) ?? []);
  }

  /** Chunks that the views ask for. */
  get wanted(): number {
    return this.visible.length;
  }

  receive({ reports, gone, visible }: AgreementReports): void {
    for (const key of gone) this.reports.delete(key);
    for (const report of reports) {
      this.reports.delete(report.key);
      this.reports.set(report.key, report);
    }
    for (const oldest of this.reports.keys()) {
      if (this.reports.size <= KEPT) break;
      this.reports.delete(oldest);
    }
    if (visible !== undefined) this.visible = visible;
    this.changed.dispatch();
  }

  /** No layer shows it any more. */
  clear(): void {
    this.reports.clear();
    this.visible = [];
    this.changed.dispatch();
  }
}

registerRPC(AGREEMENT_REPORTS, function (message: AgreementReports) {
  // The frontend object under the same id; gone once it was disposed.
  (this.get(message.id) as AgreementSource | undefined)?.state.receive(message);
});

interface AgreementOptions {
  spec: VolumeChunkSpecification;
  parameters: AgreementParameters;
  labels: readonly LabelsSource[];
  state: AgreementState;
}

const AgreementBase = WithParameters(InPlaceVolumeChunkSource, AgreementParameters);

/** Page's side of the chunk source that compares. */
export class AgreementSource extends AgreementBase {
  declare OPTIONS: AgreementOptions;
  readonly state: AgreementState;
  private readonly labels: readonly LabelsSource[];

  constructor(chunkManager: ChunkManager, options: AgreementOptions) {
    super(chunkManager, options);
    this.labels = options.labels.map((one) => this.registerDisposer(one.addRef()));
    this.state = options.state;
    this.state.sources.add(this);
    this.registerDisposer(() => {
      this.state.sources.delete(this);
      this.state.clear();
    });
  }

  override initializeCounterpart(rpc: RPC, options: object): void {
    const { state, labels } = this;
    super.initializeCounterpart(rpc, {
      ...options,
      labels: labels.map((one) => one.addCounterpartRef()),
      settings: state.settings,
    });
    if (state.activeReference !== undefined) this.sendReference(state.activeReference);
  }

  sendReference(reference: Reference | undefined): void {
    this.rpc!.invoke(SET_REFERENCE, {
      id: this.rpcId!,
      ...(reference && {
        reference: {
          name: reference.name,
          dims: reference.dims,
          scale: reference.scale,
          offset: reference.offset,
          // A chunk source that is shown has an id.
          source: reference.source.addCounterpartRef() as { id: number; gen: number },
        },
      }),
    } satisfies SetReference);
  }

  static override encodeOptions(options: AgreementOptions) {
    return { ...AgreementBase.encodeOptions(options), labels: options.labels.map(({ key }) => key) };
  }
}

interface OverviewOptions {
  spec: VolumeChunkSpecification;
  parameters: AgreementOverviewParameters;
  agreement: AgreementSource;
}

const OverviewBase = WithParameters(InPlaceVolumeChunkSource, AgreementOverviewParameters);

class AgreementOverviewSource extends OverviewBase {
  declare OPTIONS: OverviewOptions;
  private readonly agreement: AgreementSource;

  constructor(chunkManager: ChunkManager, options: OverviewOptions) {
    super(chunkManager, options);
    this.agreement = this.registerDisposer(options.agreement.addRef());
  }

  override initializeCounterpart(rpc: RPC, options: object): void {
    super.initializeCounterpart(rpc, { ...options, agreement: this.agreement.addCounterpartRef() });
  }

  static override encodeOptions(options: OverviewOptions) {
    return { ...OverviewBase.encodeOptions(options), agreement: options.agreement.key };
  }
}

/** Categories of `src/evaluation/agreement.ts` as uint8, on the chunks of the compared models. */
export class AgreementVolume extends MultiscaleVolumeChunkSource {
  readonly dataType = DataType.UINT8;
  readonly volumeType = VolumeType.IMAGE;

  constructor(readonly state: AgreementState) {
    super(state.models[0].description.em.chunkManager);
  }

  get rank(): number {
    return 3;
  }

  override getSources(options: VolumeSourceOptions): SliceViewSingleResolutionSource<AnySource>[][] {
    const { state } = this;
    const { layout, parameters, chunkSize } = state.models[0].description;
    const { overviews } = parameters;
    const labels = state.models.map((model) => labelsSourceOf(model, options));
    const { lower, upper } = layout.bounds;
    const spec = (transform: readonly number[], factor: Vec3, chunkDataSize: Uint32Array<ArrayBuffer>) =>
      makeVolumeChunkSpecification({
        rank: 3,
        dataType: this.dataType,
        chunkDataSize,
        lowerVoxelBound: Float32Array.from(lower, (l, i) => Math.floor(l / factor[i])),
        upperVoxelBound: Float32Array.from(upper, (u, i) => Math.ceil(u / factor[i])),
        chunkToMultiscaleTransform: Float32Array.from(transform),
      } as Parameters<typeof makeVolumeChunkSpecification>[0]);
    const agreement = this.chunkManager.getChunkSource(AgreementSource, {
      spec: spec(layout.transform, [1, 1, 1], Uint32Array.from(chunkSize)),
      parameters: Object.assign(new AgreementParameters(), {
        instance: state.instance,
        models: state.query.models,
        overviews,
      }),
      labels,
      state,
    });
    for (const one of labels) one.dispose();
    const scale = (chunkSource: AnySource, transform: readonly number[], factor: Vec3) => ({
      chunkSource,
      chunkToMultiscaleTransform: Float32Array.from(transform),
      lowerClipBound: Float32Array.from(lower, (l, i) => l / factor[i]),
      upperClipBound: Float32Array.from(upper, (u, i) => u / factor[i]),
    });
    return [
      [
        scale(agreement, layout.transform, [1, 1, 1]),
        ...overviews.map((factor, level) => {
          const transform = coarsen(layout.transform, factor);
          const source = this.chunkManager.getChunkSource(AgreementOverviewSource, {
            spec: spec(transform, factor, OVERVIEW_CHUNK),
            parameters: Object.assign(new AgreementOverviewParameters(), { level }),
            agreement,
          });
          return scale(source, transform, factor);
        }),
      ],
    ];
  }
}

type AnySource = AgreementSource | AgreementOverviewSource;

/** The source of a model's labels, with a reference of its own; those of its overviews are not needed. */
function labelsSourceOf(model: MitoState, options: VolumeSourceOptions): LabelsSource {
  const [[{ chunkSource }, ...overviews]] = model.segmentation.getSources(canonicalOptions(3, options));
  for (const overview of overviews) overview.chunkSource.dispose();
  if (!(chunkSource instanceof LabelsSource)) throw new Error("a prediction's first scale is not its labels");
  return chunkSource;
}
