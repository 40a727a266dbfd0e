import { readdir, stat } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { FileStore } from "./fs_store_node.js";
import { HttpStore } from "./http_store.js";
import { openOmeZarr } from "./ome_zarr.js";
import { openPrecomputed } from "./precomputed.js";
import type { ByteStore } from "./store.js";
import { type Vec3, VolumeError, type VolumeSource } from "./types.js";

export interface OpenVolumeOptions {
  /** Voxel size in nm of the finest scale; needed by formats that do not say it, wins over those that do. */
  readonly voxelSize?: Vec3;
  /** Path of a data set inside of an HDF5 file, or of an image inside of a Zarr group ("labels/mito"). */
  readonly dataset?: string;
  /** Which channel, or time point, of an OME-Zarr image that has several. */
  readonly channel?: number;
  readonly time?: number;
  readonly signal?: AbortSignal;
}

type Format = "zarr" | "precomputed";

const IMAGE_FILES = new Set([".png", ".tif", ".tiff"]);
const HDF5_FILES = new Set([".h5", ".hdf5", ".hdf"]);

/**
 * Opens a volume by path or address:
 * - a folder of PNG or TIFF slices, a TIFF file, an HDF5 file;
 * - an OME-Zarr or precomputed volume, as a folder or at http(s)://, gs://, s3://;
 * - phantom://<style>/<seed>/em (or labels), the synthetic EM volume of src/phantom.
 *
 * Neuroglancer's prefixes (precomputed://, zarr://, zarr2://, zarr3://) and suffixes (|zarr:, |zarr2:, |zarr3:,
 * |neuroglancer-precomputed:) are accepted and decide the format, which is found out without them.
 * @throws VolumeError when there is nothing of the kind; it says what was looked for.
 */
export async function openVolume(input: string, options: OpenVolumeOptions = {}): Promise<VolumeSource> {
  const { address, format } = splitFormat(input.trim());
  if (/^phantom:/i.test(address)) {
    const { openPhantom } = await import("../phantom/store.js");
    return openPhantom(address);
  }
  if (/^(https?|gs|s3):\/\//i.test(address))
    return openStore(new HttpStore(webAddress(address)), format, options);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(address) && !/^file:/i.test(address)) {
    throw new VolumeError(
      input,
      "this kind of address cannot be read here: http(s)://, gs://, s3://, phantom:// and paths can",
    );
  }
  const path = /^file:/i.test(address) ? fileURLToPath(address) : resolve(address);
  let found: Awaited<ReturnType<typeof stat>>;
  try {
    found = await stat(path);
  } catch (cause) {
    throw new VolumeError(input, "there is no such file or folder", { cause });
  }
  if (found.isDirectory()) return openFolder(path, format, options);
  const type = extname(path).toLowerCase();
  if (found.isFile() && IMAGE_FILES.has(type)) return openStack(path, options);
  if (found.isFile() && HDF5_FILES.has(type)) {
    const { openHdf5 } = await import("./hdf5_node.js");
    return openHdf5(path, options.dataset, { voxelSize: options.voxelSize });
  }
  throw new VolumeError(
    input,
    "is no volume that can be read: give a TIFF or HDF5 file, a folder of PNG or TIFF slices, or an OME-Zarr or precomputed volume",
  );
}

async function openFolder(
  path: string,
  format: Format | undefined,
  options: OpenVolumeOptions,
): Promise<VolumeSource> {
  const names = await readdir(path).catch((cause) => {
    throw new VolumeError(path, "the folder cannot be read: check its permissions", { cause });
  });
  const isChunked = names.some((name) =>
    ["zarr.json", ".zattrs", ".zgroup", ".zarray", "info"].includes(name),
  );
  if (!isChunked && !format && names.some((name) => IMAGE_FILES.has(extname(name).toLowerCase()))) {
    return openStack(path, options);
  }
  return openStore(new FileStore(path), format, options);
}

async function openStack(path: string, options: OpenVolumeOptions): Promise<VolumeSource> {
  const { openImageStack } = await import("./image_stack_node.js");
  return openImageStack(path, { voxelSize: options.voxelSize });
}

async function openStore(
  store: ByteStore,
  format: Format | undefined,
  { dataset, ...options }: OpenVolumeOptions,
): Promise<VolumeSource> {
  const inside = dataset ? within(store, dataset) : store;
  const source =
    (format === "precomputed" ? undefined : await openOmeZarr(inside, options)) ??
    (format === "zarr" ? undefined : await openPrecomputed(inside, options));
  if (source) return source;
  const zarr = "zarr.json, .zattrs, .zgroup or .zarray (OME-Zarr)";
  const looked = { zarr, precomputed: "info (precomputed)", any: `${zarr}, info (precomputed)` }[
    format ?? "any"
  ];
  throw new VolumeError(
    inside.name,
    store.hasLocalFiles
      ? `is no volume: looked for ${looked}${format ? "" : ", PNG or TIFF slices"}`
      : `is no volume, or cannot be read without logging in: looked for ${looked}`,
  );
}

/** A folder of a store as a store. */
function within(store: ByteStore, folder: string): ByteStore {
  const prefix = folder.replace(/\/+$/, "");
  return {
    name: `${store.name}/${prefix}`,
    hasLocalFiles: store.hasLocalFiles,
    get: (key, options) => store.get(`${prefix}/${key}`, options),
    getRange: (key, range, options) => store.getRange(`${prefix}/${key}`, range, options),
  };
}

/** Takes neuroglancer's names of a format off an address. */
function splitFormat(input: string): { address: string; format: Format | undefined } {
  const suffix = /\|(zarr[23]?|neuroglancer-precomputed):\/?$/i.exec(input);
  const prefix = /^(zarr[23]?|precomputed):\/\//i.exec(input);
  const name = (suffix ?? prefix)?.[1].toLowerCase();
  const address = suffix ? input.slice(0, suffix.index) : input.slice(prefix?.[0].length ?? 0);
  return { address, format: name ? (name.startsWith("zarr") ? "zarr" : "precomputed") : undefined };
}

/** Buckets by their public web addresses. */
function webAddress(address: string): string {
  const bucket = /^(gs|s3):\/\/([^/]+)\/?(.*)$/i.exec(address);
  if (!bucket) return address;
  const [, kind, name, path] = bucket;
  return kind.toLowerCase() === "gs"
    ? `https://storage.googleapis.com/${name}/${path}`
    : `https://${name}.s3.amazonaws.com/${path}`;
}
