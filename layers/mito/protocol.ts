import type {
  InferenceGeometry,
  IntensityWindow,
  ReceptiveField,
  TestTimeAugmentation,
} from "../../src/inference/types.js";
import type { ObjectRows } from "../../src/morphology/object_types.js";
import type { LabelSettings } from "../../src/segmentation/types.js";
import type { Vec3 } from "../../src/volume/types.js";
import type { ModelReference } from "../../workers/inference_api.js";
import type { ChunkReport } from "./base.js";

/**
 * What the page and the chunk worker say to each other: classes with an RPC_ID are the parameters of chunk sources (and
 * part of the key under which Neuroglancer shares sources, so plain data), the rest are messages.
 */

/** A source that computes: one for each data source of a layer (`instance`), so that settings are per layer. */
export class LabelsParameters {
  static RPC_ID = "chondria/Labels";
  instance!: number;
  model!: ModelReference;
  field!: ReceptiveField;
  geometry!: InferenceGeometry;
  window!: IntensityWindow;
  tta!: TestTimeAugmentation;
  /** Identifies model, volume, geometry, window and augmentation; with a chunk's box, a stored probability. */
  storeKey!: string;
  /** URL of the EM volume, for error messages. */
  innerUrl!: string;
  /** See ScaleLayout. */
  chunkDims!: Vec3;
  fixed!: readonly number[];
  bytesPerVoxel!: 1 | 2;
  overviews!: readonly Vec3[];
  /** nm, x y z. */
  voxelSize!: Vec3;
}

/** The probability behind a LabelsParameters source; a source without settings. */
// biome-ignore lint/complexity/noStaticOnlyClass: Neuroglancer takes parameters as a class.
export class ProbabilityParameters {
  static RPC_ID = "chondria/Probability";
}

/** Meshes of the whole objects of the LabelsParameters source with the same `instance`, when there is one. */
export class MeshParameters {
  static RPC_ID = "chondria/Meshes";
  instance!: number;
}

export type OverviewKind = "labels" | "probability";

/** A coarser scale that shows what was computed and never computes. */
export class OverviewParameters {
  static RPC_ID = "chondria/Overview";
  kind!: OverviewKind;
  /** Index into LabelsParameters.overviews. */
  level!: number;
}

/** Page -> chunk worker: a port to an inference worker. */
export const WORKER_CONNECTED = "chondria/workerConnected";
export interface WorkerConnected {
  readonly worker: number;
  readonly port: MessagePort;
}
/** Page -> chunk worker: that worker is gone. */
export const WORKER_LOST = "chondria/workerLost";
export interface WorkerLost {
  readonly worker: number;
  readonly reason: string;
}
/** Chunk worker -> page: what the user should know of the store of results. */
export const STORE_PROBLEM = "chondria/storeProblem";
export interface StoreProblem {
  readonly message: string;
}
/** Page -> chunk worker: none will come. */
export const INFERENCE_FAILED = "chondria/inferenceFailed";
export interface InferenceFailed {
  readonly message: string;
}

/** Page -> chunk worker: new label settings of a source. */
export const SET_SETTINGS = "chondria/setSettings";
export interface SetSettings {
  readonly id: number;
  readonly settings: LabelSettings;
}
/** Page -> chunk worker: try failed chunks again now. */
export const RETRY = "chondria/retry";
export interface Retry {
  readonly id: number;
}

/** Page -> chunk worker: give EM of a source (`PatchesApi`) on the port, whose other end an adaptation worker has. */
export const SERVE_PATCHES = "chondria/servePatches";
export interface ServePatches {
  readonly id: number;
  readonly port: MessagePort;
}

/** Chunk worker -> page: what became of a chunk. */
export const REPORT = "chondria/report";
export interface Report {
  readonly id: number;
  readonly report: Omit<ChunkReport, "modelLower" | "modelUpper">;
  /** Labelled anew with other settings: where the probability came from, and what it cost, is as reported before. */
  readonly relabelled: boolean;
}
/**
 * Chunk worker -> page: whole objects changed; at most twice a second. Pairs of ids lie one after the other; ids as numbers.
 */
export const OBJECT_IDS = "chondria/objectIds";
export interface ObjectIds {
  readonly id: number;
  /** Objects of before, and the ids under which they (or most of them) live on. */
  readonly renamed: Float64Array;
  /** Ids that chunks on the screen still show, and the ids that stand for them until those chunks are written anew. */
  readonly linked: Float64Array;
  /** Ids whose links go; applied before `linked`. */
  readonly unlinked: Float64Array;
}
/** Chunk worker -> page: rows of the object table. */
export const OBJECT_ROWS = "chondria/objectRows";
export interface ObjectRowsMessage {
  readonly id: number;
  readonly rows: ObjectRows;
}
/** Page -> chunk worker: objects that the user selected, which are measured even while more of them may come. */
export const SELECT_OBJECTS = "chondria/selectObjects";
export interface SelectObjects {
  readonly id: number;
  readonly ids: Float64Array;
}

/** Chunk worker -> page: the chunks that are visible, and for each whether it is finished. */
export const VIEW = "chondria/view";
export interface View {
  readonly id: number;
  readonly keys: readonly string[];
  readonly finished: readonly boolean[];
}

/** Page -> chunk worker, answered: what has been done so far, for tests and the curious. */
export const COUNTERS = "chondria/counters";
export interface Counters {
  /** Chunks that went through the network, and slices given to it. */
  forwardPasses: number;
  chunksComputed: number;
  memoryHits: number;
  diskHits: number;
  relabelled: number;
  /** Dropped before they cost a forward pass, because they left the view. */
  dropped: number;
  /** Chunks that could not be computed, each time. */
  failures: number;
  /** Bytes held by the chunk worker's own caches. */
  emBytes: number;
  probabilityBytes: number;
  thumbnailBytes: number;
  /** Chunks that wait for an inference worker. */
  waiting: number;
  /** Whole objects of all sources, and the bytes that their chunks take. */
  objects: number;
  objectBytes: number;
  /** Links that the pages hold now. */
  links: number;
  /** Chunks on the screen that show ids of before, and how often chunks have been written anew. */
  outdated: number;
  rewritten: number;
}
