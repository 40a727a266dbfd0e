import type { Box, VolumeSource, VoxelArray } from "../volume/types.js";
import { areaAverage } from "./resample.js";

/** Labelled slices on the model's grid, in memory. */
export interface Slices {
  readonly width: number;
  readonly height: number;
  /** One a slice, row-major: EM 0..255 after the intensity window, rounded to 8 bit. */
  readonly em: readonly Uint8Array[];
  /** Foreground fraction 0..255 of each pixel. */
  readonly labels: readonly Uint8Array[];
  /** 255 where the label is known, 0 where it says nothing; known everywhere when left out. */
  readonly known?: readonly Uint8Array[];
}

export interface LoadOptions {
  readonly box: Box;
  /** Area-average factor in plane (training voxel size / data voxel size). */
  readonly factor: readonly [number, number];
  /** Intensities mapped to 0 and 255. */
  readonly window: readonly [number, number];
  /** Label voxels equal to these are background (Kasthuri++ marks "outside the tissue" with 2). */
  readonly ignore?: readonly number[];
  /** Not 0 where the labels are known; a pixel is when all of its voxels are. */
  readonly known?: VolumeSource;
  readonly signal?: AbortSignal;
}

/** 255 where a label is foreground: any but 0 (the VNC masks are anti-aliased) and the ignored ones. */
function foreground(labels: VoxelArray, ignored: ReadonlySet<number>): Uint8Array {
  const mask = new Uint8Array(labels.length);
  for (let i = 0; i < mask.length; i++) {
    const value = labels[i];
    // BigInt labels are compared without a conversion that would allocate for every voxel.
    if (value && (ignored.size === 0 || !ignored.has(Number(value)))) mask[i] = 255;
  }
  return mask;
}

/**
 * Reads EM and labels of `box` (finest scale) slice by slice and brings both to the training voxel size by area average; label pixels
 * that the average makes fractional stay soft.
 * @throws VolumeError when a slice cannot be read; Error on a window that does not rise or EM of more than 16 bits.
 */
export async function loadSlices(
  em: VolumeSource,
  labels: VolumeSource,
  options: LoadOptions,
): Promise<Slices> {
  const { box, factor, window, known, signal } = options;
  const [low, high] = window;
  if (!(high > low)) throw new Error(`the intensity window must rise, not ${low},${high}`);
  if (em.dataType !== "uint8" && em.dataType !== "uint16") {
    throw new Error(`${em.name}: EM must be 8 or 16 bit, not ${em.dataType}`);
  }
  const ignored = new Set(options.ignore ?? []);
  const columns = box.upper[0] - box.lower[0];
  const rows = box.upper[1] - box.lower[1];
  const result = { width: 0, height: 0, em: [] as Uint8Array[], labels: [] as Uint8Array[] };
  const sure: Uint8Array[] = [];
  for (let z = box.lower[2]; z < box.upper[2]; z++) {
    const slice: Box = { lower: [box.lower[0], box.lower[1], z], upper: [box.upper[0], box.upper[1], z + 1] };
    const [raw, truth] = await Promise.all([
      em.read(0, slice, { signal }),
      labels.read(0, slice, { signal }),
    ]);
    const image = areaAverage(raw as Uint8Array | Uint16Array, columns, rows, factor[0], factor[1]);
    const mask = areaAverage(foreground(truth, ignored), columns, rows, factor[0], factor[1]);
    result.width = image.width;
    result.height = image.height;
    const bytes = new Uint8Array(image.data.length);
    for (let i = 0; i < bytes.length; i++) {
      bytes[i] = Math.round(Math.min(1, Math.max(0, (image.data[i] - low) / (high - low))) * 255);
    }
    result.em.push(bytes);
    result.labels.push(new Uint8Array(mask.data.map(Math.round)));
    if (known === undefined) continue;
    const share = areaAverage(
      foreground(await known.read(0, slice, { signal }), new Set()),
      columns,
      rows,
      factor[0],
      factor[1],
    );
    sure.push(Uint8Array.from(share.data, (value) => (value > 254.5 ? 255 : 0)));
  }
  return known === undefined ? result : { ...result, known: sure };
}

function pick(slices: Slices, chosen: readonly number[]): Slices {
  const { em, labels, known } = slices;
  return {
    ...slices,
    em: chosen.map((i) => em[i]),
    labels: chosen.map((i) => labels[i]),
    ...(known && { known: chosen.map((i) => known[i]) }),
  };
}

/**
 * Splits slices into training and validation: the last part, or slices drawn by `order` (a permutation). A fraction above
 * 0 holds out one slice at least, and leaves one at least.
 */
export function splitSlices(
  slices: Slices,
  fraction: number,
  order?: readonly number[],
): { train: Slices; validation: Slices } {
  if (!(fraction >= 0 && fraction < 1)) throw new Error(`validation must be in [0, 1), not ${fraction}`);
  const n = slices.em.length;
  const held = fraction > 0 ? Math.min(n - 1, Math.max(1, Math.round(n * fraction))) : 0;
  const indices = order ?? Array.from({ length: n }, (_, i) => i);
  return {
    train: pick(slices, indices.slice(0, n - held)),
    validation: pick(slices, indices.slice(n - held)),
  };
}

/** At most `count` of the slices, evenly spread. */
export function thinSlices(slices: Slices, count: number): Slices {
  const n = slices.em.length;
  if (count >= n) return slices;
  return pick(
    slices,
    Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * n) / count)),
  );
}

/** The middle of each slice, at most `edge` pixels wide and high. */
export function cropSlices(slices: Slices, edge: number): Slices {
  const { width, height } = slices;
  if (width <= edge && height <= edge) return slices;
  const [w, h] = [Math.min(width, edge), Math.min(height, edge)];
  const corner = Math.floor((height - h) / 2) * width + Math.floor((width - w) / 2);
  const crop = (image: Uint8Array) => {
    const out = new Uint8Array(w * h);
    for (let y = 0; y < h; y++) out.set(image.subarray(corner + y * width, corner + y * width + w), y * w);
    return out;
  };
  const { em, labels, known } = slices;
  return {
    width: w,
    height: h,
    em: em.map(crop),
    labels: labels.map(crop),
    ...(known && { known: known.map(crop) }),
  };
}
