import { tf } from "../kernels/tf.js";
import type { Network } from "../network/attention_unet.js";
import { type LossFunction, type LossName, segmentationLoss } from "./losses.js";
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

export const trainableVariables = (model: tf.LayersModel, frozen: ReadonlySet<string> = new Set()) =>
  model.layers
    .filter((layer) => !frozen.has(layer.name))
    .flatMap((layer) => layer.trainableWeights.map(variableOf));

/** Batch-norm means and variances. */
export const movingVariables = (model: tf.LayersModel) => model.nonTrainableWeights.map(variableOf);

/** What one micro-batch gives; its tensors are the caller's. */
export interface GradientPart {
  readonly loss: number;
  readonly gradients: tf.Tensor[];
  /** Batch-norm statistics after it, in the order of `movingVariables`. */
  readonly moving: tf.Tensor[];
}

/** Means over the micro-batches, in their order; sets the model's batch-norm statistics, disposes the parts. */
export function averageParts(model: tf.LayersModel, parts: readonly GradientPart[]): Gradients {
  if (parts.length === 0) throw new Error("a step needs at least one micro-batch");
  const mean = (tensors: readonly tf.Tensor[]) =>
    tf.tidy(() =>
      tensors.length === 1
        ? tf.clone(tensors[0])
        : tf.div(
            tensors.reduce((sum, tensor) => tf.add(sum, tensor)),
            tensors.length,
          ),
    );
  const gradients = parts[0].gradients.map((_, i) => mean(parts.map((part) => part.gradients[i])));
  movingVariables(model).forEach((variable, i) => {
    const value = mean(parts.map((part) => part.moving[i]));
    variable.assign(value);
    value.dispose();
  });
  for (const part of parts) tf.dispose([part.gradients, part.moving]);
  return { loss: parts.reduce((sum, part) => sum + part.loss, 0) / parts.length, gradients };
}

/** Computes in this process, on the current backend, one micro-batch after the other. */
export class LocalGradients implements GradientSource {
  private readonly trainable: tf.Variable[];
  private readonly moving: tf.Variable[];

  /** @param frozen names of layers that are not trained; their batch-norm statistics stay as well. */
  constructor(
    private readonly network: Network,
    private readonly loss: LossName | LossFunction,
    private readonly frozen: ReadonlySet<string> = new Set(),
  ) {
    this.trainable = trainableVariables(network.logits, frozen);
    this.moving = movingVariables(network.logits);
  }

  async compute(batches: readonly Batch[], dropoutSeed: number): Promise<Gradients> {
    const parts: GradientPart[] = [];
    // Every micro-batch moves the statistics from where the step began, so that it could be computed anywhere.
    const before = this.moving.map((variable) => tf.clone(variable));
    for (let i = 0; i < batches.length; i++) {
      this.moving.forEach((variable, k) => {
        variable.assign(before[k]);
      });
      parts.push(await this.part(batches[i], dropoutSeed + i));
    }
    tf.dispose(before);
    return averageParts(this.network.logits, parts);
  }

  /** Loss and gradient of one micro-batch; moves the batch-norm statistics. */
  async part({ count, size, em, labels, weights }: Batch, dropoutSeed: number): Promise<GradientPart> {
    const shape: [number, number, number, number] = [count, size, size, 1];
    const x = tf.tensor4d(em, shape);
    const y = tf.tensor4d(labels, shape);
    const known = weights && tf.tensor4d(weights, shape);
    const { value, grads } = tf.variableGrads(() => {
      const logits = this.network.logits.apply(x, { training: true, dropoutSeed, frozen: this.frozen });
      const { loss } = this;
      return typeof loss === "string"
        ? segmentationLoss(loss, y, logits as tf.Tensor, known)
        : loss(y, logits as tf.Tensor);
    }, this.trainable);
    tf.dispose(known ? [x, y, known] : [x, y]);
    const [loss] = await value.data();
    value.dispose();
    return {
      loss,
      gradients: this.trainable.map(({ name }) => grads[name]),
      moving: this.moving.map((variable) => tf.clone(variable)),
    };
  }

  async dispose(): Promise<void> {}
}
