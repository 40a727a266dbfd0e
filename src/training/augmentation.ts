import type { Random } from "../network/random.js";

export interface AugmentationOptions {
  /** Flips and quarter turns, each of the eight equally likely. */
  readonly d4: boolean;
  /** Rotation by a random angle up to this many degrees, bilinear, reflected at the border; 180 is the paper's. */
  readonly rotation: number;
  /** Gain 1 +- this, offset +- this (of the full range), gamma 2^(+- this): 0 switches it off. */
  readonly jitter: number;
  /** Largest standard deviation of added Gaussian noise, of the full range. */
  readonly noise: number;
  /** Largest standard deviation (pixels) of a Gaussian blur. */
  readonly blur: number;
}

/** A square of EM (0..1) and labels (0..1), row-major. */
export interface Patch {
  readonly size: number;
  readonly em: Float32Array;
  readonly labels: Float32Array;
  /** 1 where the label is known, else 0; known everywhere when left out. */
  readonly weights?: Float32Array;
}

/** Index into 0..n-1 of position `i` anywhere, reflected without repeating the edge (numpy's "reflect"). */
export function reflect(i: number, n: number): number {
  if (n === 1) return 0;
  const period = 2 * (n - 1);
  const j = ((i % period) + period) % period;
  return j < n ? j : period - j;
}

/** One of the eight symmetries of the square: bit 0 transposes, bit 1 flips columns, bit 2 flips rows. */
export function symmetry(image: Float32Array, size: number, code: number): Float32Array {
  const out = new Float32Array(image.length);
  for (let y = 0; y < size; y++) {
    const v = code & 4 ? size - 1 - y : y;
    for (let x = 0; x < size; x++) {
      const u = code & 2 ? size - 1 - x : x;
      out[y * size + x] = image[code & 1 ? u * size + v : v * size + u];
    }
  }
  return out;
}

/** Rotates about the centre by `angle` radians, bilinear, with reflection outside. Labels so rotated become soft. */
export function rotate(image: Float32Array, size: number, angle: number): Float32Array {
  const out = new Float32Array(image.length);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const c = (size - 1) / 2;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const u = cos * (x - c) - sin * (y - c) + c;
      const v = sin * (x - c) + cos * (y - c) + c;
      const u0 = Math.floor(u);
      const v0 = Math.floor(v);
      const fu = u - u0;
      const fv = v - v0;
      const left = reflect(u0, size);
      const right = reflect(u0 + 1, size);
      const top = reflect(v0, size) * size;
      const bottom = reflect(v0 + 1, size) * size;
      out[y * size + x] =
        (1 - fv) * ((1 - fu) * image[top + left] + fu * image[top + right]) +
        fv * ((1 - fu) * image[bottom + left] + fu * image[bottom + right]);
    }
  }
  return out;
}

/** Separable Gaussian of standard deviation `sigma` pixels, cut at 3 sigma, reflected at the border. */
export function blur(image: Float32Array, size: number, sigma: number): Float32Array {
  const radius = Math.ceil(3 * sigma);
  const kernel = Float32Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)),
  );
  const total = kernel.reduce((a, b) => a + b, 0);
  const pass = (source: Float32Array, along: 1 | 0) => {
    const out = new Float32Array(source.length);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        let sum = 0;
        for (let k = -radius; k <= radius; k++) {
          const index = along ? y * size + reflect(x + k, size) : reflect(y + k, size) * size + x;
          sum += kernel[k + radius] * source[index];
        }
        out[y * size + x] = sum / total;
      }
    }
    return out;
  };
  return pass(pass(image, 1), 0);
}

/** Draws a symmetry and a rotation, as `options` say, and applies them to each of the images alike. */
export function augmentGeometry<T extends readonly Float32Array[]>(
  images: T,
  size: number,
  options: AugmentationOptions,
  random: Random,
): { [K in keyof T]: Float32Array } {
  let changed: readonly Float32Array[] = images;
  if (options.d4) {
    const code = random.integer(8);
    changed = changed.map((image) => symmetry(image, size, code));
  }
  if (options.rotation > 0) {
    const angle = (random.uniform(-options.rotation, options.rotation) * Math.PI) / 180;
    changed = changed.map((image) => rotate(image, size, angle));
  }
  return changed as { [K in keyof T]: Float32Array };
}

/** Draws blur, gain, offset, gamma and noise, as `options` say, and applies them. */
export function augmentIntensity(
  image: Float32Array,
  size: number,
  options: AugmentationOptions,
  random: Random,
): Float32Array {
  let em = image;
  if (options.blur > 0) {
    const sigma = random.uniform(0, options.blur);
    if (sigma > 0.2) em = blur(em, size, sigma);
  }
  const { jitter, noise } = options;
  if (jitter > 0 || noise > 0) {
    const gain = 1 + random.uniform(-jitter, jitter);
    const offset = random.uniform(-jitter, jitter);
    const gamma = 2 ** random.uniform(-jitter, jitter);
    const sigma = random.uniform(0, noise);
    em = em.map((value) => {
      const changed =
        jitter > 0 ? Math.min(1, Math.max(0, (value - 0.5) * gain + 0.5 + offset)) ** gamma : value;
      return noise > 0 ? Math.min(1, Math.max(0, changed + sigma * random.normal())) : changed;
    });
  }
  return em;
}

/** A new patch, changed as `options` say; geometry for both images, intensities of the EM only. */
export function augment(patch: Patch, options: AugmentationOptions, random: Random): Patch {
  const { size } = patch;
  const [em, labels] = augmentGeometry([patch.em, patch.labels] as const, size, options, random);
  return { size, em: augmentIntensity(em, size, options, random), labels };
}
