import { tf } from "../kernels/tf.js";
import { BilinearUpsampling } from "./bilinear_upsampling.js";
import { BlurDownsampling } from "./blur_downsampling.js";
import { GroupNormalisation } from "./group_normalisation.js";
import { Seeds, xavierNormal } from "./initialisers.js";
import { ReflectionPadding } from "./reflection_padding.js";
import { imageInput, type Node } from "./unet_blocks.js";

export interface GeneratorOptions {
  /** Feature maps of the first convolution; the authors' is 64. The residual blocks have four times as many. */
  readonly base: number;
  /** Residual blocks; the authors' is 9. */
  readonly blocks: number;
  readonly seed: number;
}

export const GENERATOR: GeneratorOptions = { base: 64, blocks: 9, seed: 1 };

/** Models of one set of weights; `model` holds all of them. */
export interface Generator {
  /** [N, H, W, 1] in -1..1 -> [N, H, W, 1] in -1..1; H and W multiples of 4, at least 8. */
  readonly model: tf.LayersModel;
  /**
   * The same input -> the five maps that PatchNCE compares, of which it computes no more than it needs: the padded input
   * [N, H + 6, W + 6, 1], both convolutions on the way down before their normalisation [N, H, W, 2 base] and
   * [N, H / 2, W / 2, 4 base], the first and the fifth residual block [N, H / 4, W / 4, 4 base] (the last where there
   * are fewer than five): layers 0, 4, 8, 12 and 16 of the authors' network.
   */
  readonly features: tf.LayersModel;
}

/** Channels of the maps of `Generator.features`, for `buildPatchHeads`. */
export function featureChannels({ base }: Pick<GeneratorOptions, "base">): number[] {
  return [1, 2 * base, 4 * base, 4 * base, 4 * base];
}

class Parts {
  private readonly seeds: Seeds;

  constructor(seed: number) {
    this.seeds = new Seeds(seed);
  }

  /** The border, where there is one, must have been padded before. */
  convolution(x: Node, filters: number, kernelSize: number, padding: "same" | "valid", name: string): Node {
    const area = kernelSize * kernelSize;
    const kernelInitializer = xavierNormal(area * (x.shape[3] as number), area * filters, this.seeds.next());
    return tf.layers.conv2d({ name, filters, kernelSize, padding, kernelInitializer }).apply(x) as Node;
  }

  normalise(x: Node, name: string): Node {
    const groups = x.shape[3] as number;
    return new GroupNormalisation({ name, groups, epsilon: 1e-5 }).apply(x) as Node;
  }

  pad(x: Node, size: number, name: string): Node {
    return new ReflectionPadding({ name, size }).apply(x) as Node;
  }

  relu(x: Node, name: string): Node {
    return tf.layers.activation({ name, activation: "relu" }).apply(x) as Node;
  }

  leaky(x: Node, name: string): Node {
    return tf.layers.leakyReLU({ name, alpha: 0.2 }).apply(x) as Node;
  }
}

/**
 * The generator of CUT (Park et al., 2020), "resnet_9blocks" by its repository: reflection padding 3, 7x7 convolution; twice
 * (3x3 convolution, anti-aliased halving); residual blocks of two 3x3 convolutions behind reflections; twice (anti-aliased
 * doubling, 3x3 convolution); reflection padding 3, 7x7 convolution, tanh. Instance normalisation (not affine, epsilon 1e-5) and ReLU follow
 * each convolution but the last of a block (no ReLU) and of the network. 11,365,633 parameters with base 64; starts from
 * Xavier-normal weights of gain 0.02 and zero biases.
 * @throws Error when base or blocks is not a positive integer.
 */
