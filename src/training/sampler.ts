import type { Random } from "../network/random.js";
import { type AugmentationOptions, augment, type Patch, reflect } from "./augmentation.js";
import type { Slices } from "./slices.js";

/** [N, size, size, 1] of EM (0..1) and labels (0..1), ready to become tensors. */
export interface Batch {
  readonly count: number;
  readonly size: number;
  readonly em: Float32Array;
  readonly labels: Float32Array;
}

/** The square at (x, y) of slice `z`; outside the slice it is reflected. */
export function cut(slices: Slices, x: number, y: number, z: number, size: number): Patch {
  const em = new Float32Array(size * size);
  const labels = new Float32Array(size * size);
  for (let j = 0; j < size; j++) {
    const row = reflect(y + j, slices.height) * slices.width;
    for (let i = 0; i < size; i++) {
      const index = row + reflect(x + i, slices.width);
      em[j * size + i] = slices.em[z][index] / 255;
      labels[j * size + i] = slices.labels[z][index] / 255;
    }
  }
  return { size, em, labels };
}

/** `count` random augmented patches; every draw comes from `random`, so its state says where the training is. */
export function sampleBatch(
  slices: Slices,
  count: number,
  size: number,
  augmentation: AugmentationOptions,
  random: Random,
): Batch {
  const em = new Float32Array(count * size * size);
  const labels = new Float32Array(count * size * size);
  for (let n = 0; n < count; n++) {
    const z = random.integer(slices.em.length);
    const x = random.integer(Math.max(1, slices.width - size + 1));
    const y = random.integer(Math.max(1, slices.height - size + 1));
    const patch = augment(cut(slices, x, y, z, size), augmentation, random);
    em.set(patch.em, n * size * size);
    labels.set(patch.labels, n * size * size);
  }
  return { count, size, em, labels };
}
