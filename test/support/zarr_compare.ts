import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import * as zarr from "zarrita";
import type { VoxelArray } from "../../src/volume/types.js";

/** Opens a Zarr group on disk with zarrita, which shares no line with our own reader. */
export function openGroup(folder: string, version: 2 | 3) {
  const store = { get: (key: string) => readFile(join(folder, key)).catch(() => undefined) };
  const open = version === 2 ? zarr.open.v2 : zarr.open.v3;
  const root = zarr.root(store);
  return {
    attributes: async () => (await open(root, { kind: "group" })).attrs as Record<string, unknown>,
    /** Shape z, y, x and all voxels, x fastest. */
    level: async (level: number) => {
      const array = await open(root.resolve(`${level}`), { kind: "array" });
      const { data, shape } = await zarr.get(array);
      return { shape, data: data as VoxelArray, chunks: array.chunks, dtype: array.dtype };
    },
  };
}

/** Digest of every file below a folder, by its path. */
export async function digestTree(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const digests: Record<string, string> = {};
  for (const file of files.sort()) {
    digests[relative(folder, file)] = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
  }
  return digests;
}

/** Index of the first voxel that differs, -1 when all are equal; for arrays too long for `toEqual`, which takes seconds. */
export function firstDifference(found: VoxelArray, expected: VoxelArray): number {
  if (found.constructor !== expected.constructor)
    throw new Error(`${found.constructor.name} is not ${expected.constructor.name}`);
  const length = Math.max(found.length, expected.length);
  for (let i = 0; i < length; ++i) if (found[i] !== expected[i]) return i;
  return -1;
}
