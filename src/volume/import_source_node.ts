import { createHash } from "node:crypto";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { openHdf5 } from "./hdf5_node.js";
import { openImageStack } from "./image_stack_node.js";
import { type Vec3, VolumeError, type VolumeSource } from "./types.js";

export interface ImportSourceOptions {
  /** nm; replaces what the source says. */
  readonly voxelSize?: Vec3;
  /** Data set of an HDF5 file. */
  readonly dataset?: string;
  readonly channel?: number;
  readonly labels?: boolean;
  readonly onWarning?: (message: string) => void;
}

const HDF5 = new Set([".h5", ".hdf5", ".hdf", ".he5"]);

/** One slice is enough: an import passes each slice once. */
const CACHE_BYTES = 1;

/**
 * Open what `chondria import` takes: a folder of PNG or TIFF slices, a (multi-page) TIFF, an HDF5 file.
 *
 * @throws VolumeError naming what was found instead.
 */
export async function openImportSource(path: string, options: ImportSourceOptions): Promise<VolumeSource> {
  if (HDF5.has(extname(path).toLowerCase())) {
    if (options.channel !== undefined)
      throw new VolumeError(path, "has no channels to choose from: leave out --channel");
    return openHdf5(path, options.dataset, options);
  }
  if (options.dataset !== undefined) throw new VolumeError(path, "is no HDF5 file: leave out --dataset");
  const entries = await readdir(path).catch((): string[] => []);
  const zarr = [".zattrs", ".zgroup", ".zarray", "zarr.json"].find((name) => entries.includes(name));
  if (zarr) throw new VolumeError(path, "is a Zarr volume already: open it as it is");
  return openImageStack(path, { ...options, cacheBytes: CACHE_BYTES });
}

/**
 * Names, sizes and times of the files of an input: two imports of the same path read the same bytes when these agree.
 * The bytes themselves are not read, since that would double the time of an import.
 */
export async function fingerprintInput(path: string): Promise<string> {
  const hash = createHash("sha256");
  const found = await stat(path);
  const names = found.isDirectory()
    ? (await readdir(path)).filter((name) => /^[^.].*\.(png|tiff?)$/i.test(name)).sort()
    : [""];
  for (const name of names) {
    const { size, mtimeMs } = await stat(join(path, name));
    hash.update(JSON.stringify([name || basename(path), size, mtimeMs]));
  }
  return hash.digest("hex");
}

/** The path with all links resolved, also when its last parts do not exist yet. */
export async function resolvedPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const parent = join(path, "..");
    return parent === path ? path : join(await resolvedPath(parent), basename(path));
  }
}
