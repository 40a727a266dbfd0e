import { type ChunkData, ChunkedVolume, type ChunkedVolumeOptions } from "./chunked_volume.js";
import { type Multiscale, parseMultiscale, sortAxes } from "./ome_metadata.js";
import { type ByteStore, readJson } from "./store.js";
import { type DataType, type Vec3, VolumeError, type VolumeScale, type VolumeSource } from "./types.js";
import { ZarrArray } from "./zarr_array.js";

export interface OmeZarrOptions extends ChunkedVolumeOptions {
  /** Voxel size in nm of the finest scale, instead of the one in the metadata; needed for a plain array without any. */
  readonly voxelSize?: Vec3;
  /** Which channel of a multi-channel image; needed when there is more than one. */
  readonly channel?: number;
  /** Which time point; needed when there is more than one. */
  readonly time?: number;
  readonly signal?: AbortSignal;
}

/** Stored types and what they become: signed ones are taken as labels or intensities that happen not to be negative. */
const dataTypes: Readonly<Record<string, DataType>> = {
  bool: "uint8",
  uint8: "uint8",
  int8: "uint8",
  uint16: "uint16",
  int16: "uint16",
  uint32: "uint32",
  int32: "uint32",
  uint64: "uint64",
  int64: "uint64",
};

/**
 * Opens an OME-Zarr image (Zarr v2 or v3, OME-NGFF 0.1 to 0.5), or a plain Zarr array when the voxel size is given.
 * @returns undefined when there is no Zarr metadata at all.
 * @throws VolumeError when there is, but it cannot be used.
 */
export async function openOmeZarr(
  store: ByteStore,
  options: OmeZarrOptions = {},
): Promise<VolumeSource | undefined> {
  const { signal } = options;
  const [v3, attributes, group, array] = await Promise.all(
    ["zarr.json", ".zattrs", ".zgroup", ".zarray"].map((key) => readJson(store, key, { signal })),
  );
  if (!v3 && !attributes && !group && !array) return undefined;
  const found = asObject(v3 ? v3.attributes : attributes) ?? {};
  const multiscale = parseMultiscale(store.name, found) ?? plainArray(store.name, v3 ?? array, found);
  if (!multiscale) {
    throw new VolumeError(
      store.name,
      `is a Zarr ${v3 ? "v3" : "v2"} group without an OME image: give the path of the image inside of it`,
    );
  }
  const arrays = await Promise.all(
    multiscale.datasets.map(({ path }) => ZarrArray.open(store, path, v3 ? 3 : 2, signal)),
  );
  const [finest] = arrays;
  const dataType = dataTypes[finest.dtype];
  if (!dataType) {
    throw new VolumeError(
      store.name,
      `holds ${finest.dtype}, but 8 to 64 bit whole numbers are needed: convert it first`,
    );
  }
  const fixed = multiscale.others.map(({ name, index }) =>
    chooseIndex(store.name, finest, name, index, options),
  );
  const scales = arrays.map((candidate, i) =>
    describeScale(store.name, candidate, i, arrays, multiscale, options.voxelSize),
  );
  return new ChunkedVolume(
    store.name,
    dataType,
    scales,
    (scale, position, _box, aborting) => loadChunk(arrays[scale], multiscale, fixed, position, aborting),
    options,
  );
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** A Zarr array by itself: axes by its dimension names (v3, or xarray's attribute in v2), else the last three are z, y, x. */
function plainArray(
  name: string,
  metadata: Record<string, unknown> | undefined,
  attributes: Record<string, unknown>,
): Multiscale | undefined {
  const rank = Array.isArray(metadata?.shape) ? metadata.shape.length : 0;
  if (!metadata || rank === 0 || metadata.node_type === "group") return undefined;
  const stated = metadata.dimension_names ?? attributes._ARRAY_DIMENSIONS;
  const axisNames =
    Array.isArray(stated) && stated.length === rank && stated.every((axis) => typeof axis === "string")
      ? (stated as string[])
      : ["t", "c", "z", "y", "x"].slice(-rank);
  const { space, others } = sortAxes(name, axisNames);
  return { axes: space, others, datasets: [{ path: "", voxelSize: undefined }] };
}

function chooseIndex(
  name: string,
  array: ZarrArray,
  axis: string,
  index: number,
  options: OmeZarrOptions,
): { index: number; at: number } {
  const length = array.shape[index];
  const wanted = axis.toLowerCase().startsWith("t") ? options.time : options.channel;
  if (wanted === undefined && length > 1) {
    throw new VolumeError(name, `axis "${axis}" has ${length} entries: choose one`);
  }
  const at = wanted ?? 0;
  if (!Number.isInteger(at) || at < 0 || at >= length) {
    throw new VolumeError(name, `axis "${axis}" has ${length} entries, there is no number ${at}`);
  }
  return { index, at };
}

function describeScale(
  name: string,
  array: ZarrArray,
  index: number,
  arrays: readonly ZarrArray[],
  { axes, others, datasets }: Multiscale,
  override: Vec3 | undefined,
): VolumeScale {
  const [finest] = arrays;
  const { path, voxelSize: stated } = datasets[index];
  const rank = others.length + axes.filter((axis) => axis >= 0).length;
  if (array.shape.length !== rank || array.dtype !== finest.dtype) {
    throw new VolumeError(
      `${name}/${path}`,
      `has ${array.shape.length} axes of ${array.dtype}, but the image has ${rank} of ${finest.dtype}`,
    );
  }
  const along = (list: readonly number[], axis: number) => (axes[axis] < 0 ? 1 : list[axes[axis]]);
  const size: Vec3 = [along(array.shape, 0), along(array.shape, 1), along(array.shape, 2)];
  let voxelSize = stated;
  if (override) {
    // Coarser scales keep their ratio to the finest one.
    const ratio = (i: number) =>
      stated && datasets[0].voxelSize
        ? stated[i] / datasets[0].voxelSize[i]
        : Math.round(along(finest.shape, i) / size[i]);
    voxelSize = [override[0] * ratio(0), override[1] * ratio(1), override[2] * ratio(2)];
  }
  if (!voxelSize) throw new VolumeError(name, "does not say how large a voxel is: give the voxel size");
  return {
    bounds: { lower: [0, 0, 0], upper: size },
    voxelSize,
    chunkSize: [along(array.chunks, 0), along(array.chunks, 1), along(array.chunks, 2)],
  };
}

async function loadChunk(
  array: ZarrArray,
  { axes }: Multiscale,
  fixed: readonly { index: number; at: number }[],
  position: Vec3,
  signal: AbortSignal,
): Promise<ChunkData> {
  const coordinates = new Array<number>(array.shape.length).fill(0);
  axes.forEach((axis, i) => {
    if (axis >= 0) coordinates[axis] = position[i];
  });
  for (const { index, at } of fixed) coordinates[index] = Math.floor(at / array.chunks[index]);
  const { data, stride } = await array.getChunk(coordinates, signal);
  const offset = fixed.reduce((sum, { index, at }) => sum + (at % array.chunks[index]) * stride[index], 0);
  const along = (i: number) => (axes[i] < 0 ? 0 : stride[axes[i]]);
  return { data, offset, stride: [along(0), along(1), along(2)] };
}
