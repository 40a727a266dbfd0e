import { tf } from "../kernels/tf.js";
import { mix, Random } from "../network/random.js";
import type { Slices } from "../training/slices.js";
import { cropImage, cropLabels, planCrop } from "./damt_crops.js";
import { UnlabelledPatches } from "./patches.js";
import type { Images } from "./types.js";

/** Grey values that become 0 and 1. */
export type GreyRange = readonly [low: number, high: number];

export const FULL_RANGE: GreyRange = [0, 255];

/** Least and largest grey value of some images. @throws RangeError when all pixels are alike. */
export function greyRange(images: Iterable<Uint8Array>): GreyRange {
  let [low, high] = [255, 0];
  for (const image of images) {
    for (const value of image) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (!(high > low)) throw new RangeError("the images are all of one grey value");
  return [low, high];
}

/** Crops of both domains, [count, size, size, 1] each; labels 0 or 1. */
export interface DamtBatch {
  readonly source: Float32Array;
  readonly labels: Float32Array;
  readonly target: Float32Array;
}

/** Draws crops: each of any slice, augmented as `planCrop` says. Every draw comes from the given generator. */
export class DamtCrops {
  private readonly targets: readonly (Images & { readonly slice: number })[];

  constructor(
    private readonly source: Slices,
    target: readonly Images[],
    private readonly ranges: { readonly source: GreyRange; readonly target: GreyRange },
    private readonly size: number,
    private readonly augmented: number,
    private readonly random: Random,
  ) {
    this.targets = target.flatMap((stack) => stack.em.map((_, slice) => ({ ...stack, slice })));
  }

  /** @param count crops of each domain. */
  sample(count: number): DamtBatch {
    const { source, targets, ranges, size, augmented, random } = this;
    const pixels = size * size;
    const batch = {
      source: new Float32Array(count * pixels),
      labels: new Float32Array(count * pixels),
      target: new Float32Array(count * pixels),
    };
    for (let n = 0; n < count; n++) {
      const z = random.integer(source.em.length);
      const plan = planCrop(source, size, random, augmented);
      batch.source.set(cropImage(source.em[z], source, plan, size, ranges.source), n * pixels);
      batch.labels.set(cropLabels(source.labels[z], source, plan, size), n * pixels);
      const stack = targets[random.integer(targets.length)];
      const other = planCrop(stack, size, random, augmented);
      batch.target.set(cropImage(stack.em[stack.slice], stack, other, size, ranges.target), n * pixels);
    }
    return batch;
  }
}

/**
 * Patches of the target to freeze normalisation on: the same ones for all snapshots of a run.
 * @returns [1, size, size, 1] each, between 0 and 1 for the grey range; the caller disposes them.
 */
export function frozenPatches(
  target: readonly Images[],
  [low, high]: GreyRange,
  size: number,
  count: number,
  seed: number,
): tf.Tensor4D[] {
  const augmentation = { d4: false, rotation: 0, jitter: 0, noise: 0, blur: 0 };
  const patches = new UnlabelledPatches(
    target,
    { size, augmentation, blackLimit: 0.5 },
    new Random(mix(seed, 101)),
  );
  return Array.from({ length: count }, () => {
    const { em } = patches.sample(1);
    return tf.tensor4d(
      em.map((value) => (255 * value - low) / (high - low)),
      [1, size, size, 1],
    );
  });
}
