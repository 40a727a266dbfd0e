import { tf } from "../kernels/tf.js";
import { BilinearUpsampling } from "./bilinear_upsampling.js";
import { GroupNormalisation } from "./group_normalisation.js";
import { Seeds, torchDefault } from "./initialisers.js";
import { foreground, imageInput, type Node } from "./unet_blocks.js";

export interface DamtNetOptions {
  /** Feature maps of the first level; each of the four below has twice as many. The authors' is 64. */
  readonly base: number;
  readonly seed: number;
}

export const DAMT_NETWORK: DamtNetOptions = { base: 64, seed: 1 };

/** Models of one set of weights; `training` holds all of them. */
export interface DamtNetwork {
  /**
   * [N, H, W, 1] -> [logits of background and foreground [N, H, W, 2] (layer "logits"), full-resolution feature
   * [N, H, W, base] (layer "up0_relu2"), reconstructed image [N, H, W, 1] (layer "image")]; H and W multiples of 16.
   */
  readonly training: tf.LayersModel;
  /** [N, H, W, 1] -> probability of the foreground [N, H, W, 1] (layer "probability"). */
  readonly segmenter: tf.LayersModel;
}

/** The authors' number of groups; narrower networks have the largest number that divides both it and their channels. */
const GROUPS = 32;
const LEVELS = 5;

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

/** Group normalisation as DAMT-Net's authors have it: 32 groups (as far as they divide the channels), epsilon 1e-5, not affine. */
export function damtNormalisation(x: Node, name: string): Node {
  const groups = commonDivisor(GROUPS, x.shape[3] as number);
  return new GroupNormalisation({ name, groups, epsilon: 1e-5 }).apply(x) as Node;
}

/**
 * The network of DAMT-Net (Peng et al., 2020, IEEE JSTSP 14(6); github.com/Jiajin-Yi/DAMT-Net): a U-Net encoder, a decoder of the
 * mask (bilinear doubling with `align_corners=False`, 1x1 convolution, concatenation [up, skip], two 3x3 convolutions)
 * and one of the image (the same without 1x1 convolution and skip). Each 3x3 convolution is followed by group normalisation
 * and ReLU. 38,344,003 parameters with base 64, started as PyTorch does by default. Names of layers begin with "down0"..,
 * "bottom", "up3".., "logits", "reconstruct3".., "image".
 * @throws Error when the base is not a positive integer.
 */
export function buildDamtNet({ base, seed }: DamtNetOptions): DamtNetwork {
  if (!Number.isInteger(base) || base < 1) throw new Error(`base must be a positive integer, not ${base}`);
  const seeds = new Seeds(seed);
  const convolution = (x: Node, filters: number, kernelSize: number, name: string): Node => {
    const fanIn = kernelSize * kernelSize * (x.shape[3] as number);
    return tf.layers
      .conv2d({
        name,
        filters,
        kernelSize,
        padding: "same",
        kernelInitializer: torchDefault(fanIn, seeds.next()),
        biasInitializer: torchDefault(fanIn, seeds.next()),
      })
      .apply(x) as Node;
  };
  const double = (input: Node, filters: number, name: string): Node => {
    let x = input;
    for (const i of [1, 2]) {
      x = damtNormalisation(convolution(x, filters, 3, `${name}_conv${i}`), `${name}_norm${i}`);
      x = tf.layers.activation({ name: `${name}_relu${i}`, activation: "relu" }).apply(x) as Node;
    }
    return x;
  };
  const upsample = (x: Node, name: string): Node =>
    new BilinearUpsampling({ name: `${name}_upsample` }).apply(x) as Node;

  const input = imageInput();
  const filters = Array.from({ length: LEVELS }, (_, level) => base * 2 ** level);
  const deepest = LEVELS - 1;
  const skips: Node[] = [];
  let x = input;
  for (let level = 0; level < deepest; level++) {
    x = double(x, filters[level], `down${level}`);
    skips.push(x);
    x = tf.layers.maxPooling2d({ name: `down${level}_pool`, poolSize: 2, strides: 2 }).apply(x) as Node;
  }
  const bottom = double(x, filters[deepest], "bottom");
  x = bottom;
  for (let level = deepest - 1; level >= 0; level--) {
    const name = `up${level}`;
    x = convolution(upsample(x, name), filters[level], 1, `${name}_conv0`);
    const joined = tf.layers
      .concatenate({ name: `${name}_concat`, axis: 3 })
      .apply([x, skips[level]]) as Node;
    x = double(joined, filters[level], name);
  }
  const feature = x;
  const logits = convolution(feature, 2, 1, "logits");
  x = bottom;
  for (let level = deepest - 1; level >= 0; level--)
    x = double(upsample(x, `reconstruct${level}`), filters[level], `reconstruct${level}`);
  const image = convolution(x, 1, 1, "image");
  return {
    training: tf.model({ inputs: input, outputs: [logits, feature, image], name: "damt_net" }),
    segmenter: tf.model({ inputs: input, outputs: foreground(logits), name: "damt_net_segmenter" }),
  };
}
