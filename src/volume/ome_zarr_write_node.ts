import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import Blosc from "numcodecs/blosc";
import { boxSize } from "./box.js";
import { copyBox } from "./copy_box.js";
import { allocateVoxels, downsampleMean, downsampleMode } from "./downsample.js";
import { type Box, type Vec3, VolumeError, type VoxelArray } from "./types.js";
import { checkBlosc } from "./zarr_codecs.js";
import {
  bloscSettings,
  chunkKey,
  itemBytes,
  metadataFiles,
  type VolumeDescription,
} from "./zarr_documents.js";

/** Chunks that are compressed and on their way to the disk at once. */
const CHUNKS_AT_ONCE = 4;

const map3 = (f: (axis: 0 | 1 | 2) => number): Vec3 => [f(0), f(1), f(2)];

/** Says what a failed write means. @returns an error to throw in place of `cause`. */
export function writeError(path: string, cause: unknown): Error {
  const code = (cause as NodeJS.ErrnoException)?.code;
  const advice: Record<string, string> = {
    ENOSPC: "the disk is full: free some space, then run the same command with --resume",
    EDQUOT: "your disk quota is used up: free some space, then run the same command with --resume",
    EROFS: "the disk is read-only: choose another place for the output",
    EACCES: "may not be written: check the permissions of the folder, or choose another place",
    EPERM: "may not be written: check the permissions of the folder, or choose another place",
    ENOTDIR: "lies below a file: choose another place for the output",
    EMFILE:
      "too many files are open: close programs or raise the limit, then run the same command with --resume",
  };
  return code !== undefined && code in advice
    ? new VolumeError(path, advice[code], { cause })
    : (cause as Error);
}

