import { decode as decodeJpeg } from "jpeg-js";
import { boxSize, boxVolume } from "./box.js";
import { bytesPerVoxel, type ChunkData, ChunkedVolume, type ChunkedVolumeOptions } from "./chunked_volume.js";
import { decodeCompressedSegmentation } from "./compressed_segmentation.js";
import { inflate, isGzip } from "./inflate.js";
import { type PrecomputedScale, parseInfo } from "./precomputed_info.js";
import { compressedMorton, ShardReader } from "./sharding.js";
import { type ByteStore, checkKey, MAX_VALUE_BYTES, readJson } from "./store.js";
import {
  type Box,
  type DataType,
  type Vec3,
  VolumeError,
  type VolumeSource,
  type VoxelArray,
} from "./types.js";

export interface PrecomputedOptions extends ChunkedVolumeOptions {
  /** Voxel size in nm of the finest scale, instead of the one in the metadata. */
  readonly voxelSize?: Vec3;
  readonly signal?: AbortSignal;
}

/**
 * Opens a volume in neuroglancer's precomputed format (one channel; raw, jpeg or compressed_segmentation; a file a chunk or sharded).
 * A chunk that is not there is zeros, as neuroglancer shows it.
 * @returns undefined when there is no `info` file.
 * @throws VolumeError when there is, but it cannot be used.
 */
export async function openPrecomputed(
  store: ByteStore,
  options: PrecomputedOptions = {},
): Promise<VolumeSource | undefined> {
  const json = await readJson(store, "info", { signal: options.signal });
  if (!json) return undefined;
  const { dataType, scales } = parseInfo(store.name, json);
  for (const { key, chunkSize } of scales) {
    checkKey(store.name, key);
    if (chunkSize[0] * chunkSize[1] * chunkSize[2] > MAX_VALUE_BYTES / 8) {
      throw new VolumeError(
        `${store.name}/${key}`,
        `has chunks of ${chunkSize} voxels, which is too large to read`,
      );
    }
  }
  const shards = scales.map(({ key, sharding }) =>
    sharding ? new ShardReader(store, key, sharding) : undefined,
  );
  const stretch = (resolution: Vec3): Vec3 => {
    const { voxelSize } = options;
    if (!voxelSize) return resolution;
    const along = (i: number) => (voxelSize[i] * resolution[i]) / scales[0].resolution[i];
    return [along(0), along(1), along(2)];
  };
  return new ChunkedVolume(
    store.name,
    dataType,
    scales.map(({ lower, size, resolution, chunkSize }) => ({
      bounds: { lower, upper: [lower[0] + size[0], lower[1] + size[1], lower[2] + size[2]] },
      voxelSize: stretch(resolution),
      chunkSize,
    })),
    async (index, position, box, signal): Promise<ChunkData | undefined> => {
      const scale = scales[index];
      const where = `${store.name}/${scale.key} chunk ${position.join(",")}`;
      const limit = largestEncoding(scale, boxVolume(box), dataType);
      const shard = shards[index];
      const bytes = shard
        ? await shard.get(chunkNumber(scale, position, where), limit, signal)
        : await readChunkFile(store, `${scale.key}/${chunkName(box)}`, limit, signal);
      if (!bytes) return undefined;
      let data: VoxelArray;
      try {
        data = await decodeChunk(bytes, scale, box, dataType, limit, where);
      } catch (cause) {
        if (cause instanceof VolumeError) throw cause;
        throw new VolumeError(where, `${(cause as Error).message}: damaged`, { cause });
      }
      const [sx, sy] = boxSize(box);
      return { data, offset: 0, stride: [1, sx, sx * sy] };
    },
    options,
  );
}

/** "x0-x1_y0-y1_z0-z1" */
export function chunkName({ lower, upper }: Box): string {
  return [0, 1, 2].map((i) => `${lower[i]}-${upper[i]}`).join("_");
}

function chunkNumber({ size, chunkSize }: PrecomputedScale, position: Vec3, where: string): bigint {
  const grid = size.map((n, i) => Math.ceil(n / chunkSize[i])) as unknown as Vec3;
  if (grid.some((n) => n > 2 ** 31)) throw new VolumeError(where, "lies in a grid that is too large");
  return compressedMorton(position, grid);
}

