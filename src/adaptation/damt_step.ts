import { tf } from "../kernels/tf.js";
import { type LossName, segmentationLoss } from "../training/losses.js";
import { domainLoss, logitDifference, meanSquaredError, SOURCE, TARGET } from "./adversarial_losses.js";
import type { DamtBatch } from "./damt_data.js";
import { differentiate, type TaskLosses } from "./multi_task_step.js";
import type { StepLosses } from "./types.js";

/** The three networks as functions, with what of them is trained. */
export interface DamtNetworks {
  /** [N, H, W, 1] -> logits [N, H, W, 2], feature [N, H, W, C], image [N, H, W, 1]. */
  readonly network: tf.LayersModel;
  /** Probabilities [N, H, W, 2] -> [N, h, w, 1]. */
  readonly label: tf.LayersModel;
  /** Features -> [N, 2]. */
  readonly feature: tf.LayersModel;
  readonly variables: Readonly<Record<DamtPart, readonly tf.Variable[]>>;
}

export type DamtPart = "network" | "label" | "feature";

/** Weights of the losses, against 1 of the segmentation. */
export interface DamtWeights {
  readonly reconstruction: number;
  readonly label: number;
  readonly feature: number;
}

/** What the discriminators see of a micro-batch, source first. */
interface Seen {
  readonly probabilities: tf.Tensor;
  readonly features: tf.Tensor;
}

export interface DamtGradients {
  readonly losses: StepLosses;
  /** In the order of the variables; the caller disposes them. */
  readonly gradients: Readonly<Record<DamtPart, tf.Tensor[]>>;
}

/** The first and the second half along the first axis: source and target. */
const halves = (x: tf.Tensor) => tf.split(x, 2, 0) as [tf.Tensor, tf.Tensor];

/**
 * One step of DAMT-Net as its code has it (`main.py`). The network minimises cross-entropy of the source + small weights of (the
 * reconstruction of both domains, the label discriminator's belief that the target's mask is of the source, the feature
 * discriminator's likewise); each discriminator half its cross-entropy of the source and half that of the target, on what the network
 * made before its update. All three have their gradients before any of them moves.
 *
 * Group normalisation looks at one image at a time, so both domains go through the networks as one batch.
 */
export async function damtGradients(
  networks: DamtNetworks,
  batches: readonly DamtBatch[],
  size: number,
  weights: DamtWeights,
  loss: LossName,
): Promise<DamtGradients> {
  const seen: Seen[] = [];
  const network = await differentiate(networks.variables.network, batches.length, (i) => {
    const step = networkLosses(networks, batches[i], size, weights, loss);
    seen.push({ probabilities: tf.keep(step.probabilities), features: tf.keep(step.features) });
    return step;
  });
  const discriminate = (part: "label" | "feature") =>
    differentiate(networks.variables[part], batches.length, (i) => {
      const answers = networks[part].apply(
        part === "label" ? seen[i].probabilities : seen[i].features,
      ) as tf.Tensor;
      return discriminatorLosses(answers, part === "label" ? 1 : 2);
    });
  const label = await discriminate("label");
  const feature = await discriminate("feature");
  for (const { probabilities, features } of seen) tf.dispose([probabilities, features]);
  return {
    losses: {
      ...network.losses,
      labelDiscriminator: label.losses.loss,
      featureDiscriminator: feature.losses.loss,
    },
    gradients: { network: network.gradients, label: label.gradients, feature: feature.gradients },
  };
}

function networkLosses(
  { network, label, feature }: DamtNetworks,
  batch: DamtBatch,
  size: number,
  weights: DamtWeights,
  loss: LossName,
): TaskLosses & Seen {
  const count = batch.source.length / (size * size);
  const shape: [number, number, number, number] = [count, size, size, 1];
  const x = tf.concat([tf.tensor4d(batch.source, shape), tf.tensor4d(batch.target, shape)], 0);
  const [logits, features, image] = network.apply(x) as tf.Tensor[];
  const [ofSource] = halves(logits);
  const segmentation = segmentationLoss(loss, tf.tensor4d(batch.labels, shape), logitDifference(ofSource));
  // Both domains have as many pixels: the mean over all is the mean of their means.
  const reconstruction = meanSquaredError(x, image);
  const probabilities = tf.softmax(logits);
  const [, maskOfTarget] = halves(probabilities);
  const [, featureOfTarget] = halves(features);
  const labelFooled = domainLoss(label.apply(maskOfTarget) as tf.Tensor, SOURCE, 1);
  const featureFooled = domainLoss(feature.apply(featureOfTarget) as tf.Tensor, SOURCE, 2);
  const total = tf.addN([
    segmentation,
    tf.mul(reconstruction, weights.reconstruction),
    tf.mul(labelFooled, weights.label),
    tf.mul(featureFooled, weights.feature),
  ]) as tf.Scalar;
  const parts = { segmentation, reconstruction, labelFooled, featureFooled };
  return { total, parts, probabilities, features };
}

function discriminatorLosses(answers: tf.Tensor, classes: 1 | 2): TaskLosses {
  const [ofSource, ofTarget] = halves(answers);
  const both = tf.add(domainLoss(ofSource, SOURCE, classes), domainLoss(ofTarget, TARGET, classes));
  return { total: tf.div(both, 2) as tf.Scalar, parts: {} };
}