/** Write a file so that it is never seen half written: a temporary name in the same folder, then a rename. */
export async function writeWhole(path: string, bytes: Uint8Array | string): Promise<void> {
  // One process writes an output at a time, so that a fixed name is enough; what a kill leaves is overwritten on resume.
  const temporary = `${path}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, bytes);
    await rename(temporary, path);
  } catch (cause) {
    // What was begun takes space that may be what is missing.
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, cause);
  }
}

/**
 * Writes the chunks of a multiscale OME-Zarr below a folder, and its metadata at the end. Chunks are rows x fastest of
 * full chunk size, padded with 0, every one written (a file that is missing is damage, not background).
 */
export class OmeZarrWriter {
  private readonly codec;
  private readonly voxelsPerChunk: number;

  constructor(
    private readonly folder: string,
    private readonly volume: VolumeDescription,
  ) {
    this.codec = Blosc.fromConfig({ id: "blosc", ...bloscSettings(volume.labels) });
    const [x, y, z] = volume.chunkSize;
    this.voxelsPerChunk = x * y * z;
  }

  /** Number of chunks of a level along x, y, z. */
  grid(level: number): Vec3 {
    const { levels, chunkSize } = this.volume;
    return map3((i) => Math.ceil(levels[level].size[i] / chunkSize[i]));
  }

  /** Voxels of a level in one row of chunks across z, from 0. */
  rowBox(level: number, row: number): Box {
    const { levels, chunkSize } = this.volume;
    const [sx, sy, sz] = levels[level].size;
    return { lower: [0, 0, row * chunkSize[2]], upper: [sx, sy, Math.min(sz, (row + 1) * chunkSize[2])] };
  }

  /** Write one row of level 0. @param slab the voxels of `rowBox(0, row)`, x fastest. */
  async writeRow(row: number, slab: VoxelArray, signal?: AbortSignal): Promise<void> {
    const box = this.rowBox(0, row);
    await this.forEachChunk(0, row, signal, (chunk) => {
      const lower = map3((i) => chunk[i] * this.volume.chunkSize[i] - box.lower[i]);
      return copyBox(slab, boxSize(box), lower, this.emptyChunk(), this.volume.chunkSize, [0, 0, 0]);
    });
  }

  /** Make one row of a coarser level out of the level before, read back chunk by chunk. */
  async downsampleRow(level: number, row: number, signal?: AbortSignal): Promise<void> {
    const { chunkSize, levels, labels, dataType } = this.volume;
    const { step } = levels[level];
    const below = levels[level - 1].size;
    await this.forEachChunk(level, row, signal, async (chunk) => {
      const lower = map3((i) => chunk[i] * chunkSize[i] * step[i]);
      const size = map3((i) => Math.min(chunkSize[i] * step[i], below[i] - lower[i]));
      const fine = allocateVoxels(dataType, size[0] * size[1] * size[2]);
      for (let z = 0; z < size[2]; z += chunkSize[2]) {
        for (let y = 0; y < size[1]; y += chunkSize[1]) {
          for (let x = 0; x < size[0]; x += chunkSize[0]) {
            const at: Vec3 = [x, y, z];
            const source = await this.readChunk(
              level - 1,
              map3((i) => (lower[i] + at[i]) / chunkSize[i]),
            );
            copyBox(source, chunkSize, [0, 0, 0], fine, size, at);
          }
        }
      }
      const mean = !labels && !(fine instanceof BigUint64Array);
      const coarse = mean ? downsampleMean(fine, size, step) : downsampleMode(fine, size, step);
      const coarseSize = map3((i) => Math.ceil(size[i] / step[i]));
      return copyBox(coarse, coarseSize, [0, 0, 0], this.emptyChunk(), chunkSize, [0, 0, 0]);
    });
  }

  /** Write the metadata of all levels, then that of the volume. */
  async finish(): Promise<void> {
    for (const [path, json] of metadataFiles(this.volume)) {
      await writeWhole(join(this.folder, path), `${JSON.stringify(json, null, 2)}\n`);
    }
  }

  private emptyChunk(): VoxelArray {
    return allocateVoxels(this.volume.dataType, this.voxelsPerChunk);
  }

  private async forEachChunk(
    level: number,
    row: number,
    signal: AbortSignal | undefined,
    make: (chunk: Vec3) => VoxelArray | Promise<VoxelArray>,
  ): Promise<void> {
    const [nx, ny] = this.grid(level);
    const writing = new Set<Promise<void>>();
    try {
      for (let y = 0; y < ny; ++y) {
        for (let x = 0; x < nx; ++x) {
          signal?.throwIfAborted();
          const chunk: Vec3 = [x, y, row];
          const done = this.writeChunk(level, chunk, await make(chunk)).finally(() => writing.delete(done));
          // Awaited below; marked as handled here, since another chunk may fail first.
          done.catch(() => {});
          writing.add(done);
          if (writing.size >= CHUNKS_AT_ONCE) await Promise.race(writing);
        }
      }
      await Promise.all(writing);
    } finally {
      await Promise.allSettled(writing);
    }
  }

  private chunkPath(level: number, chunk: Vec3): string {
    return join(this.folder, `${level}`, chunkKey(this.volume.zarr, chunk));
  }

  private async writeChunk(level: number, chunk: Vec3, voxels: VoxelArray): Promise<void> {
    const bytes = new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength);
    await writeWhole(this.chunkPath(level, chunk), await this.codec.encode(bytes));
  }

  private async readChunk(level: number, chunk: Vec3): Promise<VoxelArray> {
    const path = this.chunkPath(level, chunk);
    const voxels = this.emptyChunk();
    const into = new Uint8Array(voxels.buffer);
    try {
      const stored = await readFile(path);
      // The decoder reads outside of its memory when a file is damaged, and is of no use after that.
      checkBlosc(stored, into.length);
      const bytes = await this.codec.decode(stored);
      if (bytes.length !== this.voxelsPerChunk * itemBytes(this.volume.dataType))
        throw new Error("wrong length");
      into.set(bytes);
    } catch (cause) {
      throw new VolumeError(path, "was written before but cannot be read back: start over with --overwrite", {
        cause,
      });
    }
    return voxels;
  }
}
