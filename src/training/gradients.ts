import { tf } from "../kernels/tf.js";
import type { Network } from "../network/attention_unet.js";
import { type LossName, segmentationLoss } from "./losses.js";
import type { Batch } from "./sampler.js";

export interface Gradients {
  readonly loss: number;
  /** In the order of `trainableVariables`; the caller disposes them. */
  readonly gradients: tf.Tensor[];
}

/** Where gradients come from: this process, or several. */
export interface GradientSource {
  /** Mean loss and gradient over the micro-batches; moves the network's batch-norm statistics. */
  compute(batches: readonly Batch[], dropoutSeed: number): Promise<Gradients>;
  dispose(): Promise<void>;
}

/** A LayerVariable's tf.Variable, which tfjs's types hide. */
const variableOf = (weight: tf.LayersModel["weights"][number]) =>
  (weight as unknown as { val: tf.Variable }).val;

export const trainableVariables = (model: tf.LayersModel) => model.trainableWeights.map(variableOf);

/** Batch-norm means and variances. */
export const movingVariables = (model: tf.LayersModel) => model.nonTrainableWeights.map(variableOf);

/** Computes in this process, on the current backend, one micro-batch after the other. */
export class LocalGradients implements GradientSource {
  private readonly variables: tf.Variable[];

  constructor(
    private readonly network: Network,
    private readonly loss: LossName,
  ) {
    this.variables = trainableVariables(network.logits);
  }

  async compute(batches: readonly Batch[], dropoutSeed: number): Promise<Gradients> {
    let sum: tf.Tensor[] | null = null;
    let loss = 0;
    for (let i = 0; i < batches.length; i++) {
      const part = this.one(batches[i], dropoutSeed + i);
      loss += (await part.value.data())[0] / batches.length;
      part.value.dispose();
      if (!sum) {
        sum = part.gradients;
        continue;
      }
      const previous: tf.Tensor[] = sum;
      sum = previous.map((total, k) => tf.add(total, part.gradients[k]));
      tf.dispose([previous, part.gradients]);
    }
    if (!sum) throw new Error("a step needs at least one micro-batch");
    if (batches.length === 1) return { loss, gradients: sum };
    const gradients = sum.map((total) => tf.div(total, batches.length));
    tf.dispose(sum);
    return { loss, gradients };
  }

  private one(
    { count, size, em, labels }: Batch,
    dropoutSeed: number,
  ): { value: tf.Scalar; gradients: tf.Tensor[] } {
    const shape: [number, number, number, number] = [count, size, size, 1];
    const x = tf.tensor4d(em, shape);
    const y = tf.tensor4d(labels, shape);
    try {
      const { value, grads } = tf.variableGrads(
        () =>
          segmentationLoss(
            this.loss,
            y,
            this.network.logits.apply(x, { training: true, dropoutSeed }) as tf.Tensor,
          ),
        this.variables,
      );
      return { value, gradients: this.variables.map(({ name }) => grads[name]) };
    } finally {
      tf.dispose([x, y]);
    }
  }

  async dispose(): Promise<void> {}
}
