import type { Random } from "../network/random.js";
import {
  type AugmentationOptions,
  augmentGeometry,
  augmentIntensity,
  reflect,
} from "../training/augmentation.js";
import { type MatchingTemplate, matchPatch } from "./histogram.js";
import type { Images } from "./types.js";

/** The paper's: flips and any rotation, grey values as they are. */
export const PAPER_AUGMENTATION: AugmentationOptions = {
  d4: true,
  rotation: 180,
  jitter: 0,
  noise: 0,
  blur: 0,
};

/** Flips, quarter turns and a little contrast: no interpolation, so that labels stay sharp. */
export const REDUCED_AUGMENTATION: AugmentationOptions = {
  d4: true,
  rotation: 0,
  jitter: 0.1,
  noise: 0,
  blur: 0,
};

/** Histogram matching of single patches, after the geometric augmentation and before the one of intensities. */
export interface PatchMatching {
  readonly template: MatchingTemplate;
  /** Of a patch to be matched; 1: always, 0.5: the authors' on-the-fly matching. */
  readonly probability: number;
}

export interface PatchOptions {
  /** Edge, pixels. */
  readonly size: number;
  readonly augmentation: AugmentationOptions;
  readonly matching?: PatchMatching;
  /** Patches with at least this fraction of black (padding) pixels are drawn anew, up to 20 times. Default: never. */
  readonly blackLimit?: number;
}

/** [N, size, size, 1] of EM (0..1). */
export interface ImageBatch {
  readonly count: number;
  readonly size: number;
  readonly em: Float32Array;
}

const TRIES = 20;

/** The square at (x, y) of an image, 0..1; outside the image it is reflected. */
export function cutImage(
  image: Uint8Array,
  [width, height]: readonly [number, number],
  [x, y]: readonly [number, number],
  size: number,
): Float32Array {
  const em = new Float32Array(size * size);
  for (let j = 0; j < size; j++) {
    const row = reflect(y + j, height) * width;
    for (let i = 0; i < size; i++) em[j * size + i] = image[row + reflect(x + i, width)] / 255;
  }
  return em;
}

/** Upper left corner of a patch that lies within the image, or begins at its corner where the image is smaller. */
const place = (width: number, height: number, size: number, random: Random): [number, number] => [
  random.integer(Math.max(1, width - size + 1)),
  random.integer(Math.max(1, height - size + 1)),
];

function tooBlack(em: Float32Array, limit: number | undefined): boolean {
  if (limit === undefined) return false;
  let black = 0;
  for (const value of em) if (value === 0) black++;
  return black >= limit * em.length;
}

/** For patches already turned: matches one with the probability asked for. */
export const patchMatcher =
  ({ template, probability }: PatchMatching) =>
  (em: Float32Array, random: Random): Float32Array =>
    random.next() < probability ? matchPatch(em, template) : em;

/**
 * Random augmented patches of unlabelled stacks, which may differ in size: a slice is drawn in proportion to its area, so
 * that no part of the target is looked at more than another. Every draw comes from the given generator.
 */
export class UnlabelledPatches {
  private readonly stacks: readonly Images[];
  private readonly total: number;
  private readonly match: ReturnType<typeof patchMatcher> | undefined;

  constructor(
    stacks: readonly Images[],
    private readonly options: PatchOptions,
    private readonly random: Random,
  ) {
    this.stacks = stacks.filter((stack) => stack.em.length > 0);
    this.total = this.stacks.reduce((sum, stack) => sum + area(stack), 0);
    if (this.total === 0) throw new RangeError("there are no images to draw patches from");
    this.match = options.matching && patchMatcher(options.matching);
  }

  sample(count: number): ImageBatch {
    const { options, random } = this;
    const { size, augmentation } = options;
    const em = new Float32Array(count * size * size);
    for (let n = 0; n < count; n++) {
      let patch = this.anywhere();
      for (let i = 1; i < TRIES && tooBlack(patch, options.blackLimit); i++) patch = this.anywhere();
      const [image] = augmentGeometry([patch] as const, size, augmentation, random);
      const matched = this.match ? this.match(image, random) : image;
      em.set(augmentIntensity(matched, size, augmentation, random), n * size * size);
    }
    return { count, size, em };
  }

  private anywhere(): Float32Array {
    const { stacks, random, options } = this;
    let left = random.next() * this.total;
    const index = stacks.findIndex((stack) => {
      left -= area(stack);
      return left < 0;
    });
    const stack = stacks.at(index) as Images;
    const image = stack.em[random.integer(stack.em.length)];
    const corner = place(stack.width, stack.height, options.size, random);
    return cutImage(image, [stack.width, stack.height], corner, options.size);
  }
}

const area = ({ width, height, em }: Images) => width * height * em.length;
