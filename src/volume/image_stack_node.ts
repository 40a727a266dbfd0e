import { open, readdir, readFile, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { contains } from "./box.js";
import { decodePng, PNG_HEADER_BYTES, readPngHeader } from "./png_node.js";
import { SliceCache } from "./slice_cache.js";
import { naturalSort, numberingWarnings } from "./slice_names.js";
import {
  type ChannelOptions,
  type DecodedSlice,
  pixelType,
  type SlicePixels,
  singleChannel,
} from "./slice_pixels.js";
import { openTiff } from "./tiff_node.js";
import { type Box, type DataType, type Vec3, VolumeError, type VolumeSource } from "./types.js";

export interface ImageStackOptions extends ChannelOptions {
  /** Edge lengths of a voxel in nm; slices do not say. 1 nm when left out. */
  readonly voxelSize?: Vec3;
  /** Most bytes of decoded slices kept in memory (one slice is always kept). */
  readonly cacheBytes?: number;
}

/** A whole Lucchi++ stack (130 MB) stays decoded while patches are drawn from it. */
const DEFAULT_CACHE_BYTES = 256 * 2 ** 20;

/** One slice before it is decoded. */
interface SliceFile {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly type: DataType;
  decode(): Promise<DecodedSlice>;
}

/**
 * Open a stack of images as a volume: a folder of PNG or TIFF slices (x, y in the picture, z in the natural order of
 * the file names: 2.png before 10.png), a multi-page TIFF, or one picture. Values of fewer than 8 bits are stretched to
 * 0..255; see `singleChannel` for pictures of several channels. Headers are read at once, pixels on demand.
 *
 * @throws VolumeError when there is no slice, a slice is unreadable, or two differ in size or type; it names the file.
 */
export async function openImageStack(path: string, options: ImageStackOptions = {}): Promise<VolumeSource> {
  const { slices, close } = await listSlices(path, options.onWarning);
  try {
    return new ImageStack(path, slices, close, options);
  } catch (error) {
    await close();
    throw error;
  }
}

class ImageStack implements VolumeSource {
  readonly dataType: DataType;
  readonly scales;
  private readonly cache: SliceCache<SlicePixels>;
  private readonly warned = new Set<string>();

  constructor(
    readonly name: string,
    private readonly slices: readonly SliceFile[],
    private readonly release: () => Promise<void>,
    private readonly options: ImageStackOptions,
  ) {
    const [first] = slices;
    for (const slice of slices) {
      if (slice.width !== first.width || slice.height !== first.height) {
        throw new VolumeError(
          slice.name,
          `is ${slice.width} x ${slice.height} pixels, but ${first.name} is ${first.width} x ${first.height}: ` +
            "all slices must have one size. Crop or pad them, or remove the one that does not belong",
        );
      }
      if (slice.type !== first.type) {
        throw new VolumeError(
          slice.name,
          `is ${slice.type}, but ${first.name} is ${first.type}: convert them to one type`,
        );
      }
    }
    this.dataType = first.type;
    const size: Vec3 = [first.width, first.height, slices.length];
    this.scales = [
      {
        bounds: { lower: [0, 0, 0], upper: size } as Box,
        voxelSize: options.voxelSize ?? ([1, 1, 1] as Vec3),
        chunkSize: [first.width, first.height, 1] as Vec3,
      },
    ];
    this.cache = new SliceCache(options.cacheBytes ?? DEFAULT_CACHE_BYTES);
  }

  async read(scale: number, box: Box, { signal }: { signal?: AbortSignal } = {}): Promise<SlicePixels> {
    if (scale !== 0 || !contains(this.scales[0].bounds, box)) {
      throw new VolumeError(
        this.name,
        `box ${box.lower} to ${box.upper} is outside of the ${this.scales[0].bounds.upper} voxels`,
      );
    }
    const [x0, y0, z0] = box.lower;
    const [sx, sy, sz] = [0, 1, 2].map((i) => Math.max(0, box.upper[i] - box.lower[i]));
    const out = allocate(this.dataType, sx * sy * sz);
    const { width } = this.slices[0];
    for (let z = 0; z < sz; ++z) {
      signal?.throwIfAborted();
      const slice = await this.slice(z0 + z);
      for (let y = 0; y < sy; ++y) {
        const from = x0 + width * (y0 + y);
        out.set(slice.subarray(from, from + sx), sx * (y + sy * z));
      }
    }
    return out;
  }

  async close(): Promise<void> {
    this.cache.clear();
    await this.release();
  }

  private slice(z: number): Promise<SlicePixels> {
    const { name, width, height, type, decode } = this.slices[z];
    return this.cache.get(z, async () => {
      const decoded = await reading(name, decode);
      const pixels = singleChannel(name, decoded, {
        ...this.options,
        onWarning: (message) => this.warn(message),
      });
      if (decoded.width !== width || decoded.height !== height || pixelType(pixels) !== type) {
        throw new VolumeError(name, "has changed since the stack was opened: start again");
      }
      return pixels;
    });
  }

  /** One sentence is enough for a thousand slices with the same peculiarity: the first file stands for all. */
  private warn(message: string): void {
    if (this.warned.size > 0) return;
    this.warned.add(message);
    this.options.onWarning?.(message);
  }
}

function allocate(type: DataType, length: number): SlicePixels {
  return type === "uint8"
    ? new Uint8Array(length)
    : type === "uint16"
      ? new Uint16Array(length)
      : new Uint32Array(length);
}

type SliceFormat = "png" | "tiff";

function formatOf(name: string): SliceFormat | undefined {
  const extension = extname(name).toLowerCase();
  return extension === ".png" ? "png" : extension === ".tif" || extension === ".tiff" ? "tiff" : undefined;
}

async function listSlices(path: string, onWarning?: (message: string) => void) {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    (cause) => {
      throw new VolumeError(path, "does not exist or cannot be read: check the path", { cause });
    },
  );
  if (isFolder) return { slices: await listFolder(path, onWarning), close: async () => {} };
  const format = formatOf(path);
  if (format === "png")
    return { slices: [await reading(path, () => describePng(path))], close: async () => {} };
  if (format === "tiff") return reading(path, () => listPages(path));
  throw new VolumeError(path, "is neither a folder of slices, a .png nor a .tif file");
}

