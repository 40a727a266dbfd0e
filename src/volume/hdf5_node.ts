import { stat } from "node:fs/promises";
import { type Dataset, type File, h5wasm, type Metadata } from "h5wasm/node";
import { boxSize, contains } from "./box.js";
import {
  type Box,
  type DataType,
  type Vec3,
  VolumeError,
  type VolumeSource,
  type VoxelArray,
} from "./types.js";

export interface Hdf5Options {
  /** Edge lengths of a voxel in nm; 1 nm when left out. */
  readonly voxelSize?: Vec3;
  /** Labels: signed integers are taken too, as long as none is negative. */
  readonly labels?: boolean;
}

/** HDF5 type classes (H5Tpublic.h). */
const H5T_INTEGER = 0;
const H5T_FLOAT = 1;
/** h5py writes booleans as an enumeration of one byte. */
const H5T_ENUM = 8;

/** Read at most this much in one call: all of it lies in the memory of the WebAssembly module as well. */
const PIECE_BYTES = 256 * 2 ** 20;

const TYPES: Record<number, DataType> = { 1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64" };
const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array };

/**
 * Open a data set of an HDF5 file as a volume. The axes of the data set are z, y, x; further axes of length 1 are
 * dropped. Without `dataset` the only one that can be a volume is taken. Boxes are read from the file on demand.
 *
 * @throws VolumeError when the file is no HDF5 or truncated, when the choice is open (it lists the candidates), or when
 *   the values are not unsigned integers.
 */
export async function openHdf5(
  path: string,
  dataset?: string,
  options: Hdf5Options = {},
): Promise<VolumeSource> {
  const found = await stat(path).catch((cause) => {
    throw new VolumeError(path, "does not exist or cannot be read: check the path", { cause });
  });
  if (!found.isFile()) throw new VolumeError(path, "is not a file: give the path of an HDF5 file");
  const library = await h5wasm.ready;
  // Without this the library prints its errors on stderr and goes on with an invalid handle.
  library.activate_throwing_error_handler();
  const file = attempt(path, "is not an HDF5 file or is truncated", () => new h5wasm.File(path, "r"));
  try {
    return new Hdf5Volume(path, file, chooseDataset(path, file, dataset), options);
  } catch (error) {
    file.close();
    throw error;
  }
}

class Hdf5Volume implements VolumeSource {
  readonly name: string;
  readonly dataType: DataType;
  readonly scales;
  private readonly signed: boolean;
  /** Axes of length 1 before and after z, y, x. */
  private readonly dropped: { before: number; after: number };

  constructor(
    path: string,
    private readonly file: File,
    private readonly dataset: Dataset,
    options: Hdf5Options,
  ) {
    this.name = `${path}:${dataset.path}`;
    const { metadata } = dataset;
    const layout = volumeLayout(metadata);
    if (typeof layout === "string") throw new VolumeError(this.name, layout);
    this.signed = metadata.type === H5T_INTEGER && metadata.signed;
    if (this.signed && !options.labels) {
      throw new VolumeError(
        this.name,
        "holds signed integers: import it with --labels if it is one, else convert it to uint8 or uint16",
      );
    }
    this.dataType = TYPES[metadata.size];
    this.dropped = layout;
    const [sz, sy, sx] = layout.shape;
    const [cz, cy, cx] = metadata.chunks?.slice(layout.before, layout.before + 3) ?? [1, sy, sx];
    this.scales = [
      {
        bounds: { lower: [0, 0, 0], upper: [sx, sy, sz] } as Box,
        voxelSize: options.voxelSize ?? ([1, 1, 1] as Vec3),
        chunkSize: [cx, cy, cz] as Vec3,
      },
    ];
  }

  async read(scale: number, box: Box, { signal }: { signal?: AbortSignal } = {}): Promise<VoxelArray> {
    const [{ bounds }] = this.scales;
    if (scale !== 0 || !contains(bounds, box)) {
      throw new VolumeError(
        this.name,
        `box ${box.lower} to ${box.upper} is outside of the ${bounds.upper} voxels`,
      );
    }
    const [sx, sy, sz] = boxSize(box);
    const out = new ARRAYS[this.dataType](Math.max(0, sx) * Math.max(0, sy) * Math.max(0, sz));
    if (out.length === 0) return out;
    const depth = Math.max(1, Math.floor(PIECE_BYTES / (sx * sy * out.BYTES_PER_ELEMENT)));
    for (let z = 0; z < sz; z += depth) {
      signal?.throwIfAborted();
      const piece = this.readPiece({
        lower: [box.lower[0], box.lower[1], box.lower[2] + z],
        upper: [box.upper[0], box.upper[1], Math.min(box.upper[2], box.lower[2] + z + depth)],
      });
      new Uint8Array(out.buffer).set(piece, sx * sy * z * out.BYTES_PER_ELEMENT);
    }
    return out;
  }

