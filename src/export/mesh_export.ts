import { plyFile, precomputedMesh, precomputedMeshInfo, toNanometres } from "../mesh/mesh_files.js";
import type { ObjectMesh } from "../mesh/types.js";
import type { Vec3 } from "../volume/types.js";
import type { ExportSink, OnProgress } from "./types.js";

export type MeshFormat = "ply" | "precomputed";

export interface MeshExportOptions {
  readonly sink: ExportSink;
  /** Below the sink's; "" for the sink itself. */
  readonly folder: string;
  readonly format: MeshFormat;
  /** Segment ids. */
  readonly ids: ArrayLike<number>;
  /** In voxels; undefined for an object that is gone or not all there. */
  mesh(id: number, signal?: AbortSignal): Promise<ObjectMesh | undefined>;
  /** nm, x y z. */
  readonly voxelSize: Vec3;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** What became of the objects that were asked for. */
export interface MeshExportResult {
  readonly written: number;
  /** Objects without a mesh. */
  readonly missing: readonly number[];
  /** Objects whose mesh was made from a mask sampled coarsely. */
  readonly coarse: readonly number[];
}

/**
 * Writes the meshes of objects, one at a time, in nm: as `<id>.ply`, or as a folder that Neuroglancer opens as a precomputed mesh
 * source, whose `info` comes last.
 */
export async function writeMeshes(options: MeshExportOptions): Promise<MeshExportResult> {
  const { sink, folder, format, ids, mesh, voxelSize, onProgress, signal } = options;
  const path = (name: string) => (folder === "" ? name : `${folder}/${name}`);
  const missing: number[] = [];
  const coarse: number[] = [];
  let written = 0;
  for (let i = 0; i < ids.length; ++i) {
    signal?.throwIfAborted();
    const id = ids[i];
    const made = await mesh(id, signal);
    signal?.throwIfAborted();
    if (made === undefined || made.indices.length === 0) missing.push(id);
    else {
      const sampled = made.step.join(" x ");
      if (made.step.some((step) => step > 1)) coarse.push(id);
      const inSpace = toNanometres(made, voxelSize);
      const files =
        format === "ply"
          ? [
              [
                `${id}.ply`,
                plyFile(inSpace, [`object ${id}`, "unit nm", `sampled every ${sampled} voxels`]),
              ] as const,
            ]
          : precomputedMesh(String(id), inSpace);
      for (const [name, bytes] of files) await sink.write(path(name), [bytes]);
      ++written;
    }
    onProgress?.({ done: i + 1, total: ids.length, unit: "meshes" });
  }
  if (format === "precomputed") await sink.write(path("info"), [precomputedMeshInfo()]);
  return { written, missing, coarse };
}
