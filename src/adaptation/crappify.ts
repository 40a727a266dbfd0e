import type { Random } from "../network/random.js";

/** How an image is worsened, to be restored by the network. */
export interface Corruption {
  /** Standard deviation of the added noise, of the image's largest value. */
  readonly noise: number;
  /** How many times fewer pixels an axis is left with. */
  readonly scale: number;
}

/** The authors' (`factor=4`, in pixels of the plane, and `noise=0.3`). */
export const PAPER_CORRUPTION: Corruption = { noise: 0.3, scale: 2 };

/**
 * Bilinear resizing of a square without antialiasing, pixels being squares (OpenCV's INTER_LINEAR, torch's bilinear with
 * align_corners false): output pixel i looks at (i + 1/2) size/target - 1/2, and the border pixel goes on outside.
 */
export function resizeBilinear(image: Float32Array, size: number, target: number): Float32Array {
  const at = Array.from({ length: target }, (_, i) => {
    const x = Math.max(0, ((i + 0.5) * size) / target - 0.5);
    const low = Math.min(size - 1, Math.floor(x));
    return { low, high: Math.min(size - 1, low + 1), fraction: x - low };
  });
  const out = new Float32Array(target * target);
  for (let y = 0; y < target; y++) {
    const { low: top, high: bottom, fraction: fy } = at[y];
    for (let x = 0; x < target; x++) {
      const { low: left, high: right, fraction: fx } = at[x];
      const along = (row: number) => (1 - fx) * image[row * size + left] + fx * image[row * size + right];
      out[y * target + x] = (1 - fy) * along(top) + fy * along(bottom);
    }
  }
  return out;
}

/**
 * The pretext of the paper's self-supervised strategy: Gaussian noise, clipped to 0..max of the image, then down to fewer pixels
 * and up again, both bilinear.
 * @param image row-major, size x size, 0 or more.
 */
export function crappify(
  image: Float32Array,
  size: number,
  { noise, scale }: Corruption,
  random: Random,
): Float32Array {
  const most = image.reduce((a, b) => Math.max(a, b), 0);
  const noisy = image.map((value) => Math.min(most, Math.max(0, value + noise * most * random.normal())));
  const small = Math.max(1, Math.round(size / scale));
  return resizeBilinear(resizeBilinear(noisy, size, small), small, size);
}
