import { tf } from "../kernels/tf.js";
import { type AttentionUNetOptions, attentionUNetGraph } from "./attention_unet.js";
import { foreground, imageInput, type Node, UNetBlocks } from "./unet_blocks.js";

/**
 * Attention Y-Net of Franco-Barranco et al. (2022), by the authors' code: 10,199,558 parameters. "batch" puts batch
 * normalisation after each convolution but the outputs'.
 */
export const ATTENTION_Y_NETWORK: AttentionUNetOptions = {
  filters: [32, 64, 128, 256, 512],
  normalisation: "none",
  gate: "paper",
  dropout: "spatial",
  dropoutRates: [0.1, 0.1, 0.2, 0.2, 0.3],
  seed: 1,
};

/** Models of one set of weights; `logits` holds all of them. */
export interface YNetwork {
  /** [N, H, W, 1] -> [logits of the mask (layer "logits"), image (layer "image")]: what is trained. */
  readonly logits: tf.LayersModel;
  /** [N, H, W, 1] -> probability of the foreground [N, H, W, 1] (layer "probability"): half of the Y. */
  readonly segmenter: tf.LayersModel;
  /** [N, H, W, 1] -> [N, H, W, 1], the reconstructed image, not bounded: the other half. */
  readonly autoencoder: tf.LayersModel;
}

function models(name: string, input: Node, logits: Node, probability: Node, image: Node): YNetwork {
  return {
    logits: tf.model({ inputs: input, outputs: [logits, image], name }),
    segmenter: tf.model({ inputs: input, outputs: probability, name: `${name}_segmenter` }),
    autoencoder: tf.model({ inputs: input, outputs: image, name: `${name}_autoencoder` }),
  };
}

/**
 * Attention Y-Net: the Attention U-Net with a second decoder that reconstructs the image from the bottleneck without skips,
 * with a linear 1x1 convolution at its end. Names of layers begin with "down0".. (encoder), "bottom", "up3".. (decoder of
 * the mask, with its gates), "logits", "reconstruct3".. and "image" (decoder of the image). Takes any filters,
 * normalisation, gate and dropout that `buildAttentionUNet` takes, and starts from its weights for the same seed.
 */
export function buildAttentionYNet(options: AttentionUNetOptions): YNetwork {
  const input = imageInput();
  const blocks = new UNetBlocks(options);
  const { probability, logits, bottom } = attentionUNetGraph(blocks, options.gate, input);
  const image = blocks.convolution(blocks.reconstruct(bottom, "reconstruct"), 1, 1, "image", true);
  return models("attention_y_net", input, logits, probability, image);
}

export interface YNetOptions {
  /** Feature maps of each level, the last being the bottleneck. */
  readonly filters: readonly number[];
  readonly seed: number;
}

/** Y-Net of Roels et al. (ISBI 2019). */
export const Y_NETWORK: YNetOptions = { filters: [16, 32, 64, 128, 256], seed: 1 };

/**
 * Plain Y-Net (Roels et al., 2019, github.com/JorisRoels/domain-adaptive-segmentation at 068fe4c): a U-Net of convolutions,
 * batch normalisation and ReLU, with a second decoder without skips. The mask has two classes, so "logits" is
 * [N, H, W, 2] (background, foreground). 2,511,235 trainable parameters with the published filters, which include the biases
 * of the convolutions before a normalisation. Layers are named as those of `buildAttentionYNet`.
 */
export function buildYNet({ filters, seed }: YNetOptions): YNetwork {
  const input = imageInput();
  const dropoutRates = filters.map(() => 0);
  const blocks = new UNetBlocks(
    { filters, seed, normalisation: "batch", dropout: "none", dropoutRates },
    { activation: "relu", biasBeforeNormalisation: true },
  );
  const { bottom, skips } = blocks.encode(input);
  let x = bottom;
  for (let level = blocks.deepest - 1; level >= 0; level--) {
    x = blocks.upsample(x, level, `up${level}`);
    x = blocks.double(blocks.concatenate([skips[level], x], `up${level}_concat`), level, `up${level}`);
  }
  const logits = blocks.convolution(x, 2, 1, "logits", true);
  const image = blocks.convolution(blocks.reconstruct(bottom, "reconstruct"), 1, 1, "image", true);
  return models("y_net", input, logits, foreground(logits), image);
}
