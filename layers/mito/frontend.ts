import type { SliceViewSingleResolutionSource } from "neuroglancer/unstable/sliceview/frontend.js";
import {
  DataType,
  makeVolumeChunkSpecificationWithDefaultCompression,
  type VolumeChunkSpecification,
  type VolumeSourceOptions,
  VolumeType,
} from "neuroglancer/unstable/sliceview/volume/base.js";
import {
  MultiscaleVolumeChunkSource,
  type VolumeChunkSource,
} from "neuroglancer/unstable/sliceview/volume/frontend.js";
import { WatchableValue, type WatchableValueInterface } from "neuroglancer/unstable/trackable_value.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import { registerRPC } from "neuroglancer/unstable/worker_rpc.js";
import type { LabelSettings } from "../../src/segmentation/types.js";
import type { Vec3 } from "../../src/volume/types.js";
import { type ChunkReport, DEFAULT_LABEL_SETTINGS, type InferenceStatus, type MitoSource } from "./base.js";
import { LabelsSource, OverviewSource, ProbabilitySource } from "./chunk_sources.js";
import { coarsen, type ScaleLayout } from "./layout.js";
import { ObjectStore } from "./objects.js";
import {
  type LabelsParameters,
  OBJECT_IDS,
  OBJECT_ROWS,
  type ObjectIds,
  type ObjectRowsMessage,
  type OverviewKind,
  OverviewParameters,
  ProbabilityParameters,
  REPORT,
  RETRY,
  type Report,
  SELECT_OBJECTS,
  SERVE_PATCHES,
  SET_SETTINGS,
  type SelectObjects,
  type ServePatches,
  VIEW,
  type View,
} from "./protocol.js";
import { ResultStore } from "./results.js";

/** Chunks of an overview, in its voxels. */
const OVERVIEW_CHUNK = Uint32Array.of(128, 128, 8);

/** What volumes of one data source are made from. */
export interface MitoDescription
  extends Pick<
    MitoSource,
    | "url"
    | "innerUrl"
    | "query"
    | "model"
    | "geometry"
    | "voxelSize"
    | "modelNames"
    | "modelScales"
    | "modelUnits"
    | "window"
  > {
  readonly em: MultiscaleVolumeChunkSource;
  readonly layout: ScaleLayout;
  readonly parameters: LabelsParameters;
  readonly chunkSize: Vec3;
  readonly status: WatchableValueInterface<InferenceStatus>;
  /** Starts inference anew after it had given up. */
  restart(): void;
}

/** One loaded data source: settings, results, and the two volumes. */
export class MitoState implements MitoSource {
  readonly url;
  readonly innerUrl;
  readonly query;
  readonly model;
  readonly geometry;
  readonly voxelSize;
  readonly modelNames;
  readonly modelScales;
  readonly modelUnits;
  readonly window;
  readonly status;
  readonly settings = new WatchableValue<LabelSettings>(DEFAULT_LABEL_SETTINGS);
  readonly results = new ResultStore();
  readonly objects = new ObjectStore();
  readonly segmentation: MitoVolume;
  readonly probability: MitoVolume;
  /** Chunk sources that exist now: none while no layer shows the source, else one. */
  readonly sources = new Set<LabelsSource>();
  /** Dispatched when the chunk worker has another source. */
  readonly sourcesChanged = new NullarySignal();

  constructor(readonly description: MitoDescription) {
    ({
      url: this.url,
      innerUrl: this.innerUrl,
      query: this.query,
      model: this.model,
      geometry: this.geometry,
      voxelSize: this.voxelSize,
      modelNames: this.modelNames,
      modelScales: this.modelScales,
      modelUnits: this.modelUnits,
      window: this.window,
      status: this.status,
    } = description);
    this.segmentation = new MitoVolume(this, "labels");
    this.probability = new MitoVolume(this, "probability");
    let sent = this.settings.value;
    this.settings.changed.add(() => {
      const settings = this.settings.value;
      const same =
        settings.threshold === sent.threshold &&
        settings.minimumVoxels === sent.minimumVoxels &&
        settings.connectivity === sent.connectivity;
      if (same) return;
      sent = settings;
      for (const { rpc, rpcId } of this.sources) rpc!.invoke(SET_SETTINGS, { id: rpcId!, settings });
    });
  }

