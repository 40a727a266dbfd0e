import { tf } from "../kernels/tf.js";

/** A convolution of a network that wants weights, with the batch normalisation right behind it. */
export interface Slot {
  readonly name: string;
  readonly kind: "Conv2D" | "Conv2DTranspose";
  readonly layer: tf.layers.Layer;
  /** [height, width, in, out], of a transposed convolution [height, width, out, in]. */
  readonly kernel: readonly number[];
  readonly bias: boolean;
  readonly norm: tf.layers.Layer | null;
}

/** Convolutions of a network in the order in which they were made, which is that of the authors' code. */
export function slotsOf(network: tf.LayersModel): Slot[] {
  const slots: Slot[] = [];
  for (const layer of [...network.layers].sort((a, b) => a.id - b.id)) {
    const kind = layer.getClassName();
    if (kind !== "Conv2D" && kind !== "Conv2DTranspose") continue;
    const [kernel, bias] = layer.weights;
    const next = layer.outboundNodes[0]?.outboundLayer;
    const norm = next?.getClassName() === "BatchNormalization" ? next : null;
    slots.push({
      name: layer.name,
      kind,
      layer,
      kernel: kernel.shape as number[],
      bias: bias !== undefined,
      norm,
    });
  }
  return slots;
}

/** Values for a slot, by the names of Keras; the normalisation's are there when the slot has one. */
export interface SlotValues {
  readonly kernel: Float32Array;
  readonly bias: Float32Array | null;
  readonly norm: {
    readonly gamma: Float32Array;
    readonly beta: Float32Array;
    readonly mean: Float32Array;
    readonly variance: Float32Array;
    readonly epsilon: number;
  } | null;
}

/**
 * Gives a slot its weights. What the file has and the network has not is folded: y = gamma (x + bias - mean) / sqrt(variance + epsilon) + beta
 * is the same with the bias taken from the mean, and with the difference of two epsilons added to the variance.
 * @throws Error when there is a bias that nothing can take.
 */
export function fillSlot({ layer, kernel, bias, norm }: Slot, values: SlotValues): void {
  const filters = values.norm?.mean.length ?? values.bias?.length ?? 0;
  if (values.bias !== null && !bias && norm === null)
    throw new Error("has a bias, which the network has not");
  tf.tidy(() => {
    const weights: tf.Tensor[] = [tf.tensor(values.kernel, [...kernel])];
    if (bias) {
      const extent = layer.weights[1].shape[0] as number;
      weights.push(values.bias ? tf.tensor1d(values.bias) : tf.zeros([extent]));
    }
    layer.setWeights(weights);
    if (norm === null || values.norm === null) return;
    const { gamma, beta, mean, variance, epsilon } = values.norm;
    const own = norm.getConfig().epsilon as number;
    const shifted = mean.map((m, i) => m - (bias ? 0 : (values.bias?.[i] ?? 0)));
    const raised = variance.map((v) => v + epsilon - own);
    norm.setWeights([gamma, beta, shifted, raised].map((data) => tf.tensor1d(data, "float32")));
    if (shifted.length !== filters) throw new Error("has a normalisation of another width");
  });
}