/** Most bytes that an honest chunk has, decompressed. */
function largestEncoding(
  { encoding, blockSize }: PrecomputedScale,
  voxels: number,
  dataType: DataType,
): number {
  const raw = voxels * bytesPerVoxel(dataType);
  if (encoding === "raw") return raw;
  // Noise in JPEG, or a label of its own for each voxel of whole border blocks, can be longer than the voxels are.
  const block = blockSize ? blockSize[0] * blockSize[1] * blockSize[2] : 0;
  return Math.min(MAX_VALUE_BYTES, 65536 + 4 * raw + 64 * block);
}

/** CloudVolume writes gzip-compressed chunks to a disk as "<name>.gz"; web servers undo that themselves. */
async function readChunkFile(
  store: ByteStore,
  key: string,
  limit: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const options = { signal, limit: limit + 65536 };
  const bytes = await store.get(key, options);
  if (bytes || !store.hasLocalFiles) return bytes;
  const zipped = await store.get(`${key}.gz`, options);
  return zipped && inflate(zipped, "gzip", limit, `${store.name}/${key}.gz`);
}

/** Voxels of a chunk as stored. @throws VolumeError or an error of the decoder. */
export async function decodeChunk(
  stored: Uint8Array,
  { encoding, blockSize }: Pick<PrecomputedScale, "encoding" | "blockSize">,
  box: Box,
  dataType: DataType,
  limit: number,
  where: string,
): Promise<VoxelArray> {
  const voxels = boxVolume(box);
  const rawLength = voxels * bytesPerVoxel(dataType);
  // Some object stores hand out the compressed bytes as they are.
  const zipped = isGzip(stored) && !(encoding === "raw" && stored.length === rawLength);
  const bytes = zipped ? await inflate(stored, "gzip", limit, where) : stored;
  switch (encoding) {
    case "raw":
      if (bytes.length !== rawLength) {
        throw new VolumeError(
          where,
          `has ${bytes.length} bytes where ${rawLength} belong: damaged or cut off`,
        );
      }
      return littleEndian(bytes, dataType);
    case "jpeg":
      return decodeJpegChunk(bytes, boxSize(box), where);
    case "compressed_segmentation": {
      if (bytes.length % 4 !== 0)
        throw new VolumeError(where, `has ${bytes.length} bytes, no whole words: damaged or cut off`);
      const words = littleEndian(bytes, "uint32") as Uint32Array;
      return decodeCompressedSegmentation(words, boxSize(box), blockSize!, dataType as "uint32" | "uint64");
    }
  }
}

/** The bytes as an array of their own alignment (a copy only where alignment needs it); every platform of ours is little-endian. */
function littleEndian(bytes: Uint8Array, dataType: DataType): VoxelArray {
  const size = bytesPerVoxel(dataType);
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const length = aligned.length / size;
  const buffer = aligned.buffer as ArrayBuffer;
  switch (dataType) {
    case "uint8":
      return aligned;
    case "uint16":
      return new Uint16Array(buffer, aligned.byteOffset, length);
    case "uint32":
      return new Uint32Array(buffer, aligned.byteOffset, length);
    case "uint64":
      return new BigUint64Array(buffer, aligned.byteOffset, length);
  }
}

/** A JPEG whose pixels, row by row, are the voxels; any width and height with that product. */
function decodeJpegChunk(bytes: Uint8Array, size: Vec3, where: string): Uint8Array {
  const voxels = size[0] * size[1] * size[2];
  const { width, height } = jpegSize(bytes, where);
  if (width * height !== voxels) {
    throw new VolumeError(where, `is a JPEG of ${width} x ${height} where ${voxels} voxels belong: damaged`);
  }
  const image = decodeJpeg(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: voxels / 1e6 + 1,
    maxMemoryUsageInMB: 64 + (voxels * 32) / 2 ** 20,
  });
  const channels = image.data.length / voxels;
  if (channels === 1) return image.data;
  const grey = new Uint8Array(voxels);
  for (let i = 0; i < voxels; i++) grey[i] = image.data[i * channels];
  return grey;
}

/** Width and height out of the frame header (ITU T.81, B.2.2), before anything is allocated. */
function jpegSize(bytes: Uint8Array, where: string): { width: number; height: number } {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 2;
  if (bytes.length < 4 || data.getUint16(0) !== 0xffd8) throw new VolumeError(where, "is no JPEG: damaged");
  while (at + 9 <= bytes.length) {
    if (bytes[at] !== 0xff) break;
    const marker = bytes[at + 1];
    // Start-of-frame markers; C4, C8 and CC are others.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { height: data.getUint16(at + 5), width: data.getUint16(at + 7) };
    }
    at += marker === 0xff ? 1 : 2 + data.getUint16(at + 2);
  }
  throw new VolumeError(where, "is a JPEG without a frame: damaged or cut off");
}