  retry(): void {
    this.description.restart();
    for (const { rpc, rpcId } of this.sources) rpc!.invoke(RETRY, { id: rpcId! });
  }

  selectObjects(ids: Iterable<bigint>): void {
    const message = { ids: Float64Array.from(ids, Number) };
    for (const { rpc, rpcId } of this.sources)
      rpc!.invoke(SELECT_OBJECTS, { id: rpcId!, ...message } satisfies SelectObjects);
  }

  get reference() {
    return this.description.parameters.model;
  }

  get eightBit() {
    return this.description.parameters.bytesPerVoxel === 1;
  }

  get voxelToModel() {
    return this.description.layout.transform;
  }

  servePatches(port: MessagePort): void {
    const [source] = this.sources;
    if (source === undefined) throw new Error("no view shows this layer: make it visible, then try again");
    source.rpc!.invoke(SERVE_PATCHES, { id: source.rpcId!, port } satisfies ServePatches, [port]);
  }

  /** @returns The box of a report in model space. */
  modelBox({ lower, upper }: ChunkReport["box"]): { modelLower: number[]; modelUpper: number[] } {
    const { transform } = this.description.layout;
    const rows = [0, 1, 2].map((row) => {
      const ends = [lower, upper].map((corner) =>
        corner.reduce((sum, value, column) => sum + transform[column * 4 + row] * value, transform[12 + row]),
      );
      return [Math.min(...ends), Math.max(...ends)];
    });
    return { modelLower: rows.map(([l]) => l), modelUpper: rows.map(([, u]) => u) };
  }
}

registerRPC(REPORT, function ({ id, report, relabelled }: Report) {
  // The frontend object under the same id; gone once it was disposed.
  const { mito } = (this.get(id) as LabelsSource | undefined) ?? {};
  mito?.results.add({ ...report, ...mito.modelBox(report.box) }, relabelled);
});

registerRPC(VIEW, function ({ id, keys, finished }: View) {
  (this.get(id) as LabelsSource | undefined)?.mito.results.show(keys, finished);
});

registerRPC(OBJECT_IDS, function ({ id, ...change }: ObjectIds) {
  (this.get(id) as LabelsSource | undefined)?.mito.objects.applyIds(change);
});

registerRPC(OBJECT_ROWS, function ({ id, rows }: ObjectRowsMessage) {
  (this.get(id) as LabelsSource | undefined)?.mito.objects.applyRows(rows);
});

/** Labels or probabilities of a data source: the computed scale, then overviews that only show what was computed. */
export class MitoVolume extends MultiscaleVolumeChunkSource {
  readonly dataType: DataType;
  readonly volumeType: VolumeType;

  constructor(
    readonly mito: MitoState,
    readonly kind: OverviewKind,
  ) {
    super(mito.description.em.chunkManager);
    this.dataType = kind === "labels" ? DataType.UINT64 : DataType.UINT8;
    this.volumeType = kind === "labels" ? VolumeType.SEGMENTATION : VolumeType.IMAGE;
  }

  get rank(): number {
    return 3;
  }

