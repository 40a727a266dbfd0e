import * as zarr from "zarrita";
import { type ByteStore, checkKey, MAX_VALUE_BYTES, readJson } from "./store.js";
import { VolumeError, type VoxelArray } from "./types.js";
import { codecProblem, registerBoundedCodecs } from "./zarr_codecs.js";

type Inner = zarr.Array<zarr.DataType, zarr.AsyncReadable>;

/** A chunk as stored: of the array's whole chunk shape, also at the border. */
export interface ZarrChunk {
  readonly data: VoxelArray;
  /** Elements between neighbours along each axis. */
  readonly stride: readonly number[];
}

/** Most bytes of shard indices that zarrita keeps (it never forgets one) before the array is opened anew. */
const INDEX_BYTES = 64 * 2 ** 20;

/** One Zarr v2 or v3 array, read chunk by chunk through zarrita, with its metadata and every chunk checked. */
export class ZarrArray {
  /** Zarr's name of the type: "uint8", "int64", "float32", ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Of the smallest part that can be read: the inner chunks of a sharded array. */
  readonly chunks: readonly number[];
  #inner: Inner;
  readonly #shards = new Set<string>();
  readonly #mostShards: number;

  private constructor(
    /** As an error message should name it. */
    readonly name: string,
    inner: Inner,
    /** Inner chunks a shard along each axis; undefined when not sharded. */
    readonly shardGrid: readonly number[] | undefined,
    readonly reopen: () => Inner,
  ) {
    this.#inner = inner;
    this.dtype = inner.dtype;
    this.shape = inner.shape;
    this.chunks = inner.chunks;
    this.#mostShards = Math.max(
      1,
      Math.floor(INDEX_BYTES / (16 * (shardGrid ?? []).reduce((a, b) => a * b, 1))),
    );
  }

  /** @throws VolumeError when there is no array, or its metadata cannot be used. */
  static async open(
    store: ByteStore,
    path: string,
    version: 2 | 3,
    signal?: AbortSignal,
  ): Promise<ZarrArray> {
    registerBoundedCodecs();
    checkKey(store.name, path);
    const name = path === "" ? store.name : `${store.name}/${path}`;
    const location = zarr.root(zarritaStore(store)).resolve(path);
    const missing = () =>
      new VolumeError(name, "is listed as a scale, but there is no array: the copy is incomplete");
    try {
      if (version === 2) {
        const inner = await zarr.open.v2(location, { kind: "array", attrs: false, signal });
        return checkShape(new ZarrArray(name, inner, undefined, () => inner));
      }
      const json = await readJson(store, path === "" ? "zarr.json" : `${path}/zarr.json`, { signal });
      if (!json) throw missing();
      const metadata = json as unknown as zarr.ArrayMetadata;
      if (metadata.node_type !== "array") throw new VolumeError(name, "is a group where an array belongs");
      const shardGrid = findShardGrid(name, metadata);
      const open = () => new zarr.Array(location.store, location.path, metadata);
      return checkShape(new ZarrArray(name, open(), shardGrid, open));
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof VolumeError) throw cause;
      if (zarr.isZarritaError(cause, "NotFoundError")) throw missing();
      throw new VolumeError(name, `its array metadata cannot be used (${codecProblem(cause)})`, { cause });
    }
  }

  /**
   * The chunk at a grid position; one that is not stored is full of the fill value.
   * @throws VolumeError naming the chunk when it is damaged, cut off, or holds negative numbers.
   */
  async getChunk(position: readonly number[], signal: AbortSignal): Promise<ZarrChunk> {
    const where = `${this.name} chunk ${position.join(",")}`;
    try {
      const { data, stride } = await this.#fetch([...position], signal);
      const voxels = asVoxels(data, where);
      const expected = this.chunks.reduce((product, n) => product * n, 1);
      if (voxels.length !== expected) {
        throw new VolumeError(
          where,
          `has ${voxels.length} voxels where ${expected} belong: damaged or cut off`,
        );
      }
      checkSign(this.dtype, voxels, where);
      return { data: voxels, stride };
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof VolumeError) throw cause;
      throw new VolumeError(where, `cannot be read: ${codecProblem(cause)}`, { cause });
    }
  }

  async #fetch(position: number[], signal: AbortSignal): Promise<zarr.Chunk<zarr.DataType>> {
    if (this.shardGrid) {
      const { shardGrid } = this;
      this.#shards.add(position.map((n, i) => Math.floor(n / shardGrid[i])).join());
      if (this.#shards.size > this.#mostShards) {
        this.#shards.clear();
        this.#inner = this.reopen();
      }
    }
    for (;;) {
      try {
        return await this.#inner.getChunk(position, { signal });
      } catch (error) {
        // Zarrita shares the read of a shard's index between callers; when one of them aborts, the others try again.
        signal.throwIfAborted();
        if ((error as Error).name !== "AbortError") throw error;
      }
    }
  }
}

