import { ChunkCache } from "./chunk_cache.js";
import { inflate } from "./inflate.js";
import type { ShardingSpec } from "./precomputed_info.js";
import { type ByteStore, MAX_VALUE_BYTES } from "./store.js";
import { type Vec3, VolumeError } from "./types.js";

/** A minishard's chunks: number -> place in the shard file. */
type MinishardIndex = ReadonlyMap<bigint, { readonly offset: number; readonly length: number }>;

/** Most bytes kept of minishard indices. */
const INDEX_CACHE_BYTES = 64 * 2 ** 20;
/** A Map entry with a bigint key and an object takes about so much. */
const BYTES_PER_ENTRY = 150;

/**
 * Reads values out of the shards of neuroglancer's "neuroglancer_uint64_sharded_v1" (src/datasource/precomputed/sharded.md):
 * a shard file begins with an index of (start, end) for each minishard; a minishard's own index is three rows of uint64:
 * numbers, starts (both as differences to the one before; a start to the end of the value before) and sizes.
 */
export class ShardReader {
  readonly #indices = new ChunkCache<MinishardIndex | undefined>(INDEX_CACHE_BYTES);

  constructor(
    readonly store: ByteStore,
    /** Folder of the shard files inside of the store. */
    readonly folder: string,
    readonly spec: ShardingSpec,
  ) {}

  /**
   * The value with the number `key`, decoded; undefined when there is none.
   * @param limit most bytes that it may have.
   * @throws VolumeError when an index is damaged.
   */
  async get(key: bigint, limit: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const { shard, minishard } = locate(this.spec, key);
    const file = `${this.folder}/${shardName(this.spec, shard)}`;
    const index = await this.#indices.get(
      `${file}#${minishard}`,
      async (aborting) => {
        const value = await this.#readIndex(file, minishard, aborting);
        return { value, bytes: 64 + (value?.size ?? 0) * BYTES_PER_ENTRY };
      },
      signal,
    );
    const place = index?.get(key);
    if (!place) return undefined;
    const { dataEncoding } = this.spec;
    const bytes = await this.store.getRange(file, place, { signal, limit: limit + 65536 });
    if (bytes === undefined || dataEncoding === "raw") return bytes;
    return inflate(bytes, "gzip", limit, `${this.store.name}/${file}`);
  }

  async #readIndex(
    file: string,
    minishard: bigint,
    signal: AbortSignal,
  ): Promise<MinishardIndex | undefined> {
    const where = `${this.store.name}/${file}`;
    const { minishardBits, minishardIndexEncoding } = this.spec;
    const indexEnd = 16n << BigInt(minishardBits);
    const entry = await this.store.getRange(file, { offset: Number(minishard) * 16, length: 16 }, { signal });
    if (!entry) return undefined;
    const range = new DataView(entry.buffer, entry.byteOffset, 16);
    const start = range.getBigUint64(0, true);
    const end = range.getBigUint64(8, true);
    if (start === end) return undefined;
    if (
      end < start ||
      end - start > BigInt(MAX_VALUE_BYTES) ||
      indexEnd + end > BigInt(Number.MAX_SAFE_INTEGER)
    ) {
      throw new VolumeError(
        where,
        `its index says that minishard ${minishard} lies at ${start} to ${end}: damaged`,
      );
    }
    const place = { offset: Number(indexEnd + start), length: Number(end - start) };
    const stored = await this.store.getRange(file, place, { signal });
    if (!stored) return undefined;
    const bytes =
      minishardIndexEncoding === "gzip" ? await inflate(stored, "gzip", MAX_VALUE_BYTES / 16, where) : stored;
    return parseMinishardIndex(bytes, indexEnd, `${where} minishard ${minishard}`);
  }
}

/** Which shard and minishard a key lies in. */
export function locate(spec: ShardingSpec, key: bigint): { shard: bigint; minishard: bigint } {
  const shifted = key >> BigInt(spec.preshiftBits);
  const hash = spec.hash === "identity" ? shifted : murmurHash3(shifted);
  return {
    minishard: hash & ((1n << BigInt(spec.minishardBits)) - 1n),
    shard: (hash >> BigInt(spec.minishardBits)) & ((1n << BigInt(spec.shardBits)) - 1n),
  };
}

/** File name: the shard's number in hexadecimal, padded to the digits that `shardBits` can have. */
export function shardName(spec: ShardingSpec, shard: bigint): string {
  return `${shard.toString(16).padStart(Math.ceil(spec.shardBits / 4), "0")}.shard`;
}

/** @throws VolumeError when it is not three rows of uint64, or a place is no number of bytes. */
function parseMinishardIndex(bytes: Uint8Array, base: bigint, where: string): MinishardIndex {
  if (bytes.length % 24 !== 0)
    throw new VolumeError(where, `its index has ${bytes.length} bytes, no multiple of 24: damaged`);
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.length / 24;
  const index = new Map<bigint, { offset: number; length: number }>();
  let key = 0n;
  let end = base;
  for (let i = 0; i < count; i++) {
    key = BigInt.asUintN(64, key + data.getBigUint64(8 * i, true));
    const offset = end + data.getBigUint64(8 * (count + i), true);
    const length = data.getBigUint64(8 * (2 * count + i), true);
    end = offset + length;
    if (end > BigInt(Number.MAX_SAFE_INTEGER))
      throw new VolumeError(where, "its index points outside of any file: damaged");
    index.set(key, { offset: Number(offset), length: Number(length) });
  }
  return index;
}

/**
 * Low 64 bits of MurmurHash3_x86_128 with seed 0 of a uint64, as the sharded format wants it. Austin Appleby's
 * MurmurHash3.cpp (public domain) for a key of 8 bytes: no whole 16-byte block, so only the tail, k2 and k1.
 */
export function murmurHash3(key: bigint): bigint {
  const rotate = (value: number, by: number) => (value << by) | (value >>> (32 - by));
  const mix = (h: number) => {
    let x = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (x ^ (x >>> 16)) >>> 0;
  };
  const low = Number(key & 0xffffffffn);
  const high = Number((key >> 32n) & 0xffffffffn);
  let h2 = Math.imul(rotate(Math.imul(high, 0xab0e9789), 16), 0x38b34ae5);
  let h1 = Math.imul(rotate(Math.imul(low, 0x239b961b), 15), 0xab0e9789);
  h1 ^= 8;
  h2 ^= 8;
  let h3 = 8;
  let h4 = 8;
  h1 = (h1 + h2 + h3 + h4) >>> 0;
  h2 = mix(h2 + h1);
  h3 = mix(h3 + h1);
  h4 = mix(h4 + h1);
  h1 = (mix(h1) + h2 + h3 + h4) >>> 0;
  return BigInt(h1) | (BigInt((h2 + h1) >>> 0) << 32n);
}

/** The number of a chunk: bits of its grid position interleaved, x lowest, each axis with as many as its grid needs. */
export function compressedMorton(position: Vec3, grid: Vec3): bigint {
  const bits = grid.map((n) => (n > 1 ? 32 - Math.clz32(n - 1) : 0));
  let code = 0n;
  let shift = 0n;
  for (let bit = 0; bit < Math.max(...bits); bit++) {
    for (let axis = 0; axis < 3; axis++) {
      if (bit >= bits[axis]) continue;
      code |= BigInt((position[axis] >>> bit) & 1) << shift;
      shift++;
    }
  }
  return code;
}
