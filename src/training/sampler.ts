import { mix, Random } from "../network/random.js";
import {
  type AugmentationOptions,
  augmentGeometry,
  augmentIntensity,
  type Patch,
  reflect,
} from "./augmentation.js";
import type { Slices } from "./slices.js";

/** [N, size, size, 1] of EM (0..1) and labels (0..1), ready to become tensors. */
export interface Batch {
  readonly count: number;
  readonly size: number;
  readonly em: Float32Array;
  readonly labels: Float32Array;
  /** 1 where the label counts, 0 where it does not; all count when left out. */
  readonly weights?: Float32Array;
}

/** The square at (x, y) of slice `z`; outside the slice it is reflected. */
export function cut(slices: Slices, x: number, y: number, z: number, size: number): Patch {
  const em = new Float32Array(size * size);
  const labels = new Float32Array(size * size);
  const known = slices.known?.[z];
  const weights = known && new Float32Array(size * size);
  for (let j = 0; j < size; j++) {
    const row = reflect(y + j, slices.height) * slices.width;
    for (let i = 0; i < size; i++) {
      const index = row + reflect(x + i, slices.width);
      em[j * size + i] = slices.em[z][index] / 255;
      labels[j * size + i] = slices.labels[z][index] / 255;
      if (weights && known) weights[j * size + i] = known[index] > 0 ? 1 : 0;
    }
  }
  return { size, em, labels, ...(weights && { weights }) };
}

/** Where patches come from: anywhere, or the non-overlapping cells of each slice, in a new order each epoch. */
export type Crops = "random" | "grid";

/** A patch with a smaller share of known pixels is drawn again, at most so often. */
const LEAST_KNOWN = 0.1;
const TRIES = 20;

/** Upper left corner of a patch. */
type Place = readonly [x: number, y: number, z: number];

/** Draws augmented patches from slices. Every draw comes from `random`, so its state says where the training is. */
export class PatchSampler {
  /** Order of the grid's cells in `epoch`. */
  private order: { epoch: number; cells: Uint32Array } | null = null;

  constructor(
    private readonly slices: Slices,
    private readonly size: number,
    private readonly augmentation: AugmentationOptions,
    private readonly crops: Crops,
    /** Of the order of the grid's cells. */
    private readonly seed: number,
    private readonly random: Random,
    /** What is done to the EM of a patch after it was turned and before its intensities are augmented. */
    private readonly change: (em: Float32Array, random: Random) => Float32Array = (em) => em,
  ) {}

  /** The next `count` patches. @param first how many patches were drawn before, in all. */
  sample(count: number, first: number): Batch {
    const { size, augmentation, random } = this;
    const em = new Float32Array(count * size * size);
    const labels = new Float32Array(count * size * size);
    const weights = this.slices.known && new Float32Array(count * size * size);
    for (let n = 0; n < count; n++) {
      const patch = this.crops === "grid" ? this.cutAt(this.cell(first + n)) : this.cutAnywhere();
      const images = patch.weights ? [patch.em, patch.labels, patch.weights] : [patch.em, patch.labels];
      const [image, truth, sure] = augmentGeometry(images, size, augmentation, random);
      const changed = this.change(image, random);
      em.set(augmentIntensity(changed, size, augmentation, random), n * size * size);
      labels.set(truth, n * size * size);
      // A rotation mixes known pixels with others: those do not count.
      weights?.set(
        sure.map((value) => (value > 0.999 ? 1 : 0)),
        n * size * size,
      );
    }
    return { count, size, em, labels, ...(weights && { weights }) };
  }

  private cutAt([x, y, z]: Place): Patch {
    return cut(this.slices, x, y, z, this.size);
  }

  /** A patch from anywhere; where little is known, one of a few that has something to learn from. */
  private cutAnywhere(): Patch {
    let best = this.cutAt(this.anywhere());
    let most = knownShare(best);
    for (let tries = 1; most < LEAST_KNOWN && tries < TRIES; ++tries) {
      const patch = this.cutAt(this.anywhere());
      if (knownShare(patch) <= most) continue;
      best = patch;
      most = knownShare(patch);
    }
    return best;
  }

  private anywhere(): Place {
    const { slices, size, random } = this;
    const z = random.integer(slices.em.length);
    const x = random.integer(Math.max(1, slices.width - size + 1));
    return [x, random.integer(Math.max(1, slices.height - size + 1)), z];
  }

  private cell(index: number): Place {
    const { slices, size } = this;
    const columns = Math.max(1, Math.floor(slices.width / size));
    const rows = Math.max(1, Math.floor(slices.height / size));
    const total = columns * rows * slices.em.length;
    const epoch = Math.floor(index / total);
    if (this.order?.epoch !== epoch) {
      // From seed and epoch alone, so that a resumed training finds the order it left.
      this.order = { epoch, cells: shuffle(total, new Random(mix(this.seed, epoch))) };
    }
    const cell = this.order.cells[index % total];
    const inSlice = cell % (columns * rows);
    return [
      (inSlice % columns) * size,
      Math.floor(inSlice / columns) * size,
      Math.floor(cell / (columns * rows)),
    ];
  }
}

function knownShare({ weights }: Patch): number {
  return weights === undefined ? 1 : weights.reduce((sum, value) => sum + value, 0) / weights.length;
}

/** 0..n-1 in a random order (Fisher and Yates). */
export function shuffle(n: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
