import type { Random } from "../network/random.js";
import { reflect } from "../training/augmentation.js";
import {
  type Affine,
  apply,
  type Corners,
  compose,
  invert,
  rotation,
  scaling,
  throughPoints,
  translation,
} from "./affine.js";

/** One slice, row-major, 0..255. */
interface Plane {
  readonly width: number;
  readonly height: number;
}

/** How one crop is made. */
export interface CropPlan {
  /** From pixels of the crop to pixels of the slice. */
  readonly map: Affine;
  /** EM becomes gain em + offset, cut to 0..1. */
  readonly gain: number;
  readonly offset: number;
  /** Square of odd edge that the EM is correlated with; null: none. */
  readonly blur: Float32Array | null;
}

/** Jitter of the elastic transform's three points, of the edge of the crop: 50 of 512 pixels. */
const ELASTIC = 50 / 512;

/** What the draws of `planCrop` come to, as maps from an image to the one before it, with the size of the newer image. */
interface Warp {
  map: Affine;
  width: number;
  height: number;
}

/** Goes on from the image so far: `map` leads from the new image to it. */
function then(warp: Warp, map: Affine, width = warp.width, height = warp.height): void {
  warp.map = compose(warp.map, map);
  warp.width = width;
  warp.height = height;
}

function turn(warp: Warp, random: Random): void {
  if (random.next() < 0.5) {
    const kind = random.integer(3);
    const [fx, fy] = [kind !== 1, kind !== 0];
    then(warp, [fx ? -1 : 1, 0, fx ? warp.width - 1 : 0, 0, fy ? -1 : 1, fy ? warp.height - 1 : 0]);
  }
  if (random.next() < 0.5) then(warp, [0, 1, 0, 1, 0, 0], warp.height, warp.width);
  if (random.next() < 0.5) {
    const angle = (random.uniform(-90, 90) * Math.PI) / 180;
    then(warp, rotation(angle, (warp.width - 1) / 2, (warp.height - 1) / 2));
  }
}

/** The whole image squeezed into the crop, or a square of half to all of the crop's edge stretched to it. */
function zoom(warp: Warp, size: number, random: Random): void {
  if (random.next() >= 0.2) return;
  if (random.next() < 0.5) {
    then(warp, scaling(warp.width / size, warp.height / size), size, size);
    return;
  }
  const edge = Math.ceil(size / 2) + random.integer(Math.floor(size / 2) + 1);
  const x = random.integer(Math.max(1, warp.width - edge + 1));
  const y = random.integer(Math.max(1, warp.height - edge + 1));
  then(warp, compose(translation(x, y), scaling(edge / size, edge / size)), size, size);
}

/**
 * albumentations' ElasticTransform with its default sigma of 50 and alpha of 1: the smooth displacement is below a hundredth of a
 * pixel, and what is left is an affine map that moves three points about the centre.
 */
function shear(warp: Warp, size: number, random: Random): void {
  const [cx, cy] = [warp.width / 2, warp.height / 2];
  const third = Math.min(warp.width, warp.height) / 3;
  const points: Corners = [
    [cx + third, cy + third],
    [cx + third, cy - third],
    [cx - third, cy - third],
  ];
  const most = ELASTIC * size;
  const moved = points.map(([x, y]) => [x + random.uniform(-most, most), y + random.uniform(-most, most)]);
  then(warp, invert(throughPoints(points, moved as unknown as Corners)));
}

/** A line between two pixels of a square of 3, 5 or 7, as albumentations draws it; sums to 1. */
function motionKernel(random: Random): Float32Array {
  const edge = 3 + 2 * random.integer(3);
  const [x0, x1] = [random.integer(edge), random.integer(edge)];
  const y0 = random.integer(edge);
  // On a vertical line the ends must differ.
  const y1 = x0 === x1 ? (y0 + 1 + random.integer(edge - 1)) % edge : random.integer(edge);
  const length = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0));
  const kernel = new Float32Array(edge * edge);
  for (let i = 0; i <= length; i++) {
    const x = Math.round(x0 + ((x1 - x0) * i) / length);
    const y = Math.round(y0 + ((y1 - y0) * i) / length);
    kernel[y * edge + x] = 1 / (length + 1);
  }
  return kernel;
}

