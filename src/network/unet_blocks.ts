import { tf } from "../kernels/tf.js";
import { ClassDifference } from "./class_difference.js";
import { SeededDropout } from "./dropout.js";

export type Node = tf.SymbolicTensor;

export interface BlockOptions {
  /** Feature maps of each level, the last being the bottleneck. */
  readonly filters: readonly number[];
  readonly normalisation: "none" | "batch";
  readonly dropout: "element" | "spatial" | "none";
  /** One rate a level. */
  readonly dropoutRates: readonly number[];
  readonly seed: number;
}

export interface BlockVariant {
  readonly activation?: "elu" | "relu";
  /** A bias that the normalisation takes away again: some authors keep it. */
  readonly biasBeforeNormalisation?: boolean;
}

/** Encoder output: the bottleneck, and what each level hands over to the decoder. */
export interface Encoded {
  readonly bottom: Node;
  readonly skips: readonly Node[];
}

/**
 * The parts of the U-Nets here, named and numbered as they are made: a network's initial weights and dropout masks follow from
 * its seed and the order in which its parts are asked for.
 */
export class UNetBlocks {
  // Counted apart, so that a network with other dropout starts from the same weights.
  private kernels = 0;
  private dropouts = 0;
  private readonly activation: "elu" | "relu";
  private readonly bias: boolean;
  readonly deepest: number;

  /** @throws Error when the options do not make a network. */
  constructor(
    readonly options: BlockOptions,
    { activation = "elu", biasBeforeNormalisation = false }: BlockVariant = {},
  ) {
    this.activation = activation;
    this.bias = options.normalisation === "none" || biasBeforeNormalisation;
    const { filters, dropoutRates } = options;
    if (filters.length < 2 || filters.some((f) => !Number.isInteger(f) || f < 1))
      throw new Error(`filters must be two or more positive integers, not ${filters.join(",")}`);
    if (dropoutRates.length !== filters.length)
      throw new Error(`${filters.length} levels need as many dropout rates, not ${dropoutRates.length}`);
    this.deepest = filters.length - 1;
  }

  private seed(): number {
    return this.options.seed * 1000 + this.kernels++;
  }

  convolution(x: Node, filters: number, kernelSize: number, name: string, useBias = this.bias): Node {
    const seed = this.seed();
    return tf.layers
      .conv2d({
        name,
        filters,
        kernelSize,
        padding: "same",
        useBias,
        kernelInitializer:
          kernelSize === 3 ? tf.initializers.heNormal({ seed }) : tf.initializers.glorotUniform({ seed }),
      })
      .apply(x) as Node;
  }

  normalise(x: Node, name: string): Node {
    if (this.options.normalisation === "none") return x;
    return tf.layers.batchNormalization({ name, momentum: 0.9, epsilon: 1e-5 }).apply(x) as Node;
  }

  activate(x: Node, activation: "elu" | "relu" | "sigmoid", name: string): Node {
    return tf.layers.activation({ name, activation }).apply(x) as Node;
  }

  private drop(x: Node, rate: number, name: string): Node {
    const kind = this.options.dropout;
    if (kind === "none" || rate === 0) return x;
    return new SeededDropout({ name, rate, kind, salt: this.dropouts++ }).apply(x) as Node;
  }

  /** Convolution, activation, dropout, convolution, activation. */
  double(input: Node, level: number, name: string): Node {
    const filters = this.options.filters[level];
    let x = this.convolution(input, filters, 3, `${name}_conv1`);
    x = this.activate(this.normalise(x, `${name}_norm1`), this.activation, `${name}_${this.activation}1`);
    x = this.drop(x, this.options.dropoutRates[level], `${name}_dropout`);
    x = this.convolution(x, filters, 3, `${name}_conv2`);
    return this.activate(this.normalise(x, `${name}_norm2`), this.activation, `${name}_${this.activation}2`);
  }

  /** Layers down0.. and bottom. */
  encode(input: Node): Encoded {
    const skips: Node[] = [];
    let x = input;
    for (let level = 0; level < this.deepest; level++) {
      x = this.double(x, level, `down${level}`);
      skips.push(x);
      const pool = tf.layers.maxPooling2d({ name: `down${level}_pool`, poolSize: 2, strides: 2 });
      x = pool.apply(x) as Node;
    }
    return { bottom: this.double(x, this.deepest, "bottom"), skips };
  }

  upsample(x: Node, level: number, name: string): Node {
    return tf.layers
      .conv2dTranspose({
        name: `${name}_upsample`,
        filters: this.options.filters[level],
        kernelSize: 2,
        strides: 2,
        padding: "same",
        kernelInitializer: tf.initializers.glorotUniform({ seed: this.seed() }),
      })
      .apply(x) as Node;
  }

  concatenate(parts: Node[], name: string): Node {
    return tf.layers.concatenate({ name, axis: 3 }).apply(parts) as Node;
  }

  /** The autoencoder's way up, from the bottleneck without skips: layers `${name}3`.. to `${name}0`. */
  reconstruct(bottom: Node, name: string): Node {
    let x = bottom;
    for (let level = this.deepest - 1; level >= 0; level--)
      x = this.double(this.upsample(x, level, `${name}${level}`), level, `${name}${level}`);
    return x;
  }
}

/** Layer "probability": of the second of two classes, from their logits [N, H, W, 2]. */
export function foreground(logits: Node): Node {
  const difference = new ClassDifference({ name: "difference" }).apply(logits) as Node;
  return tf.layers.activation({ name: "probability", activation: "sigmoid" }).apply(difference) as Node;
}

/** An input of images [N, H, W, channels] of any size. */
export function imageInput(name = "em", channels = 1): Node {
  return tf.input({ shape: [null, null, channels], name });
}
