import { mix, Random } from "../network/random.js";
import { reflect } from "../training/augmentation.js";
import { shuffle } from "../training/sampler.js";
import type { Images } from "./types.js";

/** Unpaired crops, scaled to -1..1: [count, size, size] each, row-major. */
export interface UnpairedBatch {
  readonly count: number;
  readonly size: number;
  readonly target: Float32Array;
  readonly source: Float32Array;
}

interface Slice {
  readonly width: number;
  readonly height: number;
  readonly em: Uint8Array;
}

const slicesOf = (stacks: readonly Images[]): Slice[] =>
  stacks.flatMap(({ width, height, em }) => em.map((data) => ({ width, height, em: data })));

/**
 * Draws pairs of crops as the CUT repository does: the slices of the one side in a new order each epoch, of the other at
 * random; each crop anywhere in its slice and flipped left to right half of the time, both independently. An epoch is as
 * many pairs as the larger side has slices. Slices smaller than a crop are reflected.
 */
export class UnpairedSampler {
  private readonly target: readonly Slice[];
  private readonly source: readonly Slice[];
  private order: { epoch: number; slices: Uint32Array } | null = null;

  constructor(
    target: readonly Images[],
    source: readonly Images[],
    private readonly size: number,
    /** Of the order of the slices. */
    private readonly seed: number,
    private readonly random: Random,
  ) {
    this.target = slicesOf(target);
    this.source = slicesOf(source);
    if (this.target.length === 0 || this.source.length === 0)
      throw new Error("style transfer needs slices of the source and of the target");
  }

  /** The next `count` pairs. @param first how many pairs were drawn before, in all. */
  sample(count: number, first: number): UnpairedBatch {
    const pixels = this.size * this.size;
    const target = new Float32Array(count * pixels);
    const source = new Float32Array(count * pixels);
    for (let i = 0; i < count; i++) {
      const to = this.target[this.next(first + i) % this.target.length];
      const from = this.source[this.random.integer(this.source.length)];
      target.set(this.crop(to), i * pixels);
      source.set(this.crop(from), i * pixels);
    }
    return { count, size: this.size, target, source };
  }

  /** The index of a pair within its epoch's order. */
  private next(pair: number): number {
    const length = Math.max(this.target.length, this.source.length);
    const epoch = Math.floor(pair / length);
    if (this.order?.epoch !== epoch) {
      // From seed and epoch alone, so that a resumed training finds the order it left.
      this.order = { epoch, slices: shuffle(length, new Random(mix(this.seed, epoch))) };
    }
    return this.order.slices[pair % length];
  }

  private crop({ width, height, em }: Slice): Float32Array {
    const { size, random } = this;
    const left = random.integer(Math.max(1, width - size + 1));
    const top = random.integer(Math.max(1, height - size + 1));
    const flip = random.next() < 0.5;
    const out = new Float32Array(size * size);
    for (let y = 0; y < size; y++) {
      const row = reflect(top + y, height) * width;
      for (let x = 0; x < size; x++) {
        const value = em[row + reflect(left + (flip ? size - 1 - x : x), width)];
        out[y * size + x] = value / 127.5 - 1;
      }
    }
    return out;
  }
}
