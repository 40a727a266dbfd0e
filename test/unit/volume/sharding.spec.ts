import fc from "fast-check";
import { murmurHash3_x86_128Hash64Bits_Bigint } from "neuroglancer/unstable/util/hash.js";
import { encodeZIndexCompressed3d } from "neuroglancer/unstable/util/zorder.js";
import { describe, expect, it } from "vitest";
import type { ShardingSpec } from "../../../src/volume/precomputed_info.js";
import {
  compressedMorton,
  locate,
  murmurHash3,
  ShardReader,
  shardName,
} from "../../../src/volume/sharding.js";
import { VolumeError } from "../../../src/volume/types.js";
import { goldenVolumes, MemoryStore } from "../../support/golden_volumes.js";

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

describe("numbers of chunks and shards are neuroglancer's", () => {
  it("murmurhash3_x86_128", () => {
    fc.assert(
      fc.property(uint64, (key) => {
        expect(murmurHash3(key)).toBe(murmurHash3_x86_128Hash64Bits_Bigint(0, key));
      }),
      { numRuns: 1000 },
    );
  });

  it("compressed Morton code", () => {
    const grid = fc.integer({ min: 1, max: 100_000 });
    fc.assert(
      fc.property(grid, grid, grid, fc.nat(), fc.nat(), fc.nat(), (gx, gy, gz, x, y, z) => {
        const at = [x % gx, y % gy, z % gz] as const;
        const bits = [gx, gy, gz].map((n) => Math.ceil(Math.log2(n)));
        expect(compressedMorton(at, [gx, gy, gz])).toBe(
          encodeZIndexCompressed3d(bits[0], bits[1], bits[2], ...at),
        );
      }),
      { numRuns: 500 },
    );
  });

  it("names of shards", () => {
    const spec = { shardBits: 11, minishardBits: 3, preshiftBits: 2, hash: "identity" } as ShardingSpec;
    expect(shardName(spec, 10n)).toBe("00a.shard");
    expect(shardName({ ...spec, shardBits: 0 }, 0n)).toBe("0.shard");
    expect(locate(spec, 0b1010_101_11n)).toEqual({ minishard: 0b101n, shard: 0b1010n });
  });
});

describe("damaged shards", () => {
  const golden = goldenVolumes().find(({ name }) => name === "precomputed sharded identity raw")!;
  const spec: ShardingSpec = {
    preshiftBits: 2,
    minishardBits: 1,
    shardBits: 5,
    hash: "identity",
    minishardIndexEncoding: "raw",
    dataEncoding: "raw",
  };
  const folder = "4_4_40";
  const limit = 8 * 8 * 4;
  const edited = (edit: (bytes: Uint8Array, data: DataView) => void) => {
    const bytes = golden.files.get(`${folder}/00.shard`)!.slice();
    edit(bytes, new DataView(bytes.buffer));
    return new ShardReader(new MemoryStore(new Map([[`${folder}/00.shard`, bytes]])), folder, spec);
  };

  it("read well when they are not", async () => {
    expect(await edited(() => {}).get(0n, limit)).toHaveLength(limit);
  });

  it("have no value for a number that is not in them, and none in a shard that is not there", async () => {
    const reader = edited(() => {});
    expect(await reader.get(2n ** 50n, limit)).toBeUndefined();
    expect(await reader.get(1n << 8n, limit)).toBeUndefined();
  });

  it.each<[string, (bytes: Uint8Array, data: DataView) => void]>([
    ["ends before it starts", (_, data) => data.setBigUint64(0, 2n ** 40n, true)],
    ["lies far behind the file", (_, data) => data.setBigUint64(8, 2n ** 29n, true)],
    ["is a gigabyte", (_, data) => data.setBigUint64(8, 2n ** 40n, true)],
    ["wraps around 2^64", (_, data) => data.setBigUint64(8, 2n ** 64n - 1n, true)],
    ["is no multiple of 24 bytes", (_, data) => data.setBigUint64(8, data.getBigUint64(8, true) - 1n, true)],
  ])("whose minishard index %s give a VolumeError that names the file", async (_, edit) => {
    const error = await edited(edit)
      .get(0n, limit)
      .catch((reason) => reason);
    expect(error).toBeInstanceOf(VolumeError);
    expect(error.message).toContain("00.shard");
  });

  it("give bytes, nothing or a VolumeError, whatever is in the file", async () => {
    const original = golden.files.get(`${folder}/00.shard`)!;
    const edits = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(edits, fc.nat(31), fc.constantFrom("raw", "gzip"), async (list, key, encoding) => {
        const bytes = original.slice();
        // Half of the edits go into the index at the start and at the end, where they matter.
        for (const [at, value] of list) bytes[at % 2 ? at % 40 : bytes.length - 1 - (at % 200)] = value;
        const store = new MemoryStore(new Map([[`${folder}/00.shard`, bytes]]));
        const reader = new ShardReader(store, folder, {
          ...spec,
          dataEncoding: encoding,
          minishardIndexEncoding: "raw",
        });
        try {
          const value = await reader.get(BigInt(key), limit);
          expect(value?.length ?? 0).toBeLessThanOrEqual(limit + 65536);
        } catch (error) {
          expect(error).toBeInstanceOf(VolumeError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
