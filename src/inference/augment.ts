import type { Interval } from "../network/receptive_field.js";
import type { Region } from "./cropped_network.js";
import type { TestTimeAugmentation } from "./types.js";

/** One symmetry of the square: optional transposition, then optional mirroring of columns and rows. */
export interface Symmetry {
  readonly transpose: boolean;
  readonly flipX: boolean;
  readonly flipY: boolean;
}

const IDENTITY: Symmetry = { transpose: false, flipX: false, flipY: false };
const FLIPS: readonly Symmetry[] = [
  IDENTITY,
  { transpose: false, flipX: true, flipY: false },
  { transpose: false, flipX: false, flipY: true },
  { transpose: false, flipX: true, flipY: true },
];

/**
 * The views that are predicted and averaged: "flip" mirrors columns and rows (4), "d4" adds the quarter turns (8, as the
 * paper's baseline does at test time).
 */
export const SYMMETRIES: Record<TestTimeAugmentation, readonly Symmetry[]> = {
  none: [IDENTITY],
  flip: FLIPS,
  d4: [...FLIPS, ...FLIPS.map((flip) => ({ ...flip, transpose: true }))],
};

/** Index step through a row-major image that visits it as `symmetry` shows it. */
function walk(
  { transpose, flipX, flipY }: Symmetry,
  width: number,
  height: number,
): { offset: number; dx: number; dy: number } {
  const offset = (flipX ? width - 1 : 0) + (flipY ? height - 1 : 0) * width;
  const alongX = flipX ? -1 : 1;
  const alongY = flipY ? -width : width;
  return transpose ? { offset, dx: alongY, dy: alongX } : { offset, dx: alongX, dy: alongY };
}

/**
 * The image as the network sees it under a symmetry.
 * @param image Row-major, `width` x `height`.
 * @returns Row-major; `height` x `width` when transposed.
 */
export function applySymmetry(
  image: Float32Array,
  width: number,
  height: number,
  symmetry: Symmetry,
): Float32Array {
  const { offset, dx, dy } = walk(symmetry, width, height);
  const [w, h] = symmetry.transpose ? [height, width] : [width, height];
  const out = new Float32Array(image.length);
  for (let y = 0, i = 0; y < h; y++)
    for (let x = 0, j = offset + y * dy; x < w; x++, i++, j += dx) out[i] = image[j];
  return out;
}

/** Where a part of a `width` x `height` image lies in the view of a symmetry. */
export function symmetricRegion(
  [rows, columns]: Region,
  width: number,
  height: number,
  { transpose, flipX, flipY }: Symmetry,
): Region {
  const mirrored = ([first, last]: Interval, size: number, flip: boolean): Interval =>
    flip ? [size - 1 - last, size - 1 - first] : [first, last];
  const y = mirrored(rows, height, flipY);
  const x = mirrored(columns, width, flipX);
  return transpose ? [x, y] : [y, x];
}

/** Adds what the network answered under a symmetry back in the original orientation: `sum` is `width` x `height`. */
export function addInverse(
  sum: Float64Array,
  answer: Float32Array,
  width: number,
  height: number,
  symmetry: Symmetry,
): void {
  const { offset, dx, dy } = walk(symmetry, width, height);
  const [w, h] = symmetry.transpose ? [height, width] : [width, height];
  for (let y = 0, i = 0; y < h; y++)
    for (let x = 0, j = offset + y * dy; x < w; x++, i++, j += dx) sum[j] += answer[i];
}
