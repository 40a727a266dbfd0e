import Blosc from "numcodecs/blosc";
import { boxSize } from "../volume/box.js";
import { chooseChunkSize } from "../volume/chunk_shape.js";
import { copyBox } from "../volume/copy_box.js";
import { allocateVoxels, downsampleMean, downsampleMode, planPyramid } from "../volume/downsample.js";
import type { Box, DataType, Vec3, VoxelArray } from "../volume/types.js";
import {
  bloscSettings,
  chunkKey,
  itemBytes,
  metadataFiles,
  type VolumeDescription,
  type ZarrVersion,
} from "../volume/zarr_documents.js";
import { type Bytes, ExportError, type ExportSink, type OnProgress } from "./types.js";

export interface ZarrBoxOptions {
  readonly sink: ExportSink;
  /** Folder of the volume below the sink's: "labels.ome.zarr". */
  readonly folder: string;
  /** Voxels of the scale that are written; they keep their place in space. */
  readonly box: Box;
  /** nm, x y z. */
  readonly voxelSize: Vec3;
  readonly dataType: DataType;
  readonly labels: boolean;
  readonly zarr?: ZarrVersion;
  /** Voxels of a box of the scale within `box`, x fastest, of `dataType`; asked for once each, one at a time. */
  read(box: Box, signal?: AbortSignal): Promise<VoxelArray>;
  readonly chunkSize?: Vec3;
  /** Where the volume came from, under the key "chondria". */
  readonly provenance: Readonly<Record<string, unknown>>;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** What is written for a box, of all levels. */
export function describeBox(
  options: Pick<
    ZarrBoxOptions,
    "box" | "voxelSize" | "dataType" | "labels" | "zarr" | "chunkSize" | "provenance" | "folder"
  >,
): VolumeDescription & { chunks: number } {
  const { box, voxelSize, dataType, labels, zarr = 2, provenance, folder } = options;
  const size = boxSize(box);
  if (!size.every((length) => length >= 1))
    throw new ExportError(folder, `the box ${box.lower.join()} - ${box.upper.join()} is empty`);
  const chunkSize = options.chunkSize ?? chooseChunkSize(size, voxelSize, itemBytes(dataType));
  const levels = planPyramid(size, voxelSize, chunkSize);
  const chunks = levels.reduce(
    (sum, level) =>
      sum + level.size.reduce((product, length, i) => product * Math.ceil(length / chunkSize[i]), 1),
    0,
  );
  const name = folder.replace(/(\.ome)?\.zarr$/, "");
  return { zarr, name, dataType, labels, levels, chunkSize, origin: box.lower, provenance, chunks };
}

/**
 * Writes a box of voxels as multiscale OME-Zarr. The chunks of all levels are made depth first, each coarser one right after the finer
 * ones that it covers: nine chunks a level are held at most, nothing is read back, and files only ever come, so that the target may be an
 * archive. Metadata comes last: what is cut short is no volume.
 *
 * @throws ExportError when the target fails; what `read` throws; the signal's reason.
 */
export async function writeZarrBox(options: ZarrBoxOptions): Promise<VolumeDescription> {
  const { sink, folder, signal } = options;
  const { chunks, ...volume } = describeBox(options);
  const writer = new ChunkWriter(options, volume, chunks);
  const coarsest = volume.levels.length - 1;
  const [nx, ny, nz] = writer.grid(coarsest);
  for (let z = 0; z < nz; ++z)
    for (let y = 0; y < ny; ++y) for (let x = 0; x < nx; ++x) await writer.make(coarsest, [x, y, z]);
  for (const [path, json] of metadataFiles(volume)) {
    signal?.throwIfAborted();
    await sink.write(`${folder}/${path}`, [new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`)]);
  }
  return volume;
}

const map3 = (f: (axis: 0 | 1 | 2) => number): Vec3 => [f(0), f(1), f(2)];

class ChunkWriter {
  private readonly codec;
  private done = 0;

  constructor(
    private readonly options: ZarrBoxOptions,
    private readonly volume: VolumeDescription,
    private readonly total: number,
  ) {
    this.codec = Blosc.fromConfig({ id: "blosc", ...bloscSettings(volume.labels) });
  }

  grid(level: number): Vec3 {
    const { levels, chunkSize } = this.volume;
    return map3((i) => Math.ceil(levels[level].size[i] / chunkSize[i]));
  }

  /** Writes a chunk and all that it covers. @returns its voxels, of the chunk's full size. */
  async make(level: number, chunk: Vec3): Promise<VoxelArray> {
    const voxels = level === 0 ? await this.fromSource(chunk) : await this.fromFiner(level, chunk);
    const { sink, folder, onProgress, signal } = this.options;
    signal?.throwIfAborted();
    const bytes = new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength);
    const encoded = (await this.codec.encode(bytes)) as Bytes;
    await sink.write(`${folder}/${level}/${chunkKey(this.volume.zarr, chunk)}`, [encoded]);
    onProgress?.({ done: ++this.done, total: this.total, unit: "chunks written" });
    return voxels;
  }

  private async fromSource(chunk: Vec3): Promise<VoxelArray> {
    const { box, read, signal } = this.options;
    const { chunkSize } = this.volume;
    const lower = map3((i) => box.lower[i] + chunk[i] * chunkSize[i]);
    const upper = map3((i) => Math.min(box.upper[i], lower[i] + chunkSize[i]));
    const voxels = await read({ lower, upper }, signal);
    return copyBox(voxels, boxSize({ lower, upper }), [0, 0, 0], this.empty(chunkSize), chunkSize, [0, 0, 0]);
  }

  private async fromFiner(level: number, chunk: Vec3): Promise<VoxelArray> {
    const { chunkSize, levels, labels } = this.volume;
    const { step } = levels[level];
    const below = levels[level - 1].size;
    const lower = map3((i) => chunk[i] * chunkSize[i] * step[i]);
    // At the border of the volume a mean is over the voxels that are there.
    const size = map3((i) => Math.min(chunkSize[i] * step[i], below[i] - lower[i]));
    const fine = this.empty(size);
    for (let z = 0; z < size[2]; z += chunkSize[2])
      for (let y = 0; y < size[1]; y += chunkSize[1])
        for (let x = 0; x < size[0]; x += chunkSize[0]) {
          const at: Vec3 = [x, y, z];
          const voxels = await this.make(
            level - 1,
            map3((i) => (lower[i] + at[i]) / chunkSize[i]),
          );
          copyBox(voxels, chunkSize, [0, 0, 0], fine, size, at);
        }
    const mean = !labels && !(fine instanceof BigUint64Array);
    const coarse = mean ? downsampleMean(fine, size, step) : downsampleMode(fine, size, step);
    const coarseSize = map3((i) => Math.ceil(size[i] / step[i]));
    return copyBox(coarse, coarseSize, [0, 0, 0], this.empty(chunkSize), chunkSize, [0, 0, 0]);
  }

  private empty([x, y, z]: Vec3): VoxelArray {
    return allocateVoxels(this.volume.dataType, x * y * z);
  }
}
