import { boxSize, boxVolume, contains } from "../volume/box.js";
import type { Box } from "../volume/types.js";
import { addInverse, applySymmetry, SYMMETRIES, symmetricRegion } from "./augment.js";
import type { Region } from "./cropped_network.js";
import { type PredictionPlan, tilePlans } from "./plan.js";
import { resampleImage, type StridedImage } from "./resample.js";
import type { InferenceGeometry, IntensityWindow, PredictionRequest, ReceptiveField } from "./types.js";

/**
 * A network as the tiling sees it: images of one shape (row-major, normalised) to the probabilities of their `wanted` part
 * (row-major, as large as that).
 */
export type Network = (
  images: readonly Float32Array[],
  width: number,
  height: number,
  wanted: Region,
) => Promise<Float32Array[]>;

/** A part of a row-major image of `width` columns. */
export function cropImage(image: Float32Array, width: number, [rows, columns]: Region): Float32Array {
  const length = columns[1] + 1 - columns[0];
  const out = new Float32Array(length * (rows[1] + 1 - rows[0]));
  for (let row = rows[0], at = 0; row <= rows[1]; row++, at += length)
    out.set(image.subarray(row * width + columns[0], row * width + columns[1] + 1), at);
  return out;
}

export interface BoxPrediction {
  /** round(255 p), x fastest over the core. */
  readonly probability: Uint8Array;
  /** Model pixels for which the network answered NaN or infinity; they count as background. */
  readonly nonFinite: number;
}

export interface PredictBoxOptions {
  /** Largest window given to the network, in pixels. */
  readonly maxTilePixels: number;
  /** Slices given to the network at once. */
  readonly batch: number;
  readonly signal?: AbortSignal;
}

/** Linear intensity window in place, clamped to 0..1. */
function normalise(image: Float32Array, [lower, upper]: IntensityWindow): void {
  const scale = 1 / (upper - lower);
  for (let i = 0; i < image.length; i++) {
    const value = (image[i] - lower) * scale;
    image[i] = value > 0 ? Math.min(value, 1) : 0;
  }
}

/** A worker reads its messages (a cancellation, say) at least this often, or after each slice that takes longer: ms. */
const BREATH = 50;
/** Not oftener, since browsers make a timer wait 4 ms. */
const breathe = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

function checkRequest(request: PredictionRequest, plans: readonly PredictionPlan[]): void {
  const { em, gather, window } = request;
  if (em.length !== boxVolume(gather))
    throw new RangeError(`${em.length} EM voxels for a box of ${boxSize(gather).join(" x ")}`);
  for (const plan of plans)
    if (!contains(gather, plan.gather))
      throw new RangeError(
        `the EM given, ${gather.lower.join()} - ${gather.upper.join()}, does not hold ${plan.gather.lower.join()} - ${plan.gather.upper.join()}`,
      );
  if (!(Number.isFinite(window[0]) && Number.isFinite(window[1]) && window[1] > window[0]))
    throw new RangeError(`intensity window ${window.join()} does not rise`);
}

/** One slice of a box as a strided image in its plane axes. */
function sliceOf(
  data: ArrayLike<number>,
  box: Box,
  geometry: InferenceGeometry,
  slice: number,
): StridedImage {
  const size = boxSize(box);
  const strides = [1, size[0], size[0] * size[1]];
  const [columns, rows] = geometry.planeAxes;
  return {
    data,
    offset: (slice - box.lower[geometry.sliceAxis]) * strides[geometry.sliceAxis],
    columnStride: strides[columns],
    rowStride: strides[rows],
  };
}

/**
 * Predicts a box slice by slice with any network. The same core gets the same bytes whatever box it is part of, as long as
 * the network's answer for a pixel depends on nothing beyond `field` and on the pixel's place modulo `field.multiple`.
 * @throws RangeError when request and plan do not fit; AbortError.
 */
export async function predictBox(
  request: PredictionRequest,
  field: ReceptiveField,
  network: Network,
  { maxTilePixels, batch, signal }: PredictBoxOptions,
): Promise<BoxPrediction> {
  const { core, geometry } = request;
  const plans = tilePlans(geometry, field, core, maxTilePixels);
  checkRequest(request, plans);
  const probability = new Uint8Array(boxVolume(core));
  const last = core.upper[geometry.sliceAxis];
  let nonFinite = 0;
  let breathed = performance.now();
  for (let slice = core.lower[geometry.sliceAxis]; slice < last; slice += batch) {
    const slices = Array.from({ length: Math.min(batch, last - slice) }, (_, i) => slice + i);
    for (const plan of plans) {
      if (performance.now() - breathed > BREATH) {
        await breathe();
        breathed = performance.now();
      }
      signal?.throwIfAborted();
      nonFinite += await predictTile(request, plan, slices, network, probability);
    }
  }
  return { probability, nonFinite };
}

async function predictTile(
  { em, gather, core, geometry, window, tta }: PredictionRequest,
  { axes: [columns, rows], core: tile }: PredictionPlan,
  slices: readonly number[],
  network: Network,
  probability: Uint8Array,
): Promise<number> {
  const [columnAxis, rowAxis] = geometry.planeAxes;
  const width = columns.window[1] - columns.window[0];
  const height = rows.window[1] - rows.window[0];
  const { lower } = geometry.bounds;
  const emOrigin = [
    gather.lower[columnAxis] - lower[columnAxis],
    gather.lower[rowAxis] - lower[rowAxis],
  ] as const;
  const images = slices.map((slice) => {
    const image = resampleImage(sliceOf(em, gather, geometry, slice), columns.down, rows.down, emOrigin);
    normalise(image, window);
    return image;
  });
  const views = SYMMETRIES[tta];
  const [left, right] = columns.needed;
  const [top, bottom] = rows.needed;
  const wanted: Region = [
    [top - rows.window[0], bottom - rows.window[0] - 1],
    [left - columns.window[0], right - columns.window[0] - 1],
  ];
  const sums = images.map(() => new Float64Array((right - left) * (bottom - top)));
  for (const view of views) {
    const [w, h] = view.transpose ? [height, width] : [width, height];
    const answers = await network(
      images.map((image) => applySymmetry(image, width, height, view)),
      w,
      h,
      symmetricRegion(wanted, width, height, view),
    );
    answers.forEach((answer, i) => {
      addInverse(sums[i], answer, right - left, bottom - top, view);
    });
  }
  let nonFinite = 0;
  sums.forEach((sum, i) => {
    for (let j = 0; j < sum.length; j++) {
      const mean = sum[j] / views.length;
      if (!Number.isFinite(mean)) nonFinite++;
      sum[j] = Number.isFinite(mean) ? Math.min(Math.max(mean, 0), 1) : 0;
    }
    const answer = { data: sum, offset: 0, columnStride: 1, rowStride: right - left };
    const voxels = resampleImage(answer, columns.up, rows.up, [left, top]);
    const out = sliceOf(probability, core, geometry, slices[i]);
    const start =
      out.offset +
      (tile.lower[columnAxis] - core.lower[columnAxis]) * out.columnStride +
      (tile.lower[rowAxis] - core.lower[rowAxis]) * out.rowStride;
    const tileWidth = columns.up.start.length - 1;
    for (let j = 0; j < voxels.length; j++) {
      const x = j % tileWidth;
      const y = (j - x) / tileWidth;
      probability[start + x * out.columnStride + y * out.rowStride] = Math.round(255 * voxels[j]);
    }
  });
  return nonFinite;
}
