import { boxSize, boxVolume, contains, intersect, isEmpty } from "./box.js";
import { ChunkCache } from "./chunk_cache.js";
import { formatRegion } from "./region.js";
import {
  type Box,
  type DataType,
  type Vec3,
  VolumeError,
  type VolumeScale,
  type VolumeSource,
  type VoxelArray,
} from "./types.js";

/** Voxels of one stored chunk; the voxel (x, y, z) of the chunk is `data[offset + x*stride[0] + y*stride[1] + z*stride[2]]`. */
export interface ChunkData {
  readonly data: VoxelArray;
  readonly offset: number;
  readonly stride: Vec3;
}

/** Fetches the chunk at a grid position; `box` is its part inside the bounds. undefined when none is stored: zeros. */
export type ChunkLoader = (
  scale: number,
  position: Vec3,
  box: Box,
  signal: AbortSignal,
) => Promise<ChunkData | undefined>;

export interface ChunkedVolumeOptions {
  /** Most bytes of decoded chunks kept; 256 MiB without it. */
  readonly cacheBytes?: number;
  /** Most chunks fetched at a time; 16 without it: enough to hide the latency of a web store. */
  readonly concurrency?: number;
}

/** Most bytes that one `read` may give: what a typed array can honestly hold everywhere. */
export const MAX_READ_BYTES = 2 ** 31;

const constructors = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
} as const;

/** A zeroed array of `length` voxels. */
export function makeVoxelArray(dataType: DataType, length: number): VoxelArray {
  return new constructors[dataType](length);
}

export function bytesPerVoxel(dataType: DataType): number {
  return constructors[dataType].BYTES_PER_ELEMENT;
}

/** A volume stored as a grid of chunks that starts at the lower bound of each scale. */
export class ChunkedVolume implements VolumeSource {
  readonly #cache: ChunkCache<ChunkData | undefined>;
  readonly #concurrency: number;

  constructor(
    readonly name: string,
    readonly dataType: DataType,
    readonly scales: readonly VolumeScale[],
    readonly load: ChunkLoader,
    { cacheBytes = 256 * 2 ** 20, concurrency = 16 }: ChunkedVolumeOptions = {},
  ) {
    this.#cache = new ChunkCache(cacheBytes);
    this.#concurrency = concurrency;
  }

  async read(scale: number, box: Box, { signal }: { signal?: AbortSignal } = {}): Promise<VoxelArray> {
    signal?.throwIfAborted();
    const info = this.scales[scale];
    if (!info)
      throw new VolumeError(this.name, `has ${this.scales.length} scales, there is no scale ${scale}`);
    const wholeVoxels = [...box.lower, ...box.upper].every(Number.isSafeInteger);
    if (!wholeVoxels || isEmpty(box) || !contains(info.bounds, box)) {
      throw new VolumeError(
        this.name,
        `${formatRegion(box)} is not a box inside of ${formatRegion(info.bounds)} (scale ${scale})`,
      );
    }
    if (boxVolume(box) * bytesPerVoxel(this.dataType) > MAX_READ_BYTES) {
      throw new VolumeError(this.name, `${formatRegion(box)} is more than 2 GiB: read it in parts`);
    }
    const out = makeVoxelArray(this.dataType, boxVolume(box));
    await this.#forEachChunk(info, box, signal, async (position, chunkBox, stopping) => {
      const chunk = await this.#cache.get(
        `${scale}/${position.join()}`,
        async (fetching) => {
          const value = await this.load(scale, position, chunkBox, fetching);
          return { value, bytes: 64 + (value?.data.byteLength ?? 0) };
        },
        stopping,
      );
      if (chunk) copyChunk(chunk, chunkBox, out, box);
    });
    return out;
  }

  async close(): Promise<void> {
    this.#cache.clear();
  }

  /** Runs `visit` for the chunks that meet `box`, a limited number at a time; the first failure stops the rest. */
  async #forEachChunk(
    { bounds, chunkSize }: VolumeScale,
    box: Box,
    signal: AbortSignal | undefined,
    visit: (position: Vec3, chunkBox: Box, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const first = [0, 1, 2].map((i) => Math.floor((box.lower[i] - bounds.lower[i]) / chunkSize[i]));
    const count = [0, 1, 2].map((i) => Math.ceil((box.upper[i] - bounds.lower[i]) / chunkSize[i]) - first[i]);
    const total = count[0] * count[1] * count[2];
    const failed = new AbortController();
    const aborting = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
    let next = 0;
    const worker = async () => {
      // A signal of its own for each: Node warns of a leak when many listen to one.
      const stopping = AbortSignal.any([aborting]);
      while (next < total && !aborting.aborted) {
        const index = next++;
        const position: Vec3 = [
          first[0] + (index % count[0]),
          first[1] + (Math.floor(index / count[0]) % count[1]),
          first[2] + Math.floor(index / (count[0] * count[1])),
        ];
        const corner = (i: number, end: number) => bounds.lower[i] + (position[i] + end) * chunkSize[i];
        const chunkBox = intersect(bounds, {
          lower: [corner(0, 0), corner(1, 0), corner(2, 0)],
          upper: [corner(0, 1), corner(1, 1), corner(2, 1)],
        });
        try {
          await visit(position, chunkBox, stopping);
        } catch (error) {
          failed.abort(error);
          throw error;
        }
      }
    };
    // Settled, not all: nothing may still write into the result after the promise is rejected.
    const results = await Promise.allSettled(
      Array.from({ length: Math.min(this.#concurrency, total) }, () => worker()),
    );
    signal?.throwIfAborted();
    if (failed.signal.aborted) throw failed.signal.reason;
    const rejected = results.find((result) => result.status === "rejected");
    if (rejected) throw rejected.reason;
  }
}

/** Copies the common part of a chunk (at `chunkBox`) into `out` (at `outBox`, x fastest). */
function copyChunk({ data, offset, stride }: ChunkData, chunkBox: Box, out: VoxelArray, outBox: Box): void {
  const { lower, upper } = intersect(chunkBox, outBox);
  const [sx, sy] = boxSize(outBox);
  const width = upper[0] - lower[0];
  for (let z = lower[2]; z < upper[2]; z++) {
    for (let y = lower[1]; y < upper[1]; y++) {
      const to = lower[0] - outBox.lower[0] + sx * (y - outBox.lower[1] + sy * (z - outBox.lower[2]));
      const from =
        offset +
        (lower[0] - chunkBox.lower[0]) * stride[0] +
        (y - chunkBox.lower[1]) * stride[1] +
        (z - chunkBox.lower[2]) * stride[2];
      if (stride[0] === 1) {
        out.set(data.subarray(from, from + width) as never, to);
      } else {
        for (let x = 0; x < width; x++) out[to + x] = data[from + x * stride[0]];
      }
    }
  }
}
