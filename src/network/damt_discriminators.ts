import { tf } from "../kernels/tf.js";
import { damtNormalisation } from "./damt_net.js";
import { GroupNormalisation } from "./group_normalisation.js";
import { Seeds, torchDefault } from "./initialisers.js";
import { imageInput, type Node } from "./unet_blocks.js";

export interface LabelDiscriminatorOptions {
  /** Feature maps of the first layer; the authors' is 64. */
  readonly base: number;
  readonly seed: number;
}

/**
 * DAMT-Net's label discriminator: five 4x4 convolutions of stride 2 and padding 1 with group normalisation and leaky ReLU
 * (0.2) between, none of them after the last; the first is normalised too. 2,763,713 parameters with base 64.
 * @returns [N, H, W, 2] softmax of the network's logits -> [N, H / 32, W / 32, 1] logits of "source"; H and W multiples of 32.
 */
export function buildLabelDiscriminator({ base, seed }: LabelDiscriminatorOptions): tf.LayersModel {
  const seeds = new Seeds(seed);
  const input = imageInput("label", 2);
  let x = input;
  // "same" pads 1 on each side where the size is even, as the authors do everywhere.
  const convolution = (filters: number, name: string): Node => {
    const fanIn = 16 * (x.shape[3] as number);
    return tf.layers
      .conv2d({
        name,
        filters,
        kernelSize: 4,
        strides: 2,
        padding: "same",
        kernelInitializer: torchDefault(fanIn, seeds.next()),
        biasInitializer: torchDefault(fanIn, seeds.next()),
      })
      .apply(x) as Node;
  };
  for (let i = 0; i < 4; i++) {
    x = damtNormalisation(convolution(base * 2 ** i, `conv${i}`), `norm${i}`);
    x = tf.layers.leakyReLU({ name: `leaky${i}`, alpha: 0.2 }).apply(x) as Node;
  }
  x = convolution(1, "logits");
  return tf.model({ inputs: input, outputs: x, name: "label_discriminator" });
}

export interface FeatureDiscriminatorOptions {
  /** Channels of the feature: DAMT-Net's base. */
  readonly channels: number;
  /** Edge of the square feature, pixels; a multiple of 8. */
  readonly size: number;
  /**
   * Averages the last maps to at most 8 x 8 pixels before the dense layers: 996,194 parameters instead of the authors'
   * 56,734,562 for a feature of 512 pixels and 64 channels.
   */
  readonly pooled: boolean;
  readonly seed: number;
}

const MAPS = 48;
const POOLED_SIZE = 8;
/** The authors have 0, with which a dead group is 0 / 0. */
const EPSILON = 1e-12;

/**
 * DAMT-Net's feature discriminator: three 3x3 convolutions of 48 maps, each with group normalisation (4 groups), ReLU and 2x2 max
 * pooling, then dense layers of 288 and 144 units, normalised likewise, and one of 2.
 * @returns [N, size, size, channels] -> [N, 2] logits of (target, source).
 * @throws Error when the size is not a multiple of 8 (pooled: or does not fall into 8 x 8 parts).
 */
export function buildFeatureDiscriminator({
  channels,
  size,
  pooled,
  seed,
}: FeatureDiscriminatorOptions): tf.LayersModel {
  if (!Number.isInteger(size / 8) || size < 8) throw new Error(`size must be a multiple of 8, not ${size}`);
  const edge = size / 8;
  const poolSize = pooled && edge > POOLED_SIZE ? edge / POOLED_SIZE : 1;
  if (!Number.isInteger(poolSize))
    throw new Error(`a pooled feature discriminator needs a size that 64 divides, not ${size}`);
  const seeds = new Seeds(seed);
  const input = tf.input({ shape: [size, size, channels], name: "feature" });
  const normalise = (x: Node, name: string): Node => {
    const normalised = new GroupNormalisation({ name: `${name}_norm`, groups: 4, epsilon: EPSILON }).apply(x);
    return tf.layers.activation({ name: `${name}_relu`, activation: "relu" }).apply(normalised) as Node;
  };
  const start = (fanIn: number) => ({
    kernelInitializer: torchDefault(fanIn, seeds.next()),
    biasInitializer: torchDefault(fanIn, seeds.next()),
  });
  let x = input;
  for (let i = 0; i < 3; i++) {
    const layer = tf.layers.conv2d({
      name: `conv${i}`,
      filters: MAPS,
      kernelSize: 3,
      padding: "same",
      ...start(9 * (x.shape[3] as number)),
    });
    x = normalise(layer.apply(x) as Node, `conv${i}`);
    x = tf.layers.maxPooling2d({ name: `conv${i}_pool`, poolSize: 2, strides: 2 }).apply(x) as Node;
  }
  if (poolSize > 1)
    x = tf.layers.averagePooling2d({ name: "pooled", poolSize, strides: poolSize }).apply(x) as Node;
  x = tf.layers.flatten({ name: "flat" }).apply(x) as Node;
  for (const [i, units] of [288, 144, 2].entries()) {
    const layer = tf.layers.dense({ name: `dense${i}`, units, ...start(x.shape[1] as number) });
    x = layer.apply(x) as Node;
    if (i < 2) x = normalise(x, `dense${i}`);
  }
  return tf.model({ inputs: input, outputs: x, name: "feature_discriminator" });
}
