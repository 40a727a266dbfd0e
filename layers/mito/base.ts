import type { MultiscaleVolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/frontend.js";
import type { WatchableValueInterface } from "neuroglancer/unstable/trackable_value.js";
import type { NullaryReadonlySignal, ReadonlySignal } from "neuroglancer/unstable/util/signal.js";
import type {
  BackendName,
  InferenceGeometry,
  IntensityWindow,
  TestTimeAugmentation,
} from "../../src/inference/types.js";
import type { ChondriaConfig } from "../../src/model/types.js";
import type { ObjectTable } from "../../src/morphology/object_table.js";
import type { MorphologySummary } from "../../src/morphology/types.js";
import type { LabelSettings } from "../../src/segmentation/types.js";
import type { Box, Vec3 } from "../../src/volume/types.js";
import type { ModelReference } from "../../workers/inference_api.js";

/**
 * What the page (layer type, panels) sees of the `mito` data source. Only types: nothing here imports code, so both
 * threads and the unit tests can read it. How to reach it from a layer:
 * `subsource.volume instanceof MitoVolume` (layers/mito/frontend.ts), then `volume.mito` is a {@link MitoSource}.
 */

/** Label settings of a new layer; the threshold is the paper's. */
export const DEFAULT_LABEL_SETTINGS: LabelSettings = { threshold: 0.5, minimumVoxels: 100, connectivity: 26 };

/** Segment id = local label | chunk index << ID_BITS. */
export const ID_BITS = 20n;

/** Where a chunk's probability came from. Only "computed" cost a forward pass. */
export type ChunkOrigin = "computed" | "memory" | "disk";

/** What became of one chunk. A failed chunk carries `error` and no summary, and is tried again by itself. */
export interface ChunkReport {
  /** Position in the chunk grid, "x,y,z" in the order of the source's chunk axes; unique within a source. */
  readonly key: string;
  /** Voxels of the predicted scale (`MitoSource.geometry.scale`), axes x, y, z. */
  readonly box: Box;
  /** The same box in the data source's model space (`MitoSource.modelNames`, its scales and units). */
  readonly modelLower: readonly number[];
  readonly modelUpper: readonly number[];
  /** Morphology at the present settings; absent while it is being counted, and on error. */
  readonly summary?: MorphologySummary;
  /** Time spent by stage; forward is 0 for a cached chunk. Milliseconds. */
  readonly ms: {
    readonly gather: number;
    readonly queue: number;
    readonly forward: number;
    readonly label: number;
  };
  /** Engine that computed the probability; absent when it came from the cache and on error. */
  readonly backend?: BackendName;
  readonly origin: ChunkOrigin;
  readonly error?: string;
  /** How often it has failed in a row; 0 when it did not. */
  readonly failures: number;
}

/** What is on the screen now. Counts are chunks of the computed scale that the views ask for. */
export interface ViewCounts {
  readonly wanted: number;
  readonly finished: number;
  readonly failed: number;
}

/** Reports of one source, newest last, bounded: the oldest are dropped. Ask again after `changed`. */
export interface ComputedResults {
  /** Dispatched when a report arrived or the set of visible chunks changed; at most every 100 ms. */
  readonly changed: NullaryReadonlySignal;
  readonly size: number;
  /** All that are kept, in order of arrival. */
  all(): ChunkReport[];
  get(key: string): ChunkReport | undefined;
  /** Those of the chunks that are visible now (any panel). Empty when zoomed out: then nothing is computed. */
  inView(): ChunkReport[];
  counts(): ViewCounts;
}

/** Whole objects of one source: pieces in its chunks, joined over their faces. */
export interface ComputedObjects {
  /** Dispatched when the table changed; at most every 250 ms. */
  readonly changed: NullaryReadonlySignal;
  /** A row an object, bounded: with too many objects, those not looked at for longest go first. */
  readonly table: ObjectTable;
  /** Id that an object has now, by an id under which it, or a part of it, is or was shown; undefined when it is not known. */
  current(id: bigint): bigint | undefined;
  /** Dispatched when ids changed; at most twice a second. */
  readonly idsChanged: ReadonlySignal<(change: ObjectIdChange) => void>;
  /** Ids that chunks on the screen still show -> the ids that stand for them; a few hundred at most. */
  readonly links: ReadonlyMap<number, number>;
}

/** Ids as numbers; pairs lie one after the other. */
export interface ObjectIdChange {
  /** Objects of before, and the ids under which they (or most of them) live on. All at once: two may change ids. */
  readonly renamed: Float64Array;
  /** Ids that chunks on the screen still show, and the ids that stand for them from now on. */
  readonly linked: Float64Array;
  /** Ids whose links go; to be done before `linked`. */
  readonly unlinked: Float64Array;
}

/** State of the inference workers, the same for all layers. */
export interface InferenceStatus {
  /** "starting" until the first worker answers; "failed" when no worker can be kept alive. */
  readonly state: "starting" | "ready" | "failed";
  /** The engine that runs; absent while starting and when failed. */
  readonly backend?: BackendName;
  /** Adapter or thread description, for a tooltip. */
  readonly detail: string;
  /** Workers that are alive. */
  readonly workers: number;
  /** Workers that had to be replaced since the page was opened. */
  readonly restarts: number;
  /** What the user should know: fallback taken, why it failed and what to do. */
  readonly message?: string;
}

/** The model of a source, from its rdf.yaml alone (weights are read by the inference workers). */
export interface MitoModel {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly digest: string;
  readonly config: ChondriaConfig;
}

/** One loaded `mito://` source: exactly one for each layer data source, so that settings are per layer. */
export interface MitoSource {
  readonly url: string;
  /** The wrapped source's URL. */
  readonly innerUrl: string;
  readonly query: MitoQuery;
  readonly model: MitoModel;
  readonly geometry: InferenceGeometry;
  /** nm, x y z, of the predicted scale. */
  readonly voxelSize: Vec3;
  /** Axis names of the data source's model space, in its order (as `modelLower` of a report). */
  readonly modelNames: readonly string[];
  /** Metres (or the unit given) per model-space unit, as in Neuroglancer's CoordinateSpace. */
  readonly modelScales: readonly number[];
  readonly modelUnits: readonly string[];
  /** Intensity window in use: from the URL, else the model's (8-bit), else one given for the data type. */
  readonly window: IntensityWindow;
  /** Write `.value` to re-label; cheap, no forward pass. */
  readonly settings: WatchableValueInterface<LabelSettings>;
  readonly results: ComputedResults;
  readonly objects: ComputedObjects;
  readonly status: WatchableValueInterface<InferenceStatus>;
  /** uint64 segmentation: the data source's subsource. */
  readonly segmentation: MultiscaleVolumeChunkSource;
  /** uint8 probability (0..255), same chunks and scales; for a heat map. Costs no second forward pass. */
  readonly probability: MultiscaleVolumeChunkSource;
  /** Where the model's files are, for workers. */
  readonly reference: ModelReference;
  /** Whether the EM has 8 bits a voxel, and not 16. */
  readonly eightBit: boolean;
  /** Homogeneous, column-major, 4 x 4: voxels (x, y, z) of the predicted scale -> model space. */
  readonly voxelToModel: readonly number[];
  /** Tries failed chunks again at once. */
  retry(): void;
  /** Has these objects measured even while they are partial. */
  selectObjects(ids: Iterable<bigint>): void;
  /**
   * Has the chunk worker serve EM of this source (`PatchesApi`) on a port, which is transferred.
   * @throws Error while no layer shows the source.
   */
  servePatches(port: MessagePort): void;
}

/** The part of a `mito` URL that is ours: what changes voxels of the network's output, and the chunk shape. */
export interface MitoQuery {
  readonly model: string;
  /** Raw intensities that become 0 and 1; absent: the model's own for uint8 EM, 0..65535 for uint16. */
  readonly window?: IntensityWindow;
  readonly tta: TestTimeAugmentation;
  /** Display chunk in voxels of the predicted scale, x y z. Does not change voxels. */
  readonly chunk?: Vec3;
  /** Index into the channel axis of a volume with several channels. */
  readonly channel?: number;
}
