import { type FileHandle, open } from "node:fs/promises";
import { GeoTIFF, type GeoTIFFImage } from "geotiff";
import { MAX_SLICE_BYTES } from "./png_node.js";
import type { DecodedSlice } from "./slice_pixels.js";
import { VolumeError } from "./types.js";

/** Photometric interpretations (TIFF 6.0, tag 262). */
const WHITE_IS_ZERO = 0;
const PALETTE = 3;

export interface TiffPage {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample: 1, 2, 4, 8, 16 or 32. */
  readonly depth: number;
}

/** A TIFF file with one or many pages, each decoded when asked for. */
export interface TiffFile {
  readonly pages: readonly TiffPage[];
  readPage(index: number): Promise<DecodedSlice>;
  close(): Promise<void>;
}

/** Bytes of a file for geotiff. Its own file source gives zeros where a file ends early; this one gives what is there. */
class FileBytes {
  private constructor(
    private readonly handle: FileHandle,
    readonly fileSize: number,
  ) {}

  static async open(path: string): Promise<FileBytes> {
    const handle = await open(path, "r");
    return new FileBytes(handle, (await handle.stat()).size);
  }

  async fetchSlice({ offset, length }: { offset: number; length: number }) {
    const wanted = Math.max(0, Math.min(length, this.fileSize - offset));
    const bytes = new Uint8Array(wanted);
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await this.handle.read(bytes, filled, wanted - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return { data: bytes.buffer.slice(0, filled), offset, length: filled };
  }

  async fetch(slices: { offset: number; length: number }[]): Promise<ArrayBuffer[]> {
    return Promise.all(slices.map(async (slice) => (await this.fetchSlice(slice)).data));
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/**
 * Open a TIFF or BigTIFF (uncompressed, LZW, deflate, PackBits, zstd; strips or tiles; unsigned 1 to 32 bit). Only
 * the page directories are read.
 *
 * @throws VolumeError when it is no TIFF, its directories are damaged or cut off, or its samples are not unsigned integers.
 */
export async function openTiff(path: string): Promise<TiffFile> {
  const bytes = await FileBytes.open(path);
  try {
    return await readDirectories(path, bytes);
  } catch (cause) {
    await bytes.close();
    if (cause instanceof VolumeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (bytes.fileSize === 0) throw new VolumeError(path, "is empty: copy the file again", { cause });
    throw new VolumeError(
      path,
      `is not a TIFF file or is truncated (${reason}): copy or export the file again`,
      { cause },
    );
  }
}

async function readDirectories(path: string, bytes: FileBytes): Promise<TiffFile> {
  const tiff = await GeoTIFF.fromSource(bytes);
  // Values left for later are read by geotiff 3.0.5 as little-endian whatever the file is: read them at once.
  tiff.parser.eager = true;
  const images: GeoTIFFImage[] = [];
  const seen = new Set<number>([tiff.firstIFDOffset]);
  for (;;) {
    const image = await tiff.getImage(images.length);
    images.push(image);
    const next = image.fileDirectory.nextIFDByteOffset;
    if (next === 0) break;
    if (seen.has(next))
      throw new VolumeError(path, `is damaged: page ${images.length} points back to an earlier page`);
    seen.add(next);
  }
  const pages = images.map((image, index) =>
    describePage(path, image, images.length > 1 ? index : undefined),
  );
  await rejectHiddenPages(path, images, bytes.fileSize);
  return {
    pages,
    async readPage(index) {
      const where = pages.length > 1 ? `${path} (page ${index + 1} of ${pages.length})` : path;
      return decodePage(where, images[index], pages[index]);
    },
    close: () => bytes.close(),
  };
}

function describePage(path: string, image: GeoTIFFImage, index?: number): TiffPage {
  const where = index === undefined ? path : `${path} (page ${index + 1})`;
  const width = image.getWidth();
  const height = image.getHeight();
  const bits = Array.from(image.fileDirectory.getValue("BitsPerSample") ?? [], Number);
  const formats = Array.from(image.fileDirectory.getValue("SampleFormat") ?? [1], Number);
  if (width === 0 || height === 0) throw new VolumeError(where, "is damaged: the page has no size");
  if (bits.length === 0)
    throw new VolumeError(where, "does not say how many bits a sample has: export it again as 8 or 16 bit");
  const [depth] = bits;
  if (
    formats.some((format) => format !== 1) ||
    bits.some((b) => b !== depth) ||
    ![1, 2, 4, 8, 16, 32].includes(depth)
  ) {
    const kind = { 2: "signed integers", 3: "floating point" }[formats[0]] ?? `${bits.join("+")}-bit samples`;
    throw new VolumeError(where, `holds ${kind}: convert it to unsigned 8 or 16 bit first`);
  }
  if (width * height * image.getSamplesPerPixel() * Math.ceil(depth / 8) > MAX_SLICE_BYTES) {
    throw new VolumeError(
      where,
      `claims to be ${width} x ${height} pixels, more than one slice may hold: is it damaged?`,
    );
  }
  return { width, height, depth };
}

/**
 * ImageJ writes stacks of more than 4 GiB with one page directory and the rest of the slices bare behind the first;
 * taking such a file for one slice would silently lose the volume.
 */
async function rejectHiddenPages(path: string, images: GeoTIFFImage[], fileSize: number): Promise<void> {
  const description = await images[0].fileDirectory.loadValue("ImageDescription");
  if (images.length > 1 || typeof description !== "string") return;
  const announced = Number(/^ImageJ=[\s\S]*?^images=(\d+)/m.exec(description)?.[1] ?? 1);
  const first = images[0].getWidth() * images[0].getHeight() * images[0].getBytesPerPixel();
  if (announced > 1 && fileSize > first * 2) {
    throw new VolumeError(
      path,
      `holds ${announced} slices in ImageJ's own form for large stacks: save it as BigTIFF or as an image sequence`,
    );
  }
}

async function decodePage(where: string, image: GeoTIFFImage, page: TiffPage): Promise<DecodedSlice> {
  const { width, height, depth } = page;
  const channels = image.getSamplesPerPixel();
  let samples: ArrayLike<number>;
  try {
    samples = await image.readRasters({ interleave: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VolumeError(
      where,
      `cannot be read (${reason}): the file is truncated, damaged or of a compression that is not supported`,
      {
        cause,
      },
    );
  }
  const photometric = image.fileDirectory.getValue("PhotometricInterpretation");
  const indexed = photometric === PALETTE;
  const data = toUnsigned(samples, depth, !indexed, photometric === WHITE_IS_ZERO);
  const extra = image.fileDirectory.getValue("ExtraSamples");
  return {
    width,
    height,
    channels,
    // With two or four samples the last is opacity, said (1 or 2) or not (0, unspecified).
    alpha: extra !== undefined && (channels === 2 || channels === 4),
    data,
    palette: indexed ? await readPalette(where, image, depth) : undefined,
  };
}

/** Samples as they are seen: fewer than 8 bits stretched to 0..255 unless indices, "white is zero" turned round. */
function toUnsigned(
  samples: ArrayLike<number>,
  depth: number,
  stretch: boolean,
  invert: boolean,
): DecodedSlice["data"] {
  const out =
    depth <= 8
      ? new Uint8Array(samples.length)
      : depth === 16
        ? new Uint16Array(samples.length)
        : new Uint32Array(samples.length);
  if (depth >= 8 && !invert) {
    out.set(samples);
    return out;
  }
  const top = 2 ** depth - 1;
  const factor = depth < 8 && stretch ? 255 / top : 1;
  for (let i = 0; i < out.length; ++i) out[i] = (invert ? top - samples[i] : samples[i]) * factor;
  return out;
}

/** Colours of an indexed page: three tables of 2^depth values of 16 bit (TIFF 6.0, tag 320), here as 8 bit. */
async function readPalette(where: string, image: GeoTIFFImage, depth: number): Promise<number[][]> {
  const map = await image.fileDirectory.loadValue("ColorMap");
  const size = 2 ** depth;
  if (!map || map.length !== 3 * size)
    throw new VolumeError(where, "has a damaged colour table: save it as grey");
  const table = Array.from(map, Number);
  return Array.from({ length: size }, (_, i) => [
    table[i] >> 8,
    table[size + i] >> 8,
    table[2 * size + i] >> 8,
  ]);
}
