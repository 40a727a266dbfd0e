import { DataType } from "neuroglancer/unstable/sliceview/base.js";
import type { VolumeChunk, VolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/backend.js";
import { boxSize, boxVolume } from "../../src/volume/box.js";
import { decodeCompressedSegmentation } from "../../src/volume/compressed_segmentation.js";
import type { Box, Vec3, VoxelArray } from "../../src/volume/types.js";
import { VolumeError } from "../../src/volume/types.js";
import type { ReferencePlacement } from "./agreement_protocol.js";
import { BlockCache } from "./block_cache.js";

/** A chunk of the reference: 1 where a label is not 0, in its own axis order, first axis fastest; null where nothing is stored. */
interface MaskBlock {
  readonly mask: Uint8Array | null;
  readonly size: readonly number[];
}

/** Chunks that neighbours of the compared grid share. */
const CACHE_BYTES = 32 * 2 ** 20;

/**
 * Reads boxes of the compared scale out of a segmentation, whose voxels may be of another size: each voxel takes the label at its
 * middle. Chunks come by the source's own `download`, as the EM does (`gather.ts`).
 */
export class ReferenceReader {
  private readonly cache = new BlockCache<MaskBlock>(CACHE_BYTES);

  constructor(
    private readonly source: VolumeChunkSource,
    private readonly placement: ReferencePlacement,
    private readonly name: string,
  ) {}

  /**
   * @returns 1 where the reference has a label, x fastest; what lies outside of it has none.
   * @throws VolumeError naming the layer; AbortError.
   */
  async read(box: Box, signal: AbortSignal): Promise<Uint8Array> {
    const { dims } = this.placement;
    const { chunkDataSize } = this.source.spec;
    const axes = [0, 1, 2].map((axis) => this.along(box, axis));
    const out = new Uint8Array(boxVolume(box));
    const size = boxSize(box);
    const tasks: Promise<void>[] = [];
    for (const z of axes[2].chunks)
      for (const y of axes[1].chunks)
        for (const x of axes[0].chunks)
          tasks.push(
            this.block([x.chunk, y.chunk, z.chunk], signal).then((block) => {
              if (block.mask !== null) copy(block, [x, y, z], axes, dims, chunkDataSize, size, out);
            }),
          );
    await Promise.all(tasks);
    return out;
  }

  /** Reference voxel of each voxel of the box along an axis, and the chunks that they are in. */
  private along(box: Box, axis: number): Along {
    const { dims, scale, offset } = this.placement;
    const { lowerVoxelBound, upperVoxelBound, chunkDataSize } = this.source.spec;
    const dim = dims[axis];
    const length = box.upper[axis] - box.lower[axis];
    const voxels = Int32Array.from({ length }, (_, i) =>
      Math.floor(scale[axis] * (box.lower[axis] + i + 0.5) + offset[axis]),
    );
    const chunks: ChunkSpan[] = [];
    for (let i = 0; i < length; i++) {
      if (voxels[i] < lowerVoxelBound[dim] || voxels[i] >= upperVoxelBound[dim]) continue;
      const chunk = Math.floor(voxels[i] / chunkDataSize[dim]);
      const last = chunks.at(-1);
      if (last !== undefined && last.chunk === chunk && last.to === i) last.to = i + 1;
      else chunks.push({ chunk, from: i, to: i + 1 });
    }
    return { voxels, chunks };
  }

  private block(position: Vec3, signal: AbortSignal): Promise<MaskBlock> {
    const grid = new Float32Array(3);
    this.placement.dims.forEach((dim, axis) => {
      grid[dim] = position[axis];
    });
    return this.cache.get(grid.join(), (shared) => this.load(grid, shared), signal);
  }

  private async load(grid: Float32Array, signal: AbortSignal) {
    const { source } = this;
    const chunk = new source.chunkConstructor() as VolumeChunk;
    chunk.source = source;
    chunk.initializeVolumeChunk(
      grid.join(),
      grid as unknown as Parameters<VolumeChunk["initializeVolumeChunk"]>[1],
    );
    try {
      await source.download(chunk, signal);
      const size = Array.from(chunk.chunkDataSize ?? source.spec.chunkDataSize) as unknown as Vec3;
      const mask = chunk.data === null ? null : this.decode(chunk.data as VoxelArray, size);
      return { value: { mask, size }, bytes: (mask?.length ?? 0) + 64 };
    } catch (error) {
      signal.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      throw new VolumeError(`layer “${this.name}”`, `chunk ${grid.join(",")} cannot be read: ${reason}`, {
        cause: error,
      });
    }
  }

  private decode(data: VoxelArray, size: Vec3): Uint8Array {
    const { compressedSegmentationBlockSize: block, dataType } = this.source.spec;
    const voxels = size[0] * size[1] * size[2];
    const labels =
      block === undefined
        ? data
        : decodeCompressedSegmentation(
            new Uint32Array(data.buffer, data.byteOffset, data.byteLength >> 2),
            size,
            Array.from(block) as unknown as Vec3,
            dataType === DataType.UINT64 ? "uint64" : "uint32",
          );
    if (labels.length !== voxels) throw new RangeError(`has ${labels.length} voxels, expected ${voxels}`);
    const mask = new Uint8Array(voxels);
    for (let i = 0; i < voxels; i++) if (labels[i]) mask[i] = 1;
    return mask;
  }
}

interface ChunkSpan {
  readonly chunk: number;
  /** Voxels of the box that lie in it, half open. */
  readonly from: number;
  to: number;
}

interface Along {
  readonly voxels: Int32Array;
  readonly chunks: readonly ChunkSpan[];
}

function copy(
  { mask, size }: MaskBlock,
  spans: readonly [ChunkSpan, ChunkSpan, ChunkSpan],
  axes: readonly Along[],
  dims: Vec3,
  chunkDataSize: ArrayLike<number>,
  [width, height]: Vec3,
  out: Uint8Array,
): void {
  const strides = [1, size[0], size[0] * size[1]];
  const [xs, ys, zs] = axes.map(({ voxels }, axis) =>
    voxels.map((voxel) => (voxel - spans[axis].chunk * chunkDataSize[dims[axis]]) * strides[dims[axis]]),
  );
  const [x, y, z] = spans;
  for (let k = z.from; k < z.to; k++)
    for (let j = y.from; j < y.to; j++) {
      const row = zs[k] + ys[j];
      const at = width * (j + height * k);
      for (let i = x.from; i < x.to; i++) out[at + i] = mask![row + xs[i]];
    }
}