  async close(): Promise<void> {
    this.file.close();
  }

  /** The bytes of a box, x fastest, in the order of this machine. */
  private readPiece({ lower, upper }: Box): Uint8Array {
    const one: [number, number] = [0, 1];
    const ranges: [number, number][] = [
      ...Array(this.dropped.before).fill(one),
      [lower[2], upper[2]],
      [lower[1], upper[1]],
      [lower[0], upper[0]],
      ...Array(this.dropped.after).fill(one),
    ];
    const values = attempt(this.name, "cannot be read", () => this.dataset.slice(ranges));
    if (!ArrayBuffer.isView(values))
      throw new VolumeError(this.name, "cannot be read as numbers: convert it to uint8 or uint16");
    if (this.signed) {
      const numbers = values as Int8Array | BigInt64Array;
      for (let i = 0; i < numbers.length; ++i) {
        if (numbers[i] < 0)
          throw new VolumeError(this.name, `holds the negative label ${numbers[i]}: give labels from 0 up`);
      }
    }
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}

/** Where z, y, x lie in a data set, or a sentence saying why it cannot be a volume. */
function volumeLayout({
  shape,
  type,
  size,
}: Metadata): { shape: number[]; before: number; after: number } | string {
  if (type === H5T_FLOAT) return "holds floating point values: convert it to uint8 or uint16 first";
  if (type !== H5T_INTEGER && !(type === H5T_ENUM && size === 1)) return "does not hold numbers";
  if (!(size in TYPES)) return `holds ${size * 8}-bit values: convert it to uint8 or uint16`;
  if (!shape || shape.length < 3) return `has ${shape?.length ?? 0} axes: a volume has z, y and x`;
  let before = 0;
  while (shape.length - before > 3 && shape[before] === 1) ++before;
  const after = shape.length - before - 3;
  if (shape.slice(before + 3).some((length) => length !== 1)) {
    return `has the shape ${shape.join(" x ")}: only z, y, x and axes of length 1 can be read`;
  }
  const kept = shape.slice(before, before + 3);
  return kept.some((length) => length === 0) ? "is empty" : { shape: kept, before, after };
}

function chooseDataset(path: string, file: File, wanted?: string): Dataset {
  const datasets = attempt(path, "has a damaged table of contents", () => {
    // paths() visits every object once, whatever links there are among them.
    return file
      .paths()
      .map((name) => file.get(name))
      .filter((entity) => entity instanceof h5wasm.Dataset);
  });
  const candidates = datasets.filter(({ metadata }) => typeof volumeLayout(metadata) !== "string");
  const describe = ({ path: name, shape, metadata }: Dataset) =>
    `${name} (${shape?.join(" x ")}, ${metadata.type === H5T_ENUM ? "bool" : `${metadata.signed ? "int" : "uint"}${metadata.size * 8}`})`;
  if (wanted !== undefined) {
    const clean = `/${wanted.replace(/^\/+|\/+$/g, "")}`;
    const chosen = datasets.find((dataset) => dataset.path === clean);
    if (chosen) return chosen;
    const there =
      candidates.length > 0
        ? `It has ${candidates.map(describe).join(", ")}`
        : "It has none that is a volume";
    throw new VolumeError(path, `has no data set ${clean}. ${there}`);
  }
  if (candidates.length === 1) return candidates[0];
  if (candidates.length > 1) {
    throw new VolumeError(
      path,
      `holds several volumes: choose one with --dataset. It has ${candidates.map(describe).join(", ")}`,
    );
  }
  const [other] = datasets;
  const why = other ? `; ${other.path} ${volumeLayout(other.metadata)}` : "";
  throw new VolumeError(path, `holds no data set that is a volume of integers${why}`);
}

/** Run a library call; what it throws is a page of C stack, of which the innermost line says what is wrong. */
function attempt<T>(input: string, what: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const reasons = [...text.matchAll(/#\d+: .*\(\): (.*)/g)];
    const reason = reasons.at(-1)?.[1] ?? text.split("\n")[0];
    const advice = /filter/.test(text)
      ? "repack it with a filter that every HDF5 has (h5repack -f GZIP=1 in.h5 out.h5)"
      : "copy or export the file again";
    throw new VolumeError(input, `${what} (${reason}): ${advice}`, { cause });
  }
}
