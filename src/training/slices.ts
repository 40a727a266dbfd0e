import type { Box, VolumeSource } from "../volume/types.js";
import { areaAverage } from "./resample.js";

/** Labelled slices on the model's grid, in memory. */
export interface Slices {
  readonly width: number;
  readonly height: number;
  /** One a slice, row-major: EM 0..255 after the intensity window, rounded to 8 bit. */
  readonly em: readonly Uint8Array[];
  /** Foreground fraction 0..255 of each pixel. */
  readonly labels: readonly Uint8Array[];
}

export interface LoadOptions {
  readonly box: Box;
  /** Area-average factor in plane (training voxel size / data voxel size). */
  readonly factor: readonly [number, number];
  /** Intensities mapped to 0 and 255. */
  readonly window: readonly [number, number];
  /** Label voxels equal to these are background (Kasthuri++ marks "outside the tissue" with 2). */
  readonly ignore?: readonly number[];
  readonly signal?: AbortSignal;
}

/**
 * Reads EM and labels of `box` at scale 0 slice by slice, brings both to the training voxel size by area average. Any
 * label above 0 is foreground (the VNC masks are anti-aliased); pixels that the average makes fractional stay soft.
 */
export async function loadSlices(
  em: VolumeSource,
  labels: VolumeSource,
  options: LoadOptions,
): Promise<Slices> {
  const { box, factor, window, signal } = options;
  const [low, high] = window;
  if (!(high > low)) throw new Error(`the intensity window must rise, not ${low},${high}`);
  const ignored = new Set(options.ignore ?? []);
  const columns = box.upper[0] - box.lower[0];
  const rows = box.upper[1] - box.lower[1];
  const result = { width: 0, height: 0, em: [] as Uint8Array[], labels: [] as Uint8Array[] };
  for (let z = box.lower[2]; z < box.upper[2]; z++) {
    const slice: Box = { lower: [box.lower[0], box.lower[1], z], upper: [box.upper[0], box.upper[1], z + 1] };
    const raw = Float32Array.from((await em.read(0, slice, { signal })) as ArrayLike<number>, Number);
    const mask = Float32Array.from((await labels.read(0, slice, { signal })) as ArrayLike<number>, (value) =>
      Number(value) > 0 && !ignored.has(Number(value)) ? 255 : 0,
    );
    const image = areaAverage(raw, columns, rows, factor[0], factor[1]);
    const truth = areaAverage(mask, columns, rows, factor[0], factor[1]);
    result.width = image.width;
    result.height = image.height;
    result.em.push(
      Uint8Array.from(image.data, (v) =>
        Math.round(Math.min(1, Math.max(0, (v - low) / (high - low))) * 255),
      ),
    );
    result.labels.push(Uint8Array.from(truth.data, Math.round));
  }
  return result;
}

/** Splits slices into training and validation: the last part, or slices drawn by `order` (a permutation). */
export function splitSlices(
  slices: Slices,
  fraction: number,
  order?: readonly number[],
): { train: Slices; validation: Slices } {
  const n = slices.em.length;
  const held = fraction > 0 ? Math.min(n - 1, Math.max(1, Math.round(n * fraction))) : 0;
  const indices = order ?? Array.from({ length: n }, (_, i) => i);
  const pick = (chosen: readonly number[]): Slices => ({
    ...slices,
    em: chosen.map((i) => slices.em[i]),
    labels: chosen.map((i) => slices.labels[i]),
  });
  return { train: pick(indices.slice(0, n - held)), validation: pick(indices.slice(n - held)) };
}
