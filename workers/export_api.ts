import type { MeshFormat } from "../src/export/mesh_export.js";
import type { ExportTable, TableFormat } from "../src/export/types.js";
import type { ObjectMesh } from "../src/mesh/types.js";
import type { Box, Vec3 } from "../src/volume/types.js";

/**
 * What the chunk worker serves on a port for one export: labels, probabilities and meshes of a source. `call` is for `cancel`. EM is not
 * to be had.
 */
export interface ExportSourceApi {
  /** Keys of the chunks that a box takes, in an order that goes through space. @throws RangeError outside the volume. */
  chunksOf(box: Box): string[];
  /**
   * Has a chunk predicted where it is not, and with `labels` its objects joined with those of its neighbours.
   * @throws VolumeError; the workers' errors; AbortError, also when the layer is closed.
   */
  prepare(call: number, key: string, labels: boolean): Promise<void>;
  /**
   * Takes down the objects' ids of chunks as they are now, so that all of them are of one moment.
   * @throws Error when not all chunks are known any more: more than fit in memory.
   */
  holdIds(keys: readonly string[]): void;
  /** Ids of a box, x fastest, transferred. Of chunks that are held. @throws as `prepare`; Error when the labels changed. */
  readLabels(call: number, box: Box): Promise<BigUint64Array<ArrayBuffer>>;
  /** round(255 p) of a box, x fastest, transferred. @throws as `prepare`. */
  readProbability(call: number, box: Box): Promise<Uint8Array<ArrayBuffer>>;
  /** Surface of an object in voxels, transferred; undefined when there is no such object (any more). */
  mesh(call: number, id: number): Promise<ObjectMesh | undefined>;
  cancel(call: number): void;
  /** The port is not needed any more. */
  close(): void;
}

/** One thing that is exported. */
export type ExportPart =
  | { readonly kind: "objects" | "chunks"; readonly table: ExportTable; readonly format: TableFormat }
  | { readonly kind: "meshes"; readonly ids: Float64Array; readonly format: MeshFormat }
  /** uint32: numbered from 1, the ids in a table beside it. */
  | { readonly kind: "labels"; readonly box: Box; readonly dataType: "uint64" | "uint32" }
  | { readonly kind: "probability"; readonly box: Box };

/** Where an export goes. */
export type ExportTarget =
  /** A folder of the user's, in which a new one is made. */
  | { readonly kind: "folder"; readonly folder: FileSystemDirectoryHandle }
  /** A file to be downloaded: the table itself if that is all, else a zip archive. */
  | { readonly kind: "download" };

export interface ExportRequest {
  /** Of the folder that is made, or of the file without its ending. */
  readonly name: string;
  readonly parts: readonly ExportPart[];
  /** nm, x y z, of the voxels that boxes count. */
  readonly voxelSize: Vec3;
  /** Where it all came from. */
  readonly about: Readonly<Record<string, string>>;
}

/** What the worker posts to its owner while it works, a few times a second. */
export interface ExportUpdate {
  /** What is being done: "Predicting chunks". */
  readonly doing: string;
  readonly done: number;
  readonly total: number;
  readonly unit: string;
}

export interface ExportUpdateMessage {
  readonly exporting: ExportUpdate;
}

export interface ExportResult {
  /** Names of what is in the folder or archive, at its top. */
  readonly items: readonly string[];
  readonly bytes: number;
  /** The file to be downloaded. */
  readonly file?: Blob;
  readonly fileName?: string;
  /** What the user should know: objects without meshes, and so on. */
  readonly notes: readonly string[];
}

/** What an export worker offers to its page through Comlink; one export in its life. */
export interface ExportApi {
  /**
   * @param source Port on which `ExportSourceApi` is spoken, transferred.
   * @throws ExportError (see its message for what is left), AbortError when it was cancelled, what the source throws.
   */
  start(request: ExportRequest, target: ExportTarget, source: MessagePort): Promise<ExportResult>;
  /** Ends it; what was written is removed. */
  cancel(): void;
}

/** An export that failed and left something behind, which it names. */
export class UnfinishedError extends Error {
  override name = "UnfinishedError";
  constructor(why: string, folder: string) {
    super(`${why}; the unfinished folder ${folder} could not be removed: delete it`);
  }
}
