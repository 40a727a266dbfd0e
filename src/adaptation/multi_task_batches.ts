import { mix, Random } from "../network/random.js";
import { type AugmentationOptions, augmentGeometry, augmentIntensity } from "../training/augmentation.js";
import { shuffle } from "../training/sampler.js";
import type { Slices } from "../training/slices.js";
import { matchPatch } from "./histogram.js";
import { cutImage, type PatchMatching } from "./patches.js";
import type { Images } from "./types.js";

/** One square of EM (0..1), and its labels (0..1) where there are some. */
export interface CutPatch {
  readonly em: Float32Array;
  readonly labels: Float32Array | null;
  /** Whether it is of the source, whose look may be matched to the target's. */
  readonly source: boolean;
}

/** [N, size, size, 1] of EM, all of one domain; labels only where the domain has them. */
export interface DomainBatch {
  readonly count: number;
  readonly size: number;
  readonly em: Float32Array;
  readonly labels: Float32Array | null;
}

/** Draws in a row that are too black before it is concluded that there is nothing but padding. */
const MOST_MISSES = 2000;

interface Place {
  readonly slice: number;
  readonly x: number;
  readonly y: number;
}

/**
 * Patches at places that were drawn once. The authors of Attention Y-Net draw lists of 1000 patches at the beginning of a
 * step of their method and stay with them: one patch of every slice, round after round, without those of which half or more is
 * black. Here the places are the list: the pixels stay in the slices.
 */
export class PatchSet {
  private constructor(
    private readonly stack: Images | Slices,
    private readonly places: readonly Place[],
    readonly size: number,
    private readonly source: boolean,
  ) {}

  /**
   * @param source whether the slices are of the source.
   * @param blackLimit fraction of black pixels from which a patch is left out.
   * @throws RangeError when there are no slices, or they are black.
   */
  static draw(
    stack: Images | Slices,
    count: number,
    size: number,
    source: boolean,
    random: Random,
    blackLimit = 0.5,
  ): PatchSet {
    const { width, height, em } = stack;
    if (em.length === 0) throw new RangeError("there are no slices to draw patches from");
    const places: Place[] = [];
    let misses = 0;
    for (let slice = 0; places.length < count; slice = (slice + 1) % em.length) {
      const x = random.integer(Math.max(1, width - size + 1));
      const y = random.integer(Math.max(1, height - size + 1));
      const patch = cutImage(em[slice], [width, height], [x, y], size);
      const black = patch.reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0);
      if (black < blackLimit * patch.length) {
        places.push({ slice, x, y });
        misses = 0;
      } else if (++misses >= MOST_MISSES)
        throw new RangeError(`patches of ${size} pixels are at least ${100 * blackLimit} % black everywhere`);
    }
    return new PatchSet(stack, places, size, source);
  }

  get count(): number {
    return this.places.length;
  }

  /** The first `count` patches, and the others. */
  split(count: number): [PatchSet, PatchSet] {
    const part = (places: readonly Place[]) => new PatchSet(this.stack, places, this.size, this.source);
    return [part(this.places.slice(0, count)), part(this.places.slice(count))];
  }

  cut(index: number): CutPatch {
    const { stack, size, source } = this;
    const { slice, x, y } = this.places[index];
    const square = (images: readonly Uint8Array[]) =>
      cutImage(images[slice], [stack.width, stack.height], [x, y], size);
    return { em: square(stack.em), labels: "labels" in stack ? square(stack.labels) : null, source };
  }
}

/** Several sets one after the other, gone through again and again, each in a new order every time. */
export class PatchStream {
  private readonly total: number;
  private orders: { readonly pass: number; readonly of: readonly Uint32Array[] } | null = null;

  constructor(
    private readonly sets: readonly PatchSet[],
    private readonly seed: number,
  ) {
    this.total = sets.reduce((sum, set) => sum + set.count, 0);
    if (this.total === 0) throw new RangeError("a stream of patches needs some");
  }

  /** The patch at `position` of the endless stream: the same whenever it is asked for. */
  at(position: number): CutPatch {
    const pass = Math.floor(position / this.total);
    if (this.orders?.pass !== pass) {
      const order = (set: PatchSet, i: number) =>
        shuffle(set.count, new Random(mix(mix(this.seed, pass), i)));
      this.orders = { pass, of: this.sets.map(order) };
    }
    let rest = position % this.total;
    const index = this.sets.findIndex((set) => {
      if (rest < set.count) return true;
      rest -= set.count;
      return false;
    });
    return this.sets[index].cut(this.orders.of[index][rest]);
  }
}

/** Which domain a step is of, and how many steps were of that domain before. */
export interface Turn {
  readonly labelled: boolean;
  readonly index: number;
}

/**
 * Whose turn it is. The authors flip a coin between labelled and unlabelled batches until one kind is used up, then take the
 * rest of the other kind, and begin anew. Each such cycle is drawn from (seed, cycle) alone, so that a resumed training
 * finds its place by the number of the step.
 */
export class CoinFlips {
  private cycle: { readonly number: number; readonly turns: readonly Turn[] } | null = null;

  /** @param labelled, unlabelled batches of each kind in a cycle. */
  constructor(
    private readonly labelled: number,
    private readonly unlabelled: number,
    private readonly seed: number,
  ) {
    if (!(labelled + unlabelled > 0)) throw new RangeError("a cycle needs batches");
  }

  at(step: number): Turn {
    const length = this.labelled + this.unlabelled;
    const number = Math.floor(step / length);
    if (this.cycle?.number !== number) this.cycle = { number, turns: this.draw(number) };
    return this.cycle.turns[step % length];
  }

  private draw(cycle: number): Turn[] {
    const random = new Random(mix(this.seed, cycle));
    const used = { labelled: 0, unlabelled: 0 };
    return Array.from({ length: this.labelled + this.unlabelled }, () => {
      const both = used.labelled < this.labelled && used.unlabelled < this.unlabelled;
      const labelled = both ? random.next() < 0.5 : used.labelled < this.labelled;
      const kind = labelled ? "labelled" : "unlabelled";
      return { labelled, index: cycle * this[kind] + used[kind]++ };
    });
  }
}

/**
 * Augments patches of one domain and puts them together. Geometry is the same for EM and labels, which stay soft where it
 * interpolates; matching (of source patches) comes between geometry and intensities.
 */
export function assemble(
  patches: readonly CutPatch[],
  size: number,
  augmentation: AugmentationOptions,
  matching: PatchMatching | undefined,
  random: Random,
): DomainBatch {
  const count = patches.length;
  const em = new Float32Array(count * size * size);
  const labels = patches[0].labels ? new Float32Array(em.length) : null;
  patches.forEach((patch, n) => {
    const images = patch.labels ? [patch.em, patch.labels] : [patch.em];
    const [image, truth] = augmentGeometry(images, size, augmentation, random);
    const match = matching && patch.source && random.next() < matching.probability;
    const matched = match ? matchPatch(image, matching.template) : image;
    em.set(augmentIntensity(matched, size, augmentation, random), n * size * size);
    labels?.set(truth, n * size * size);
  });
  return { count, size, em, labels };
}
