import type { VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { boxSize, boxVolume } from "../../src/volume/box.js";
import { type Box, type Vec3, VolumeError } from "../../src/volume/types.js";
import type { BlockCache } from "./block_cache.js";

type Em = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** An EM chunk as the source gave it: voxels in its own axis order, first axis fastest; null where nothing is stored. */
export interface EmBlock {
  readonly data: Em | null;
  readonly size: readonly number[];
}

export interface GatherOptions {
  /** Chunk axis of the EM source that runs along x, y, z. */
  readonly chunkDims: Vec3;
  /** Voxel index along each of its other axes. */
  readonly fixed: readonly number[];
  readonly bytesPerVoxel: 1 | 2;
  /** For error messages. */
  readonly url: string;
}

/**
 * Reads boxes of EM out of another source's chunks, in x, y, z order, x fastest. Chunks are fetched by the source's own
 * `download`, apart from Neuroglancer's queue (a computed chunk has its place in that queue already), and kept in a
 * bounded cache that neighbours' halos share.
 */
export class EmGatherer {
  constructor(
    private readonly source: VolumeChunkSource,
    private readonly cache: BlockCache<EmBlock>,
    private readonly options: GatherOptions,
  ) {}

  /**
   * @param box Inside the source's bounds; chunks that are not stored count as zeros.
   * @throws VolumeError naming the EM chunk that cannot be read; AbortError.
   */
  async gather(box: Box, signal: AbortSignal): Promise<Em> {
    const { bytesPerVoxel } = this.options;
    const { chunkSize, positions } = this.chunksOf(box);
    const voxels = boxVolume(box);
    const out = bytesPerVoxel === 1 ? new Uint8Array(voxels) : new Uint16Array(voxels);
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const tasks = positions.map((position) => this.copyChunk(position, chunkSize, box, out, either));
    try {
      await Promise.all(tasks);
    } catch (error) {
      // One unreadable chunk is enough: do not fetch the rest.
      stop.abort(new DOMException("another EM chunk cannot be read", "AbortError"));
      throw error;
    }
    return out;
  }

  /** Whether all chunks of a box are in the cache. */
  has(box: Box): boolean {
    return this.chunksOf(box).positions.every((position) => this.cache.has(this.place(position).key));
  }

  private chunksOf(box: Box): { chunkSize: readonly number[]; positions: Vec3[] } {
    const chunkSize = this.options.chunkDims.map((dim) => this.source.spec.chunkDataSize[dim]);
    const first = box.lower.map((l, i) => Math.floor(l / chunkSize[i]));
    const end = box.upper.map((u, i) => Math.ceil(u / chunkSize[i]));
    const positions: Vec3[] = [];
    for (let z = first[2]; z < end[2]; z++)
      for (let y = first[1]; y < end[1]; y++)
        for (let x = first[0]; x < end[0]; x++) positions.push([x, y, z]);
    return { chunkSize, positions };
  }

  private async copyChunk(
    position: Vec3,
    chunkSize: readonly number[],
    box: Box,
    out: Em,
    signal: AbortSignal,
  ): Promise<void> {
    const { chunkDims, fixed } = this.options;
    const { data, size } = await this.block(position, signal);
    if (data === null) return;
    const origin = position.map((p, i) => p * chunkSize[i]);
    // Stride of each of the chunk's own axes, then those along x, y, z.
    const strides: number[] = [];
    size.reduce((stride, length, dim) => {
      strides[dim] = stride;
      return stride * length;
    }, 1);
    const start = fixed.reduce(
      (sum, index, dim) =>
        index === -1 ? sum : sum + (index % this.source.spec.chunkDataSize[dim]) * strides[dim],
      0,
    );
    const [stepX, stepY, stepZ] = chunkDims.map((dim) => strides[dim]);
    const from = origin.map((o, i) => Math.max(o, box.lower[i]));
    const to = origin.map((o, i) => Math.min(o + size[chunkDims[i]], box.upper[i]));
    const [ox, oy] = boxSize(box);
    for (let z = from[2]; z < to[2]; z++)
      for (let y = from[1]; y < to[1]; y++) {
        const source =
          start + (from[0] - origin[0]) * stepX + (y - origin[1]) * stepY + (z - origin[2]) * stepZ;
        const target = from[0] - box.lower[0] + ox * (y - box.lower[1] + oy * (z - box.lower[2]));
        const length = to[0] - from[0];
        if (stepX === 1) out.set(data.subarray(source, source + length), target);
        else for (let x = 0; x < length; x++) out[target + x] = data[source + x * stepX];
      }
  }

  private block(position: Vec3, signal: AbortSignal): Promise<EmBlock> {
    const { key, grid } = this.place(position);
    return this.cache.get(key, (shared) => this.load(grid, shared), signal);
  }

  /** Of an EM chunk: its key in the cache and its position in the source's own axes. */
  private place(position: Vec3): { key: string; grid: Float32Array } {
    const { chunkDims, fixed } = this.options;
    const grid = Float32Array.from(fixed, (index, dim) =>
      index === -1
        ? position[chunkDims.indexOf(dim)]
        : Math.floor(index / this.source.spec.chunkDataSize[dim]),
    );
    return { key: `${this.source.rpcId}:${grid.join()}`, grid };
  }

  private async load(grid: Float32Array, signal: AbortSignal) {
    const { source } = this;
    const chunk = new source.chunkConstructor() as VolumeChunk;
    chunk.source = source;
    // Typed for three axes; any number goes.
    chunk.initializeVolumeChunk(
      grid.join(),
      grid as unknown as Parameters<VolumeChunk["initializeVolumeChunk"]>[1],
    );
    try {
      await source.download(chunk, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw this.unreadable(grid, error instanceof Error ? error.message : String(error), error);
    }
    const size = Array.from(chunk.chunkDataSize ?? source.spec.chunkDataSize);
    const data = chunk.data as Em | null;
    if (data !== null) {
      const wanted = size.reduce((product, length) => product * length, 1);
      if (data.BYTES_PER_ELEMENT !== this.options.bytesPerVoxel || data.length !== wanted)
        throw this.unreadable(
          grid,
          `has ${data.byteLength} bytes, expected ${wanted * this.options.bytesPerVoxel}`,
        );
    }
    return { value: { data, size }, bytes: (data?.byteLength ?? 0) + 64 };
  }

  private unreadable(grid: Float32Array, reason: string, cause?: unknown): VolumeError {
    return new VolumeError(this.options.url, `EM chunk ${grid.join(",")} cannot be read: ${reason}`, {
      cause,
    });
  }
}
