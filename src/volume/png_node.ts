import { inflateSync } from "node:zlib";
import { decode } from "fast-png";
import { type DecodedSlice, unpackBits } from "./slice_pixels.js";
import { VolumeError } from "./types.js";

/** Larger pictures than this are taken for damage: nothing of that size is allocated on a header's word. */
export const MAX_SLICE_BYTES = 2 ** 31;

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Samples of a pixel by the colour type of the header (PNG specification, table 11.1). */
const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** Adam7 passes: first column and row, steps (PNG specification, section 8.2). */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colourType: number;
  readonly interlaced: boolean;
}

/** Number of leading bytes that {@link readPngHeader} needs. */
export const PNG_HEADER_BYTES = 33;

/** @throws VolumeError when `bytes` does not begin like a PNG file, or is of an absurd size. */
export function readPngHeader(name: string, bytes: Uint8Array): PngHeader {
  if (bytes.length === 0) throw new VolumeError(name, "is empty: copy the file again");
  if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) {
    throw new VolumeError(
      name,
      "is not a PNG file (wrong signature): remove it from the folder or save it as PNG",
    );
  }
  if (bytes.length < PNG_HEADER_BYTES)
    throw new VolumeError(name, "is truncated within its header: copy the file again");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header: PngHeader = {
    width: view.getUint32(16),
    height: view.getUint32(20),
    depth: bytes[24],
    colourType: bytes[25],
    interlaced: bytes[28] !== 0,
  };
  const { width, height, depth, colourType } = header;
  if (width === 0 || height === 0 || !(colourType in CHANNELS) || ![1, 2, 4, 8, 16].includes(depth)) {
    throw new VolumeError(
      name,
      `has a damaged PNG header (${width} x ${height}, ${depth} bit, colour type ${colourType})`,
    );
  }
  if (width * height * CHANNELS[colourType] * Math.ceil(depth / 8) > MAX_SLICE_BYTES) {
    throw new VolumeError(
      name,
      `claims to be ${width} x ${height} pixels, more than one slice may hold: is it damaged?`,
    );
  }
  if (header.interlaced && depth < 8) {
    // The decoder takes the packed samples of such a file for whole bytes.
    throw new VolumeError(
      name,
      `is an interlaced ${depth}-bit PNG, which cannot be read: save it without interlacing`,
    );
  }
  return header;
}

function rowBytes({ depth, colourType }: PngHeader, width: number): number {
  return 1 + Math.ceil((width * depth * CHANNELS[colourType]) / 8);
}

/** Bytes of the inflated pixel data: one filter byte and the packed samples for each row. */
function inflatedBytes(header: PngHeader): number {
  if (!header.interlaced) return rowBytes(header, header.width) * header.height;
  let total = 0;
  for (const [x, y, stepX, stepY] of ADAM7) {
    const columns = Math.ceil((header.width - x) / stepX);
    const rows = Math.ceil((header.height - y) / stepY);
    if (columns > 0 && rows > 0) total += rowBytes(header, columns) * rows;
  }
  return total;
}

/**
 * The pixel data must inflate to exactly what the header announces. The decoder does not check that: it would fill a
 * short picture with zeros, and inflate a file made to blow up until memory ends.
 */
function checkPixelData(name: string, bytes: Uint8Array, header: PngHeader): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let ended = false;
  for (let at = 8; at + 12 <= bytes.length && !ended; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) break;
    if (type === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
    ended = type === "IEND";
    at += 12 + length;
  }
  if (!ended) throw new VolumeError(name, "is truncated: it ends before its IEND chunk. Copy the file again");
  const expected = inflatedBytes(header);
  let actual: number;
  try {
    actual = inflateSync(Buffer.concat(parts), { maxOutputLength: expected }).length;
  } catch (cause) {
    throw new VolumeError(name, "has damaged pixel data: copy or export the file again", { cause });
  }
  if (actual !== expected) {
    throw new VolumeError(
      name,
      `has ${actual} bytes of pixel data where its header announces ${expected}: export the file again`,
    );
  }
}

/**
 * Decode a PNG file: 1, 2, 4, 8 and 16 bit, grey, colour, indexed, with or without opacity.
 *
 * @throws VolumeError when the file is truncated or damaged; nothing larger than the announced picture is allocated.
 */
export function decodePng(name: string, bytes: Uint8Array): DecodedSlice {
  const header = readPngHeader(name, bytes);
  checkPixelData(name, bytes, header);
  let png: ReturnType<typeof decode>;
  try {
    png = decode(bytes, { checkCrc: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VolumeError(name, `is damaged (${reason}): copy or export the file again`, { cause });
  }
  const { width, height, depth, channels, palette } = png;
  const indexed = header.colourType === 3;
  let { data } = png;
  if (depth < 8) data = unpackBits(data as Uint8Array, width, height, depth as 1 | 2 | 4, !indexed);
  return {
    width,
    height,
    channels,
    alpha: header.colourType === 4 || header.colourType === 6,
    data,
    palette: indexed ? (palette ?? []) : undefined,
  };
}
