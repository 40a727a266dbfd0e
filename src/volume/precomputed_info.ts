import * as v from "valibot";
import { type DataType, type Vec3, VolumeError } from "./types.js";

/** "neuroglancer_uint64_sharded_v1": many chunks in one file, found by a hash of the chunk's number. */
export interface ShardingSpec {
  readonly preshiftBits: number;
  readonly minishardBits: number;
  readonly shardBits: number;
  readonly hash: "identity" | "murmurhash3_x86_128";
  readonly minishardIndexEncoding: "raw" | "gzip";
  readonly dataEncoding: "raw" | "gzip";
}

export type ChunkEncoding = "raw" | "jpeg" | "compressed_segmentation";

export interface PrecomputedScale {
  readonly key: string;
  readonly lower: Vec3;
  readonly size: Vec3;
  readonly resolution: Vec3;
  readonly chunkSize: Vec3;
  readonly encoding: ChunkEncoding;
  readonly blockSize: Vec3 | undefined;
  readonly sharding: ShardingSpec | undefined;
}

export interface PrecomputedInfo {
  readonly dataType: DataType;
  readonly scales: readonly PrecomputedScale[];
}

const whole = v.pipe(v.number(), v.safeInteger());
const positive = v.pipe(whole, v.minValue(1));
const bits = (most: number) => v.pipe(whole, v.minValue(0), v.maxValue(most));
const triple = <T extends v.GenericSchema>(item: T) => v.tuple([item, item, item]);
const encodingOf = v.optional(v.picklist(["raw", "gzip"]), "raw");

const shardingSchema = v.pipe(
  v.looseObject({
    "@type": v.literal("neuroglancer_uint64_sharded_v1"),
    preshift_bits: bits(63),
    // More minishards than this in a shard would make its index a gigabyte.
    minishard_bits: bits(26),
    shard_bits: bits(63),
    hash: v.picklist(["identity", "murmurhash3_x86_128"]),
    minishard_index_encoding: encodingOf,
    data_encoding: encodingOf,
  }),
  v.check((s) => s.minishard_bits + s.shard_bits <= 64, "minishard_bits + shard_bits are more than 64"),
);

const infoSchema = v.looseObject({
  "@type": v.optional(v.literal("neuroglancer_multiscale_volume", "this is no volume")),
  data_type: v.pipe(v.string(), v.toLowerCase()),
  num_channels: positive,
  scales: v.pipe(
    v.array(
      v.looseObject({
        key: v.string(),
        size: triple(positive),
        resolution: triple(v.pipe(v.number(), v.finite(), v.gtValue(0))),
        voxel_offset: v.optional(v.nullable(triple(whole))),
        chunk_sizes: v.pipe(v.array(triple(positive)), v.minLength(1)),
        encoding: v.pipe(v.string(), v.toLowerCase()),
        compressed_segmentation_block_size: v.optional(triple(v.pipe(positive, v.maxValue(256)))),
        sharding: v.optional(v.nullable(shardingSchema)),
      }),
    ),
    v.minLength(1),
    v.maxLength(64),
  ),
});

const dataTypes: ReadonlySet<string> = new Set(["uint8", "uint16", "uint32", "uint64"]);
const encodings: ReadonlySet<string> = new Set(["raw", "jpeg", "compressed_segmentation"]);

/**
 * Checks the `info` file of a precomputed volume (neuroglancer, src/datasource/precomputed/volume.md).
 * @throws VolumeError naming the wrong field, or what is not supported and why.
 */
export function parseInfo(name: string, info: Record<string, unknown>): PrecomputedInfo {
  const where = `${name}/info`;
  const parsed = v.safeParse(infoSchema, info);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new VolumeError(where, `${v.getDotPath(issue) ?? "it"} is wrong: ${issue.message}`);
  }
  const { data_type: dataType, num_channels: channels, scales } = parsed.output;
  if (!dataTypes.has(dataType)) {
    throw new VolumeError(
      where,
      `holds ${dataType}, but 8 to 64 bit unsigned whole numbers are needed: convert it first`,
    );
  }
  if (channels !== 1)
    throw new VolumeError(where, `has ${channels} channels: only volumes of one can be read`);
  return {
    dataType: dataType as DataType,
    scales: scales.map((scale) => {
      const { encoding, sharding, key } = scale;
      const blockSize = scale.compressed_segmentation_block_size;
      if (!encodings.has(encoding)) {
        throw new VolumeError(
          where,
          `scale "${key}" is encoded as ${encoding}; raw, jpeg and compressed_segmentation can be read`,
        );
      }
      if (encoding === "jpeg" && dataType !== "uint8") {
        throw new VolumeError(where, `scale "${key}" is jpeg, which cannot hold ${dataType}`);
      }
      if (encoding === "compressed_segmentation") {
        if (dataType !== "uint32" && dataType !== "uint64") {
          throw new VolumeError(
            where,
            `scale "${key}" is compressed_segmentation, which cannot hold ${dataType}`,
          );
        }
        if (!blockSize)
          throw new VolumeError(where, `scale "${key}" has no compressed_segmentation_block_size`);
      }
      return {
        key,
        lower: scale.voxel_offset ?? [0, 0, 0],
        size: scale.size,
        resolution: scale.resolution,
        chunkSize: scale.chunk_sizes[0],
        encoding: encoding as ChunkEncoding,
        blockSize,
        sharding: sharding
          ? {
              preshiftBits: sharding.preshift_bits,
              minishardBits: sharding.minishard_bits,
              shardBits: sharding.shard_bits,
              hash: sharding.hash,
              minishardIndexEncoding: sharding.minishard_index_encoding,
              dataEncoding: sharding.data_encoding,
            }
          : undefined,
      };
    }),
  };
}
