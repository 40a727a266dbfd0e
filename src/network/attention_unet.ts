import { tf } from "../kernels/tf.js";
import { SeededDropout } from "./dropout.js";

export interface AttentionUNetOptions {
  /** Feature maps of each level, the last being the bottleneck. */
  readonly filters: readonly number[];
  /** "none" is the paper's network; "batch" puts batch normalisation after each convolution but the last. */
  readonly normalisation: "none" | "batch";
  /**
   * "paper" gates the up-sampled decoder feature, as the authors' code does (and concatenates it with the ungated one);
   * "textbook" gates the skip (Oktay et al., 2018).
   */
  readonly gate: "paper" | "textbook";
  readonly dropout: "element" | "spatial" | "none";
  /** One rate a level. */
  readonly dropoutRates: readonly number[];
  /** Of the initial weights. */
  readonly seed: number;
}

/** The baseline network of Franco-Barranco et al. (2022), by the authors' code: 1,985,061 parameters. */
export const PAPER_NETWORK: AttentionUNetOptions = {
  filters: [16, 32, 64, 128, 256],
  normalisation: "none",
  gate: "paper",
  dropout: "element",
  dropoutRates: [0.1, 0.1, 0.2, 0.2, 0.3],
  seed: 1,
};

/** The same, normalised: learns in thousands of steps where the exact one needs a hundred thousand. */
export const NORMALISED_NETWORK: AttentionUNetOptions = {
  ...PAPER_NETWORK,
  normalisation: "batch",
  gate: "textbook",
  dropout: "spatial",
  dropoutRates: [0, 0, 0.1, 0.1, 0.2],
};

/** A model and the tensor before its sigmoid, where the loss is computed without losing small probabilities. */
export interface Network {
  /** [N, H, W, 1] intensities -> [N, H, W, 1] probabilities; H and W multiples of 2^(levels - 1). */
  readonly model: tf.LayersModel;
  /** The same weights, without the final sigmoid. */
  readonly logits: tf.LayersModel;
}

/**
 * Builds a fully convolutional 2-D Attention U-Net: per level (3x3 convolution, ELU, dropout, 3x3 convolution, ELU), 2x2
 * max pooling on the way down, 2x2 transposed convolution and an attention gate on the way up, a 1x1 convolution and a
 * sigmoid at the end. The 3x3 kernels start from He-normal values, the others from Glorot-uniform ones.
 */
export function buildAttentionUNet(options: AttentionUNetOptions): Network {
  const { filters, normalisation, gate, dropout, dropoutRates } = options;
  if (filters.length < 2 || filters.some((f) => !Number.isInteger(f) || f < 1))
    throw new Error(`filters must be two or more positive integers, not ${filters.join(",")}`);
  if (dropoutRates.length !== filters.length)
    throw new Error(`${filters.length} levels need as many dropout rates, not ${dropoutRates.length}`);
  const layers = tf.layers;
  const batch = normalisation === "batch";
  // Counted apart, so that a network with other dropout starts from the same weights.
  let kernels = 0;
  let dropouts = 0;
  const seed = () => options.seed * 1000 + kernels++;
  type Node = tf.SymbolicTensor;

  const convolution = (x: Node, count: number, size: number, name: string, useBias = !batch) =>
    layers
      .conv2d({
        name,
        filters: count,
        kernelSize: size,
        padding: "same",
        useBias,
        kernelInitializer:
          size === 3
            ? tf.initializers.heNormal({ seed: seed() })
            : tf.initializers.glorotUniform({ seed: seed() }),
      })
      .apply(x) as Node;
  const normalise = (x: Node, name: string) =>
    batch ? (layers.batchNormalization({ name, momentum: 0.9, epsilon: 1e-5 }).apply(x) as Node) : x;
  const activate = (x: Node, activation: "elu" | "relu" | "sigmoid", name: string) =>
    layers.activation({ name, activation }).apply(x) as Node;
  const drop = (x: Node, rate: number, name: string) =>
    dropout === "none" || rate === 0
      ? x
      : (new SeededDropout({ name, rate, kind: dropout, salt: dropouts++ }).apply(x) as Node);

  const double = (input: Node, level: number, name: string) => {
    let x = convolution(input, filters[level], 3, `${name}_conv1`);
    x = activate(normalise(x, `${name}_norm1`), "elu", `${name}_elu1`);
    x = drop(x, dropoutRates[level], `${name}_dropout`);
    x = convolution(x, filters[level], 3, `${name}_conv2`);
    return activate(normalise(x, `${name}_norm2`), "elu", `${name}_elu2`);
  };
  const attend = (x: Node, skip: Node, level: number, name: string) => {
    const a = normalise(convolution(skip, filters[level], 1, `${name}_skip`), `${name}_skip_norm`);
    const b = normalise(convolution(x, filters[level], 1, `${name}_up`), `${name}_up_norm`);
    const sum = activate(layers.add({ name: `${name}_add` }).apply([a, b]) as Node, "relu", `${name}_relu`);
    const psi = normalise(convolution(sum, 1, 1, `${name}_psi`), `${name}_psi_norm`);
    const weight = activate(psi, "sigmoid", `${name}_sigmoid`);
    return layers.multiply({ name: `${name}_gate` }).apply([gate === "paper" ? x : skip, weight]) as Node;
  };

  const input = tf.input({ shape: [null, null, 1], name: "em" });
  const bottom = filters.length - 1;
  const skips: Node[] = [];
  let x: Node = input;
  for (let level = 0; level < bottom; level++) {
    x = double(x, level, `down${level}`);
    skips.push(x);
    x = layers.maxPooling2d({ name: `down${level}_pool`, poolSize: 2, strides: 2 }).apply(x) as Node;
  }
  x = double(x, bottom, "bottom");
  for (let level = bottom - 1; level >= 0; level--) {
    const name = `up${level}`;
    x = layers
      .conv2dTranspose({
        name: `${name}_upsample`,
        filters: filters[level],
        kernelSize: 2,
        strides: 2,
        padding: "same",
        kernelInitializer: tf.initializers.glorotUniform({ seed: seed() }),
      })
      .apply(x) as Node;
    const gated = attend(x, skips[level], level, `${name}_attention`);
    x = layers.concatenate({ name: `${name}_concat`, axis: 3 }).apply([x, gated]) as Node;
    x = double(x, level, name);
  }
  const logits = convolution(x, 1, 1, "logits", true);
  const output = activate(logits, "sigmoid", "probability");
  return {
    model: tf.model({ inputs: input, outputs: output, name: "attention_unet" }),
    logits: tf.model({ inputs: input, outputs: logits, name: "attention_unet_logits" }),
  };
}
