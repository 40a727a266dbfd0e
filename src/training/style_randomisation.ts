import type { Random } from "../network/random.js";
import { blur } from "./augmentation.js";

/** Largest amounts; each patch draws its own below them. Intensities are 0..1. */
export interface StyleOptions {
  /** Times the difference to a Gaussian of 1 pixel that is added back. */
  readonly sharpen: number;
  /** Standard deviation of a Gaussian blur, pixels. */
  readonly blur: number;
  /** Gain 1 +- this, offset +- half of this, gamma 2^(+- twice this). */
  readonly jitter: number;
  /** Amplitude of a smooth random field that is added. */
  readonly field: number;
  /** Amplitude of a smooth random field by which the contrast varies over the patch. */
  readonly contrast: number;
  /** Depth of dark plateaus with soft edges, such as electron-dense cytoplasm makes. */
  readonly plateaus: number;
  /** Standard deviation of Gaussian noise. */
  readonly noise: number;
}

/** Strong enough that grey values, local brightness and sharpness tell a network little: texture and shape remain. */
export const STRONG_STYLE: StyleOptions = {
  sharpen: 2,
  blur: 1.2,
  jitter: 0.25,
  field: 0.25,
  contrast: 0.5,
  plateaus: 0.3,
  noise: 0.08,
};

/** Where a plateau begins, in standard deviations of its field, and how steep its edge is. */
const PLATEAU_LEVEL = 0.7;
const PLATEAU_STEEPNESS = 20;

/**
 * A smooth random field [size * size] of about unit variance: normal values on a grid of `cells` x `cells`, interpolated by
 * smoothstep (value noise, Perlin 1985).
 */
function smoothField(size: number, cells: number, random: Random): Float32Array {
  const nodes = Float32Array.from({ length: (cells + 1) ** 2 }, () => random.normal());
  const at: { cell: number; t: number }[] = [];
  for (let i = 0; i < size; i++) {
    const position = (i / size) * cells;
    const cell = Math.floor(position);
    const u = position - cell;
    at.push({ cell, t: u * u * (3 - 2 * u) });
  }
  const field = new Float32Array(size * size);
  for (let y = 0; y < size; y++) {
    const row = at[y].cell * (cells + 1);
    const ty = at[y].t;
    for (let x = 0; x < size; x++) {
      const { cell, t } = at[x];
      const top = nodes[row + cell] * (1 - t) + nodes[row + cell + 1] * t;
      const bottom = nodes[row + cells + 1 + cell] * (1 - t) + nodes[row + cells + 2 + cell] * t;
      field[y * size + x] = top * (1 - ty) + bottom * ty;
    }
  }
  return field;
}

/**
 * Gives a patch a random look: sharpness, brightness and contrast that vary over it, dark plateaus, gamma and noise. A network
 * trained on such patches cannot rely on what differs between microscopes and stains (domain randomisation, Tobin et al., 2017).
 *
 * @param em [size * size] intensities 0..1, row-major; not changed.
 * @returns intensities 0..1.
 */
export function randomiseStyle(
  em: Float32Array,
  size: number,
  options: StyleOptions,
  random: Random,
): Float32Array {
  const n = size * size;
  let image = Float32Array.from(em);
  if (options.sharpen > 0) {
    const amount = random.uniform(0, options.sharpen);
    const soft = blur(em, size, 1);
    for (let i = 0; i < n; i++) image[i] += amount * (em[i] - soft[i]);
  }
  const sigma = options.blur > 0 ? random.uniform(0, options.blur) : 0;
  if (sigma > 0.3) image = Float32Array.from(blur(image, size, sigma));
  const { jitter } = options;
  const gain = 1 + random.uniform(-jitter, jitter);
  const offset = random.uniform(-jitter, jitter) / 2;
  const field = smoothField(size, 2 + random.integer(10), random);
  const fieldAmount = random.uniform(0, options.field) / 2;
  const plateaus = smoothField(size, 3 + random.integer(7), random);
  const depth = random.uniform(0, options.plateaus);
  const contrast = smoothField(size, 2 + random.integer(10), random);
  const gamma = 2 ** random.uniform(-2 * jitter, 2 * jitter);
  const noise = random.uniform(0, options.noise);
  for (let i = 0; i < n; i++) {
    let value = (image[i] - 0.5) * gain + 0.5 + offset + fieldAmount * field[i];
    value -= depth / (1 + Math.exp(PLATEAU_STEEPNESS * (PLATEAU_LEVEL - plateaus[i])));
    value = (value - 0.5) * (1 + (options.contrast / 2) * contrast[i]) + 0.5;
    value = Math.min(1, Math.max(0, value)) ** gamma;
    image[i] = noise > 0 ? Math.min(1, Math.max(0, value + noise * random.normal())) : value;
  }
  return image;
}
