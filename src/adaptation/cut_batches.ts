import { mix, Random } from "../network/random.js";
import { shuffle } from "../training/sampler.js";
import { cutImage } from "./patches.js";
import type { Images } from "./types.js";

/** Unpaired crops, scaled to -1..1: [count, size, size] each, row-major. */
export interface UnpairedBatch {
  readonly count: number;
  readonly size: number;
  readonly target: Float32Array;
  readonly source: Float32Array;
}

interface Slice {
  readonly extent: readonly [width: number, height: number];
  readonly em: Uint8Array;
}

const slicesOf = (stacks: readonly Images[]): Slice[] =>
  stacks.flatMap(({ width, height, em }) => em.map((data) => ({ extent: [width, height], em: data })));

/**
 * Draws pairs of crops as the CUT repository does: the slices of the target in a new order each epoch, those of the source
 * at random; each crop anywhere in its slice and flipped left to right half of the time, both independently. An epoch is
 * as many pairs as the larger side has slices. Slices smaller than a crop are reflected.
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
      throw new RangeError("style transfer needs slices of the source and of the target");
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

  private crop({ extent, em }: Slice): Float32Array {
    const { size, random } = this;
    const [left, top] = extent.map((edge) => random.integer(Math.max(1, edge - size + 1)));
    const crop = cutImage(em, extent, [left, top], size).map((value) => 2 * value - 1);
    if (random.next() < 0.5) for (let y = 0; y < size; y++) crop.subarray(y * size, (y + 1) * size).reverse();
    return crop;
  }
}