async function listFolder(path: string, onWarning?: (message: string) => void): Promise<SliceFile[]> {
  // Names that begin with a dot are what desktops leave behind (._001.tif), never slices.
  const names = (await readdir(path)).filter((name) => !name.startsWith("."));
  const png = names.filter((name) => formatOf(name) === "png");
  const tiff = names.filter((name) => formatOf(name) === "tiff");
  if (png.length > 0 && tiff.length > 0) {
    throw new VolumeError(
      path,
      `holds ${png.length} PNG and ${tiff.length} TIFF files: keep the slices of one stack in a folder`,
    );
  }
  const sorted = naturalSort(png.length > 0 ? png : tiff);
  if (sorted.length === 0) {
    throw new VolumeError(
      path,
      `holds no .png, .tif or .tiff file (${names.length} other entries): give the folder of the slices`,
    );
  }
  for (const warning of numberingWarnings(sorted)) onWarning?.(`${path}: ${warning}`);
  const describe = png.length > 0 ? describePng : describeTiff;
  const slices: SliceFile[] = [];
  // Enough at once to hide the latency of a network drive, and few enough open files for any system.
  const together = 32;
  for (let i = 0; i < sorted.length; i += together) {
    slices.push(
      ...(await Promise.all(
        sorted
          .slice(i, i + together)
          .map((name) => reading(join(path, name), () => describe(join(path, name)))),
      )),
    );
  }
  return slices;
}

/** Does `work` on a file; what the system says of it (gone, no permission, a folder) gets the file's name. */
async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof VolumeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VolumeError(
      path,
      `cannot be read (${reason}): check that it is there, a file, and yours to read`,
      {
        cause,
      },
    );
  }
}

async function describePng(path: string): Promise<SliceFile> {
  const file = await open(path, "r");
  try {
    const head = new Uint8Array(PNG_HEADER_BYTES);
    const { bytesRead } = await file.read(head, 0, PNG_HEADER_BYTES, 0);
    const { width, height, depth } = readPngHeader(path, head.subarray(0, bytesRead));
    const decode = async () => decodePng(path, await readFile(path));
    return { name: path, width, height, type: depth === 16 ? "uint16" : "uint8", decode };
  } finally {
    await file.close();
  }
}

const tiffType = (depth: number): DataType => (depth <= 8 ? "uint8" : depth === 16 ? "uint16" : "uint32");

async function describeTiff(path: string): Promise<SliceFile> {
  const tiff = await openTiff(path);
  try {
    if (tiff.pages.length > 1) {
      throw new VolumeError(
        path,
        `has ${tiff.pages.length} pages, but lies in a folder of slices: import ${basename(path)} by itself, or save one page a file`,
      );
    }
    const [{ width, height, depth }] = tiff.pages;
    const decode = async () => {
      const again = await openTiff(path);
      try {
        return await again.readPage(0);
      } finally {
        await again.close();
      }
    };
    return { name: path, width, height, type: tiffType(depth), decode };
  } finally {
    await tiff.close();
  }
}

async function listPages(path: string): Promise<{ slices: SliceFile[]; close: () => Promise<void> }> {
  const tiff = await openTiff(path);
  const slices = tiff.pages.map(({ width, height, depth }, index): SliceFile => {
    const name = tiff.pages.length > 1 ? `${path} (page ${index + 1} of ${tiff.pages.length})` : path;
    return { name, width, height, type: tiffType(depth), decode: () => tiff.readPage(index) };
  });
  return { slices, close: () => tiff.close() };
}