/** Zarrita's keys begin with "/", ours do not. */
function zarritaStore(store: ByteStore): zarr.AsyncReadable {
  return {
    get: (key, options) => store.get(key.slice(1), options),
    getRange: (key, range, options) => store.getRange(key.slice(1), range, options),
  };
}

/** @throws VolumeError for a kind of sharding that zarrita would read wrongly. */
function findShardGrid(name: string, { codecs, chunk_grid }: zarr.ArrayMetadata): number[] | undefined {
  const sharding = codecs.find((codec) => codec.name === "sharding_indexed");
  if (!sharding) return undefined;
  const { chunk_shape: inner, index_location: location } = sharding.configuration as {
    chunk_shape: number[];
    index_location?: string;
  };
  if (location !== undefined && location !== "end") {
    throw new VolumeError(
      name,
      "keeps the index of its shards at their start: only an index at the end can be read",
    );
  }
  const outer = chunk_grid.configuration.chunk_shape;
  const grid = outer.map((n, i) => n / inner[i]);
  const product = grid.reduce((a, b) => a * b, 1);
  if (inner.length !== outer.length || !grid.every(Number.isSafeInteger) || product * 16 > MAX_VALUE_BYTES) {
    throw new VolumeError(name, `has shards of ${outer} with chunks of ${inner}: its metadata is damaged`);
  }
  return grid;
}

function checkShape(array: ZarrArray): ZarrArray {
  const { name, shape, chunks } = array;
  const wholeNumbers = (list: unknown) =>
    Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n > 0);
  if (!wholeNumbers(shape) || !wholeNumbers(chunks) || shape.length !== chunks.length) {
    throw new VolumeError(name, `has the shape ${shape} in chunks of ${chunks}: its metadata is damaged`);
  }
  if (chunks.reduce((product, n) => product * n, 1) > MAX_VALUE_BYTES / 8) {
    throw new VolumeError(name, `has chunks of ${chunks} voxels, which is too large to read: re-chunk it`);
  }
  return array;
}

function asVoxels(data: unknown, where: string): VoxelArray {
  if (data instanceof Uint8Array || data instanceof Uint16Array || data instanceof Uint32Array) return data;
  if (data instanceof BigUint64Array) return data;
  if (data instanceof Int16Array) return new Uint16Array(data.buffer, data.byteOffset, data.length);
  if (data instanceof Int32Array) return new Uint32Array(data.buffer, data.byteOffset, data.length);
  if (data instanceof BigInt64Array) return new BigUint64Array(data.buffer, data.byteOffset, data.length);
  // Bytes: int8 and zarrita's own array of booleans.
  const bytes = data as { buffer?: ArrayBuffer; byteOffset?: number; byteLength?: number };
  if (bytes.buffer instanceof ArrayBuffer)
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  throw new VolumeError(where, "holds something that is no number");
}

function checkSign(dtype: string, data: VoxelArray, where: string): void {
  if (!dtype.startsWith("int")) return;
  const negative =
    data instanceof BigUint64Array
      ? data.some((value) => value >= 1n << 63n)
      : (data as Uint8Array).some((value) => value >= 2 ** (data.BYTES_PER_ELEMENT * 8 - 1));
  if (negative)
    throw new VolumeError(where, `holds negative numbers (${dtype}): convert the volume to unsigned first`);
}