export function buildGenerator({ base, blocks, seed }: GeneratorOptions): Generator {
  for (const [name, value] of Object.entries({ base, blocks }))
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`${name} must be a positive integer, not ${value}`);
  const parts = new Parts(seed);
  const input = imageInput();
  const padded = parts.pad(input, 3, "start_pad");
  const features: Node[] = [padded];
  let x = parts.convolution(padded, base, 7, "valid", "start_conv");
  x = parts.relu(parts.normalise(x, "start_norm"), "start_relu");
  for (const [i, filters] of [2 * base, 4 * base].entries()) {
    const name = `down${i}`;
    x = parts.convolution(x, filters, 3, "same", `${name}_conv`);
    features.push(x);
    x = parts.relu(parts.normalise(x, `${name}_norm`), `${name}_relu`);
    x = new BlurDownsampling({ name: `${name}_blur` }).apply(x) as Node;
  }
  for (let i = 0; i < blocks; i++) {
    const name = `block${i}`;
    let y = parts.convolution(parts.pad(x, 1, `${name}_pad1`), 4 * base, 3, "valid", `${name}_conv1`);
    y = parts.relu(parts.normalise(y, `${name}_norm1`), `${name}_relu1`);
    y = parts.convolution(parts.pad(y, 1, `${name}_pad2`), 4 * base, 3, "valid", `${name}_conv2`);
    x = tf.layers.add({ name: `${name}_add` }).apply([x, parts.normalise(y, `${name}_norm2`)]) as Node;
    if (i === 0 || i === Math.min(4, blocks - 1)) features.push(x);
  }
  if (features.length < 5) features.push(x);
  for (const [i, filters] of [2 * base, base].entries()) {
    const name = `up${i}`;
    x = new BilinearUpsampling({ name: `${name}_double` }).apply(x) as Node;
    x = parts.convolution(x, filters, 3, "same", `${name}_conv`);
    x = parts.relu(parts.normalise(x, `${name}_norm`), `${name}_relu`);
  }
  x = parts.convolution(parts.pad(x, 3, "end_pad"), 1, 7, "valid", "end_conv");
  x = tf.layers.activation({ name: "stylised", activation: "tanh" }).apply(x) as Node;
  return {
    model: tf.model({ inputs: input, outputs: x, name: "generator" }),
    features: tf.model({ inputs: input, outputs: features, name: "generator_features" }),
  };
}

export interface PatchGanOptions {
  /** Feature maps of the first convolution; the authors' is 64. */
  readonly base: number;
  readonly seed: number;
}

/**
 * The 70x70 PatchGAN of CUT's repository ("basic"): 4x4 convolutions of stride 1 and zero padding 1, to base, 2, 4, 8 times
 * base and one map; leaky ReLU (0.2) between; instance normalisation behind the middle three; anti-aliased halving behind the first
 * three. 2,762,689 parameters with base 64.
 * @returns [N, H, W, 1] in -1..1 -> [N, h, w, 1], one score a patch: h = 30 for H = 256.
 */
export function buildPatchGan({ base, seed }: PatchGanOptions): tf.LayersModel {
  if (!Number.isInteger(base) || base < 1) throw new Error(`base must be a positive integer, not ${base}`);
  const parts = new Parts(seed);
  const input = imageInput();
  const convolution = (x: Node, filters: number, name: string) => {
    const padded = tf.layers.zeroPadding2d({ name: `${name}_pad`, padding: 1 }).apply(x) as Node;
    return parts.convolution(padded, filters, 4, "valid", `${name}_conv`);
  };
  let x: Node = input;
  for (let i = 0; i < 4; i++) {
    const name = `patch${i}`;
    x = convolution(x, base * 2 ** i, name);
    if (i > 0) x = parts.normalise(x, `${name}_norm`);
    x = parts.leaky(x, `${name}_leaky`);
    if (i < 3) x = new BlurDownsampling({ name: `${name}_blur` }).apply(x) as Node;
  }
  return tf.model({ inputs: input, outputs: convolution(x, 1, "score"), name: "patch_gan" });
}

export interface PatchHeadsOptions {
  /** Channels of each map that is sampled: `featureChannels` of the generator. */
  readonly channels: readonly number[];
  /** Units of both layers; the authors' is 256. */
  readonly units: number;
  readonly seed: number;
}

/**
 * CUT's projection of sampled features, one of two dense layers with a ReLU between for each map: 559,872 parameters for
 * the authors' generator. The result is not yet normalised. Start as the generator's.
 * @returns as many inputs [M, channels] as outputs [M, units].
 */
export function buildPatchHeads({ channels, units, seed }: PatchHeadsOptions): tf.LayersModel {
  const seeds = new Seeds(seed);
  const dense = (x: Node, name: string, activation: "relu" | "linear") => {
    const kernelInitializer = xavierNormal(x.shape[1] as number, units, seeds.next());
    return tf.layers.dense({ name, units, activation, kernelInitializer }).apply(x) as Node;
  };
  const inputs = channels.map((count, i) => tf.input({ shape: [count], name: `features${i}` }));
  const outputs = inputs.map((input, i) => dense(dense(input, `head${i}_1`, "relu"), `head${i}_2`, "linear"));
  return tf.model({ inputs, outputs, name: "patch_heads" });
}
