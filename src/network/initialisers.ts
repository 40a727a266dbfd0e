import { tf } from "../kernels/tf.js";

/** Seeds of a network's weights, one after the other: they follow from its seed and the order of its layers. */
export class Seeds {
  private count = 0;
  constructor(private readonly seed: number) {}
  next(): number {
    return this.seed * 1000 + this.count++;
  }
}

/** Xavier (Glorot)-normal values with gain 0.02, not truncated: CUT's start of all its networks. `fanIn`, `fanOut` in weights. */
export function xavierNormal(fanIn: number, fanOut: number, seed: number) {
  return tf.initializers.randomNormal({ mean: 0, stddev: 0.02 * Math.sqrt(2 / (fanIn + fanOut)), seed });
}

/** Uniform within +-1 / sqrt(fanIn): PyTorch's default for the weights and the biases of convolutions and dense layers. */
export function torchDefault(fanIn: number, seed: number) {
  const bound = 1 / Math.sqrt(fanIn);
  return tf.initializers.randomUniform({ minval: -bound, maxval: bound, seed });
}
