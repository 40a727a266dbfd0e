import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { encode } from "fast-png";
import { afterAll } from "vitest";

/** A temporary folder that goes when the spec file is done. @returns a function that makes paths in it. */
export async function scratch(): Promise<(...parts: string[]) => string> {
  const folder = await mkdtemp(join(tmpdir(), "chondria-test-"));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return (...parts) => join(folder, ...parts);
}

export interface TiffPageData {
  readonly width: number;
  readonly height: number;
  /** Samples, interleaved; packed bytes for fewer than 8 bits. */
  readonly data: Uint8Array | Uint16Array | Uint32Array | Float32Array;
  readonly bits?: number;
  readonly samplesPerPixel?: number;
  readonly photometric?: number;
  /** 1 unsigned (default), 2 signed, 3 float. */
  readonly sampleFormat?: number;
  readonly extraSamples?: number;
  readonly description?: string;
  /** 256 greys a colour, red then green then blue, 16 bit. */
  readonly colourMap?: Uint16Array;
}

export interface TiffLayout {
  readonly bigEndian?: boolean;
  readonly deflate?: boolean;
  readonly rowsPerStrip?: number;
  /** Make the last page point back to the first. */
  readonly loop?: boolean;
}

const SHORT = 3;
const LONG = 4;
const ASCII = 2;

/** A TIFF 6.0 file, written here because the library that reads them writes single pages only. */
export function makeTiff(pages: readonly TiffPageData[], layout: TiffLayout = {}): Uint8Array {
  const { bigEndian = false, deflate = false, loop = false } = layout;
  const parts: Uint8Array[] = [];
  let length = 0;
  const append = (bytes: Uint8Array): number => {
    const at = length;
    const padded = new Uint8Array(bytes.length + (bytes.length % 2));
    padded.set(bytes);
    parts.push(padded);
    length += padded.length;
    return at;
  };
  const numbers = (values: ArrayLike<number>, size: 2 | 4): Uint8Array => {
    const view = new DataView(new ArrayBuffer(values.length * size));
    for (let i = 0; i < values.length; ++i) {
      if (size === 2) view.setUint16(i * 2, values[i], !bigEndian);
      else view.setUint32(i * 4, values[i], !bigEndian);
    }
    return new Uint8Array(view.buffer);
  };
  append(new Uint8Array(8));
  let firstDirectory = 0;
  let link: { part: Uint8Array; at: number } | undefined;
  const point = (target: number) => {
    if (link) link.part.set(numbers([target], 4), link.at);
    else firstDirectory = target;
  };
  for (const page of pages) {
    const { width, height, data, samplesPerPixel = 1, photometric = 1, sampleFormat = 1 } = page;
    const bits = page.bits ?? data.BYTES_PER_ELEMENT * 8;
    const rowBytes = Math.ceil((width * samplesPerPixel * bits) / 8);
    const bytes = data instanceof Uint8Array ? data : swapped(data, bigEndian);
    const rowsPerStrip = layout.rowsPerStrip ?? height;
    const strips: Uint8Array[] = [];
    for (let y = 0; y < height; y += rowsPerStrip) {
      const strip = bytes.subarray(y * rowBytes, Math.min(height, y + rowsPerStrip) * rowBytes);
      strips.push(deflate ? deflateSync(strip) : strip);
    }
    const offsets = strips.map(append);
    const entries: [tag: number, type: number, values: ArrayLike<number>][] = [
      [256, LONG, [width]],
      [257, LONG, [height]],
      [258, SHORT, Array(samplesPerPixel).fill(bits)],
      [259, SHORT, [deflate ? 8 : 1]],
      [262, SHORT, [photometric]],
      ...(page.description
        ? [[270, ASCII, new TextEncoder().encode(`${page.description}\0`)] as [number, number, Uint8Array]]
        : []),
      [273, LONG, offsets],
      [277, SHORT, [samplesPerPixel]],
      [278, LONG, [rowsPerStrip]],
      [279, LONG, strips.map((strip) => strip.length)],
      ...(page.colourMap ? [[320, SHORT, page.colourMap] as [number, number, Uint16Array]] : []),
      ...(page.extraSamples !== undefined
        ? [[338, SHORT, [page.extraSamples]] as [number, number, number[]]]
        : []),
      [339, SHORT, Array(samplesPerPixel).fill(sampleFormat)],
    ];
    const directory = new Uint8Array(2 + 12 * entries.length + 4);
    directory.set(numbers([entries.length], 2), 0);
    entries.forEach(([tag, type, values], i) => {
      const encoded = type === ASCII ? (values as Uint8Array) : numbers(values, type === SHORT ? 2 : 4);
      const at = 2 + 12 * i;
      directory.set(numbers([tag, type], 2), at);
      directory.set(numbers([values.length], 4), at + 4);
      directory.set(encoded.length <= 4 ? encoded : numbers([append(encoded)], 4), at + 8);
    });
    point(length);
    append(directory);
    link = { part: parts[parts.length - 1], at: directory.length - 4 };
  }
  if (loop) point(firstDirectory);
  const file = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  file.set(
    [...(bigEndian ? [0x4d, 0x4d] : [0x49, 0x49]), ...numbers([42], 2), ...numbers([firstDirectory], 4)],
    0,
  );
  return file;
}

function swapped(data: Uint16Array | Uint32Array | Float32Array, bigEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
  if (bigEndian)
    for (let i = 0; i < bytes.length; i += data.BYTES_PER_ELEMENT)
      bytes.subarray(i, i + data.BYTES_PER_ELEMENT).reverse();
  return bytes;
}

/** A folder of 8 or 16 bit grey PNG slices. @param name of the file of a slice. */
export async function writePngStack(
  folder: string,
  voxels: Uint8Array | Uint16Array,
  [sx, sy, sz]: readonly [number, number, number],
  name: (z: number) => string = (z) => `${String(z).padStart(4, "0")}.png`,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (let z = 0; z < sz; ++z) {
    const data = voxels.slice(z * sx * sy, (z + 1) * sx * sy);
    await writeFile(
      join(folder, name(z)),
      encode({ width: sx, height: sy, channels: 1, depth: voxels instanceof Uint16Array ? 16 : 8, data }),
    );
  }
  return folder;
}
