import { type MeshExportOptions, writeMeshes } from "../src/export/mesh_export.js";
import { writeTable } from "../src/export/table_file.js";
import type { ExportProgress, ExportSink, ExportTable, OnProgress } from "../src/export/types.js";
import { writeZarrBox } from "../src/export/zarr_box.js";
import type { ObjectMesh } from "../src/mesh/types.js";
import type { Box, Vec3 } from "../src/volume/types.js";
import type { ExportPart, ExportRequest, ExportUpdate } from "./export_api.js";

/** `ExportSourceApi` as a client that cancels by signal. */
export interface ExportSource {
  chunksOf(box: Box): Promise<string[]>;
  prepare(key: string, labels: boolean, signal: AbortSignal): Promise<void>;
  holdIds(keys: readonly string[]): Promise<void>;
  readLabels(box: Box, signal: AbortSignal): Promise<BigUint64Array<ArrayBuffer>>;
  readProbability(box: Box, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  mesh(id: number, signal: AbortSignal): Promise<ObjectMesh | undefined>;
}

export interface ExportHost {
  readonly source: ExportSource;
  readonly sink: ExportSink;
  /**
   * Makes the place for files whose names no folder of the user's may hold (a colon): an archive in the folder. Absent where the sink takes
   * them.
   */
  readonly archive?: (name: string, write: (sink: ExportSink) => Promise<void>) => Promise<void>;
  onUpdate(update: ExportUpdate): void;
  readonly signal: AbortSignal;
}

/** Chunks asked for at once: two for the inference workers, and one that is gathered meanwhile. */
const PREPARED_AT_ONCE = 3;

/** What was exported, for the user. */
export interface Exported {
  readonly items: string[];
  readonly notes: string[];
}

/**
 * Exports the parts of a request one after the other.
 * @throws ExportError, what the source throws, the signal's reason; what was written by then is the caller's to remove.
 */
export async function runExport(request: ExportRequest, host: ExportHost): Promise<Exported> {
  const exported: Exported = { items: [], notes: [] };
  for (const part of request.parts) {
    host.signal.throwIfAborted();
    await exportPart(part, request, host, exported);
  }
  return exported;
}

async function exportPart(
  part: ExportPart,
  { voxelSize, about }: ExportRequest,
  host: ExportHost,
  exported: Exported,
): Promise<void> {
  const { sink, signal } = host;
  switch (part.kind) {
    case "objects":
    case "chunks": {
      const name = `${part.kind}.${part.format}`;
      host.onUpdate({ doing: `Writing ${name}`, done: 0, total: 1, unit: "tables" });
      await writeTable(sink, name, part.table, part.format);
      exported.items.push(name);
      return;
    }
    case "meshes":
      return exportMeshes(part, voxelSize, host, exported);
    case "labels":
      return exportLabels(part, voxelSize, about, host, exported);
    case "probability": {
      await prepare(part.box, false, host);
      const folder = "probability.ome.zarr";
      await writeZarrBox({
        sink,
        folder,
        box: part.box,
        voxelSize,
        dataType: "uint8",
        labels: false,
        provenance: { ...about, values: "round(255 * probability)" },
        read: (box) => host.source.readProbability(box, signal),
        onProgress: told(host, "Writing probabilities"),
        signal,
      });
      exported.items.push(folder);
    }
  }
}

const told =
  (host: ExportHost, doing: string): OnProgress =>
  (progress: ExportProgress) =>
    host.onUpdate({ doing, ...progress });

/** Has all chunks of a box predicted, and labelled. @returns their keys. */
async function prepare(box: Box, labels: boolean, host: ExportHost): Promise<string[]> {
  const { source, signal } = host;
  const keys = await source.chunksOf(box);
  const doing = labels ? "Predicting and joining objects" : "Predicting";
  let next = 0;
  let done = 0;
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const work = async () => {
    while (next < keys.length && !both.aborted) {
      await source.prepare(keys[next++], labels, both);
      host.onUpdate({ doing, done: ++done, total: keys.length, unit: "chunks" });
    }
  };
  host.onUpdate({ doing, done, total: keys.length, unit: "chunks" });
  const workers = Array.from({ length: PREPARED_AT_ONCE }, () =>
    work().catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(workers);
  signal.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  return keys;
}

async function exportMeshes(
  { ids, format }: ExportPart & { kind: "meshes" },
  voxelSize: Vec3,
  host: ExportHost,
  exported: Exported,
): Promise<void> {
  const { signal, archive } = host;
  const make = async (options: Pick<MeshExportOptions, "sink" | "folder">) => {
    const { written, missing, coarse } = await writeMeshes({
      ...options,
      format,
      ids,
      voxelSize,
      mesh: (id) => host.source.mesh(id, signal),
      onProgress: told(host, "Meshing"),
      signal,
    });
    exported.notes.push(`${written} ${written === 1 ? "mesh" : "meshes"}.`);
    if (missing.length > 0)
      exported.notes.push(`${missing.length} objects have no mesh: they are gone, or not known any more.`);
    if (coarse.length > 0)
      exported.notes.push(
        `${coarse.length} objects are so large that their meshes are coarser than the voxels.`,
      );
  };
  if (format === "ply" || archive === undefined) {
    await make({ sink: host.sink, folder: "meshes" });
    exported.items.push("meshes");
    return;
  }
  const name = "meshes.zip";
  await archive(name, (sink) => make({ sink, folder: "" }));
  exported.items.push(name);
  exported.notes.push(
    "Neuroglancer opens the archive as it is, from a web server: …/meshes.zip|zip:|neuroglancer-precomputed:",
  );
}

async function exportLabels(
  { box, dataType }: ExportPart & { kind: "labels" },
  voxelSize: Vec3,
  about: Readonly<Record<string, string>>,
  host: ExportHost,
  exported: Exported,
): Promise<void> {
  const { source, sink, signal } = host;
  const keys = await prepare(box, true, host);
  await source.holdIds(keys);
  const folder = "labels.ome.zarr";
  const numbers = new Map<bigint, number>();
  await writeZarrBox({
    sink,
    folder,
    box,
    voxelSize,
    dataType,
    labels: true,
    provenance: about,
    read: async (part) => {
      const ids = await source.readLabels(part, signal);
      return dataType === "uint64" ? ids : numbered(ids, numbers);
    },
    onProgress: told(host, "Writing labels"),
    signal,
  });
  exported.items.push(folder);
  if (dataType === "uint64") return;
  await writeTable(sink, "label_ids.csv", numbersTable(numbers, about), "csv");
  exported.items.push("label_ids.csv");
  exported.notes.push("Labels are numbered from 1; label_ids.csv has the ids of their objects.");
}

/** Ids as numbers from 1, in the order in which they are met. */
function numbered(ids: BigUint64Array, numbers: Map<bigint, number>): Uint32Array {
  const labels = new Uint32Array(ids.length);
  let last = 0n;
  let number = 0;
  for (let i = 0; i < ids.length; ++i) {
    const id = ids[i];
    if (id === 0n) continue;
    if (id !== last) {
      last = id;
      number = numbers.get(id) ?? numbers.size + 1;
      numbers.set(id, number);
    }
    labels[i] = number;
  }
  return labels;
}

function numbersTable(
  numbers: ReadonlyMap<bigint, number>,
  about: Readonly<Record<string, string>>,
): ExportTable {
  const plain = { unit: "", type: "integer" } as const;
  return {
    rows: numbers.size,
    columns: [
      {
        ...plain,
        name: "label",
        description: "Value in the exported volume.",
        values: [...numbers.values()],
      },
      {
        ...plain,
        name: "id",
        description: "Segment id of the object in the viewer, its table and its mesh.",
        values: Array.from(numbers.keys(), Number),
      },
    ],
    about,
  };
}