  override getSources(options: VolumeSourceOptions): SliceViewSingleResolutionSource<VolumeChunkSource>[][] {
    const { layout, parameters, chunkSize } = this.mito.description;
    const labels = this.labelsSource(options);
    const scales = [
      this.scale(options, layout.transform, layout.bounds, [1, 1, 1], Uint32Array.from(chunkSize), (spec) =>
        this.kind === "labels"
          ? labels.addRef()
          : this.chunkManager.getChunkSource(ProbabilitySource, {
              spec,
              labels,
              parameters: new ProbabilityParameters(),
            }),
      ),
      ...parameters.overviews.map((factor, level) =>
        this.scale(
          options,
          coarsen(layout.transform, factor),
          layout.bounds,
          factor,
          OVERVIEW_CHUNK,
          (spec) =>
            this.chunkManager.getChunkSource(OverviewSource, {
              spec,
              labels,
              parameters: Object.assign(new OverviewParameters(), { kind: this.kind, level }),
            }),
        ),
      ),
    ];
    labels.dispose();
    return [scales];
  }

  /** The source behind both kinds. */
  private labelsSource(options: VolumeSourceOptions): LabelsSource {
    const { mito } = this;
    const { em, layout, parameters, chunkSize, geometry } = mito.description;
    const scales = emScales(em);
    try {
      const spec = makeVolumeChunkSpecificationWithDefaultCompression({
        rank: 3,
        dataType: DataType.UINT64,
        volumeType: VolumeType.SEGMENTATION,
        chunkDataSize: Uint32Array.from(chunkSize),
        lowerVoxelBound: Float32Array.from(layout.bounds.lower),
        upperVoxelBound: Float32Array.from(layout.bounds.upper),
        chunkToMultiscaleTransform: Float32Array.from(layout.transform),
        volumeSourceOptions: canonicalOptions(3, options),
      });
      const { chunkSource } = scales[geometry.scale];
      return this.chunkManager.getChunkSource(LabelsSource, { spec, parameters, em: chunkSource, mito });
    } finally {
      for (const { chunkSource } of scales) chunkSource.dispose();
    }
  }

  private scale(
    options: VolumeSourceOptions,
    transform: readonly number[],
    { lower, upper }: ScaleLayout["bounds"],
    factor: Vec3,
    chunkDataSize: Uint32Array<ArrayBuffer>,
    make: (spec: VolumeChunkSpecification) => VolumeChunkSource,
  ): SliceViewSingleResolutionSource<VolumeChunkSource> {
    const chunkToMultiscaleTransform = Float32Array.from(transform);
    const spec = makeVolumeChunkSpecificationWithDefaultCompression({
      rank: 3,
      dataType: this.dataType,
      volumeType: this.volumeType,
      chunkDataSize,
      lowerVoxelBound: Float32Array.from(lower, (l, i) => Math.floor(l / factor[i])),
      upperVoxelBound: Float32Array.from(upper, (u, i) => Math.ceil(u / factor[i])),
      chunkToMultiscaleTransform,
      volumeSourceOptions: canonicalOptions(3, options),
    });
    return {
      chunkSource: make(spec),
      chunkToMultiscaleTransform,
      lowerClipBound: Float32Array.from(lower, (l, i) => l / factor[i]),
      upperClipBound: Float32Array.from(upper, (u, i) => u / factor[i]),
    };
  }
}

/**
 * One orientation for all views: some sources, and the compression of labels, choose block shapes by the view, which
 * would make each panel compute for itself.
 */
export function canonicalOptions(rank: number, options?: VolumeSourceOptions): VolumeSourceOptions {
  const multiscaleToViewTransform = new Float32Array(rank * rank);
  for (let i = 0; i < rank; i++) multiscaleToViewTransform[i * rank + i] = 1;
  return { ...options, displayRank: rank, multiscaleToViewTransform, modelChannelDimensionIndices: [] };
}

/** All scales of an EM volume, fine to coarse, in one orientation; each source carries a reference. */
export function emScales(
  em: MultiscaleVolumeChunkSource,
): SliceViewSingleResolutionSource<VolumeChunkSource>[] {
  const [scales, ...others] = em.getSources(canonicalOptions(em.rank));
  for (const orientation of others) for (const { chunkSource } of orientation) chunkSource.dispose();
  return scales;
}
