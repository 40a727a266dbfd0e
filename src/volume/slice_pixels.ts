import { type DataType, VolumeError } from "./types.js";

/** A decoded picture, samples interleaved (channel fastest, then x, then y), as a PNG or TIFF decoder gives it. */
export interface DecodedSlice {
  readonly width: number;
  readonly height: number;
  /** Samples of a pixel, alpha included. */
  readonly channels: number;
  /** Whether the last channel is opacity, which is never data. */
  readonly alpha: boolean;
  readonly data: Uint8Array | Uint8ClampedArray | Uint16Array | Uint32Array;
  /** Colours of an indexed picture (its one channel then holds indices). */
  readonly palette?: readonly (readonly number[])[];
}

export interface ChannelOptions {
  /** Labels: indices of a palette are the values, and the first of differing channels is taken with a warning. */
  readonly labels?: boolean;
  /** Take this channel (0 is red or grey) instead of asking that all are the same. */
  readonly channel?: number;
  readonly onWarning?: (message: string) => void;
}

export type SlicePixels = Uint8Array | Uint16Array | Uint32Array;

export function pixelType(data: SlicePixels): DataType {
  return data instanceof Uint8Array ? "uint8" : data instanceof Uint16Array ? "uint16" : "uint32";
}

/**
 * One value a pixel. The rule, the same for every file format: opacity is dropped; `channel` picks a channel; else
 * colour channels that are all equal are grey; where they differ, labels take the first (with a warning) and EM is an
 * error, since a mean of colours is not an intensity. An indexed picture gives its indices as labels and its colours as EM.
 *
 * @returns width * height values, x fastest.
 * @throws VolumeError when `channel` does not exist or EM has colour.
 */
export function singleChannel(name: string, slice: DecodedSlice, options: ChannelOptions = {}): SlicePixels {
  const { labels = false, channel, onWarning } = options;
  if (slice.palette && !labels) return singleChannel(name, applyPalette(name, slice), options);
  const { channels, data } = slice;
  const count = slice.width * slice.height;
  const colours = slice.alpha ? channels - 1 : channels;
  if (channel !== undefined && (!Number.isInteger(channel) || channel < 0 || channel >= channels)) {
    throw new VolumeError(name, `has no channel ${channel}: it has channels 0 to ${channels - 1}`);
  }
  if (channel === undefined && colours > 1) {
    const at = differingPixel(data, count, channels, colours);
    if (at >= 0) {
      const where = `channels differ (first at x ${at % slice.width}, y ${Math.floor(at / slice.width)})`;
      if (!labels) {
        throw new VolumeError(
          name,
          `is a colour image: its ${where}. Choose one with --channel 0 to ${colours - 1}`,
        );
      }
      onWarning?.(`${name}: ${where}; channel 0 is taken as the label. Choose another with --channel`);
    }
  }
  if (channels === 1 && !(data instanceof Uint8ClampedArray)) return data;
  const out =
    data instanceof Uint32Array
      ? new Uint32Array(count)
      : data instanceof Uint16Array
        ? new Uint16Array(count)
        : new Uint8Array(count);
  for (let i = 0, j = channel ?? 0; i < count; ++i, j += channels) out[i] = data[j];
  return out;
}

/** Index of the first pixel whose colour channels are not all equal, -1 when there is none. */
function differingPixel(
  data: DecodedSlice["data"],
  count: number,
  channels: number,
  colours: number,
): number {
  for (let i = 0, j = 0; i < count; ++i, j += channels) {
    for (let c = 1; c < colours; ++c) if (data[j + c] !== data[j]) return i;
  }
  return -1;
}

function applyPalette(name: string, { width, height, data, palette = [] }: DecodedSlice): DecodedSlice {
  const out = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; ++i) {
    const colour = palette[data[i]];
    if (!colour)
      throw new VolumeError(name, `pixel ${i} has colour ${data[i]}, but the palette has ${palette.length}`);
    out.set([colour[0], colour[1], colour[2]], i * 3);
  }
  return { width, height, channels: 3, alpha: false, data: out };
}

/**
 * Samples of fewer than 8 bits packed in bytes (rows start on a byte, most significant bit first) to one byte each.
 * Grey is stretched to 0..255 as the PNG specification says (section 13.12: 1 of 1 bit is 255), so that a stack that
 * mixes 1-bit and 8-bit masks has one foreground value; indices of a palette are left alone.
 */
export function unpackBits(
  packed: Uint8Array,
  width: number,
  height: number,
  depth: 1 | 2 | 4,
  stretch: boolean,
): Uint8Array {
  const out = new Uint8Array(width * height);
  const mask = (1 << depth) - 1;
  const factor = stretch ? 255 / mask : 1;
  const rowBytes = Math.ceil((width * depth) / 8);
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      const bit = x * depth;
      const sample = (packed[y * rowBytes + (bit >> 3)] >> (8 - depth - (bit & 7))) & mask;
      out[y * width + x] = sample * factor;
    }
  }
  return out;
}
