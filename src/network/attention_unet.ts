import { tf } from "../kernels/tf.js";
import { imageInput, type Node, UNetBlocks } from "./unet_blocks.js";

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

function attend(blocks: UNetBlocks, gate: "paper" | "textbook", x: Node, skip: Node, level: number): Node {
  const name = `up${level}_attention`;
  const filters = blocks.options.filters[level];
  const a = blocks.normalise(blocks.convolution(skip, filters, 1, `${name}_skip`), `${name}_skip_norm`);
  const b = blocks.normalise(blocks.convolution(x, filters, 1, `${name}_up`), `${name}_up_norm`);
  const sum = tf.layers.add({ name: `${name}_add` }).apply([a, b]) as Node;
  const active = blocks.activate(sum, "relu", `${name}_relu`);
  const psi = blocks.normalise(blocks.convolution(active, 1, 1, `${name}_psi`), `${name}_psi_norm`);
  const weight = blocks.activate(psi, "sigmoid", `${name}_sigmoid`);
  const gated = [gate === "paper" ? x : skip, weight];
  return tf.layers.multiply({ name: `${name}_gate` }).apply(gated) as Node;
}

/** What an Attention U-Net makes of a tensor [N, H, W, C]. */
export interface AttentionUNetGraph {
  /** [N, H, W, 1], layer "probability". */
  readonly probability: Node;
  /** The same before the sigmoid, layer "logits". */
  readonly logits: Node;
  /** The bottleneck. */
  readonly bottom: Node;
}

/** The layers of the network on `input`: down0.., bottom, up3..up0 (for five levels), logits, probability. */
export function attentionUNetGraph(
  blocks: UNetBlocks,
  gate: "paper" | "textbook",
  input: Node,
): AttentionUNetGraph {
  const { bottom, skips } = blocks.encode(input);
  let x = bottom;
  for (let level = blocks.deepest - 1; level >= 0; level--) {
    x = blocks.upsample(x, level, `up${level}`);
    const gated = attend(blocks, gate, x, skips[level], level);
    x = blocks.double(blocks.concatenate([x, gated], `up${level}_concat`), level, `up${level}`);
  }
  const logits = blocks.convolution(x, 1, 1, "logits", true);
  return { probability: blocks.activate(logits, "sigmoid", "probability"), logits, bottom };
}

/**
 * Builds a fully convolutional 2-D Attention U-Net: per level (3x3 convolution, ELU, dropout, 3x3 convolution, ELU), 2x2
 * max pooling on the way down, 2x2 transposed convolution and an attention gate on the way up, a 1x1 convolution and a
 * sigmoid at the end. The 3x3 kernels start from He-normal values, the others from Glorot-uniform ones.
 */
export function buildAttentionUNet(options: AttentionUNetOptions): Network {
  const input = imageInput();
  const graph = attentionUNetGraph(new UNetBlocks(options), options.gate, input);
  return {
    model: tf.model({ inputs: input, outputs: graph.probability, name: "attention_unet" }),
    logits: tf.model({ inputs: input, outputs: graph.logits, name: "attention_unet_logits" }),
  };
}
