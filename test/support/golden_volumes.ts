import { readFileSync } from "node:fs";
import type { ByteRange, ByteStore } from "../../src/volume/store.js";
import { type Box, type DataType, VolumeError, type VoxelArray } from "../../src/volume/types.js";

/** A volume that TensorStore wrote (test/golden/make_volumes.py), its files in memory. */
export interface GoldenVolume {
  readonly name: string;
  readonly dataType: DataType;
  readonly files: Map<string, Uint8Array>;
}

/** Extent of every golden volume. */
export const GOLDEN_SIZE = [21, 13, 7] as const;

export function goldenVolumes(): GoldenVolume[] {
  const path = new URL("../golden/volumes.json", import.meta.url);
  const cases: Record<string, { dtype: DataType; files: Record<string, string> }> = JSON.parse(
    readFileSync(path, "utf8"),
  );
  return Object.entries(cases).map(([name, { dtype, files }]) => ({
    name,
    dataType: dtype,
    files: new Map(
      Object.entries(files).map(([key, text]) => [key, new Uint8Array(Buffer.from(text, "base64"))]),
    ),
  }));
}

/** The formula of `voxels` in make_volumes.py. */
export function goldenVoxel(dataType: DataType, x: number, y: number, z: number): bigint {
  if (dataType === "uint8" || dataType === "uint16") {
    return BigInt((x * 7 + y * 13 + z * 29 + ((x * y * z) % 11)) % (dataType === "uint8" ? 256 : 65521));
  }
  const patch = Math.floor(x / 3) + 3 * Math.floor(y / 4) + 17 * Math.floor(z / 2);
  if (patch % 3 === 0) return 0n;
  return BigInt(patch) * 1000003n + (dataType === "uint64" ? 1n << 40n : 0n);
}

/** Voxels of `box` by the formula, x fastest; `origin` is the volume's lower bound. */
export function goldenBox(dataType: DataType, box: Box, origin: readonly number[] = [0, 0, 0]): bigint[] {
  const out: bigint[] = [];
  for (let z = box.lower[2]; z < box.upper[2]; z++) {
    for (let y = box.lower[1]; y < box.upper[1]; y++) {
      for (let x = box.lower[0]; x < box.upper[0]; x++) {
        out.push(goldenVoxel(dataType, x - origin[0], y - origin[1], z - origin[2]));
      }
    }
  }
  return out;
}

export function asBigints(voxels: VoxelArray): bigint[] {
  return Array.from(voxels as ArrayLike<number | bigint>, (value) => BigInt(value));
}

/** A store over a map, with the contract of the real ones; `reads` counts what was asked for. */
export class MemoryStore implements ByteStore {
  readonly reads: string[] = [];

  constructor(
    readonly files: Map<string, Uint8Array>,
    readonly name = "memory",
  ) {}

  async get(key: string, { signal, limit = 2 ** 30 }: { signal?: AbortSignal; limit?: number } = {}) {
    await Promise.resolve();
    signal?.throwIfAborted();
    this.reads.push(key);
    const value = this.files.get(key);
    if (value && value.length > limit) throw new VolumeError(key, "is larger than the limit");
    return value;
  }

  async getRange(key: string, range: ByteRange, { signal }: { signal?: AbortSignal } = {}) {
    await Promise.resolve();
    signal?.throwIfAborted();
    this.reads.push(key);
    const value = this.files.get(key);
    if (!value) return undefined;
    const start = "offset" in range ? range.offset : value.length - range.suffixLength;
    const end = "offset" in range ? range.offset + range.length : value.length;
    if (start < 0 || end > value.length) throw new VolumeError(key, "ends before the range does");
    return value.subarray(start, end);
  }
}

/** Changes one JSON file of a volume. */
export function editJson(files: Map<string, Uint8Array>, key: string, edit: (json: never) => void): void {
  const json = JSON.parse(new TextDecoder().decode(files.get(key)));
  edit(json as never);
  files.set(key, new TextEncoder().encode(JSON.stringify(json)));
}