/**
 * Draws a crop with the augmentation of DAMT-Net's code (`dataset/data_aug.py`, albumentations 1.1): a quarter of the crops are changed
 * at all; of those half are flipped, half transposed, half rotated by up to 90 degrees, a tenth squeezed and a tenth enlarged, half
 * changed in gain and offset by up to 0.2, a fifth blurred along a line, and of 30 % three points are moved. Slices narrower
 * than the crop are centred in it.
 *
 * Other than there, the geometric changes are composed into one map and the image interpolated once, and reflection beyond the slice
 * leaves the edge pixel single everywhere.
 *
 * @param probability of a crop to be changed at all; the authors' is 0.25.
 */
export function planCrop(plane: Plane, size: number, random: Random, probability = 0.25): CropPlan {
  const [width, height] = [Math.max(plane.width, size), Math.max(plane.height, size)];
  const margin = translation(
    -Math.floor((width - plane.width) / 2),
    -Math.floor((height - plane.height) / 2),
  );
  const warp: Warp = { map: margin, width, height };
  let [gain, offset] = [1, 0];
  let blur: Float32Array | null = null;
  if (random.next() < probability) {
    turn(warp, random);
    zoom(warp, size, random);
    if (random.next() < 0.5) {
      gain = 1 + random.uniform(-0.2, 0.2);
      offset = random.uniform(-0.2, 0.2);
    }
    if (random.next() < 0.2) blur = motionKernel(random);
    if (random.next() < 0.3) shear(warp, size, random);
  }
  // A transposed or squeezed image is at least as large as the crop again: both its edges were.
  const x = random.integer(warp.width - size + 1);
  const y = random.integer(warp.height - size + 1);
  return { map: compose(warp.map, translation(x, y)), gain, offset, blur };
}

/** The slice under a map from the crop's pixels, bilinear, reflected outside. */
export function sample(image: Uint8Array, plane: Plane, map: Affine, size: number): Float32Array {
  const { width, height } = plane;
  const out = new Float32Array(size * size);
  for (let j = 0; j < size; j++) {
    for (let i = 0; i < size; i++) {
      const [u, v] = apply(map, i, j);
      const [u0, v0] = [Math.floor(u), Math.floor(v)];
      const [fu, fv] = [u - u0, v - v0];
      const [left, right] = [reflect(u0, width), reflect(u0 + 1, width)];
      const [top, bottom] = [reflect(v0, height) * width, reflect(v0 + 1, height) * width];
      out[j * size + i] =
        (1 - fv) * ((1 - fu) * image[top + left] + fu * image[top + right]) +
        fv * ((1 - fu) * image[bottom + left] + fu * image[bottom + right]);
    }
  }
  return out;
}

function correlate(image: Float32Array, size: number, kernel: Float32Array): Float32Array {
  const edge = Math.sqrt(kernel.length);
  const reach = (edge - 1) / 2;
  const taps = [...kernel.keys()].filter((k) => kernel[k] !== 0);
  return image.map((_, i) => {
    const [x, y] = [i % size, Math.floor(i / size)];
    return taps.reduce((sum, k) => {
      const column = reflect(x + (k % edge) - reach, size);
      return sum + kernel[k] * image[reflect(y + Math.floor(k / edge) - reach, size) * size + column];
    }, 0);
  });
}

/**
 * EM of a crop.
 * @param range grey values that become 0 and 1.
 */
export function cropImage(
  image: Uint8Array,
  plane: Plane,
  plan: CropPlan,
  size: number,
  [low, high]: readonly [number, number],
): Float32Array {
  const em = sample(image, plane, plan.map, size).map((value) =>
    Math.min(1, Math.max(0, ((value - low) / (high - low)) * plan.gain + plan.offset)),
  );
  return plan.blur ? correlate(em, size, plan.blur) : em;
}

/** Labels of a crop, 0 or 1: binarised after the interpolation, as there. */
export const cropLabels = (labels: Uint8Array, plane: Plane, plan: CropPlan, size: number): Float32Array =>
  sample(labels, plane, plan.map, size).map((value) => (value >= 127.5 ? 1 : 0));
