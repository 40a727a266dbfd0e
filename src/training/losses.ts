import { tf } from "../kernels/tf.js";

export type LossName = "bce" | "bce+dice";

/** @param target, logits [N, H, W, 1]; target in 0..1. */
export type LossFunction = (target: tf.Tensor, logits: tf.Tensor) => tf.Scalar;

/**
 * Mean binary cross-entropy of logits, max(z, 0) - z y + log(1 + exp(-|z|)), with its closed-form gradient
 * (sigmoid(z) - y) / n: one pass in place of the eight that automatic differentiation would make. Labels may be soft.
 */
export function binaryCrossEntropy(labels: tf.Tensor, logits: tf.Tensor): tf.Scalar {
  const op = tf.customGrad((...args) => {
    const [z, save] = args as unknown as [tf.Tensor, tf.GradSaveFunc];
    save([z, labels]);
    const value = tf.mean(tf.sub(tf.add(tf.relu(z), tf.log1p(tf.exp(tf.neg(tf.abs(z))))), tf.mul(z, labels)));
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => [
      tf.mul(tf.sub(tf.sigmoid(saved[0]), saved[1]), tf.div(dy, logits.size)),
    ];
    return { value, gradFunc };
  });
  return op(logits) as tf.Scalar;
}

/** 1 - (2 sum(p y) + 1) / (sum(p) + sum(y) + 1), over the whole batch. */
export function softDice(labels: tf.Tensor, logits: tf.Tensor): tf.Scalar {
  const p = tf.sigmoid(logits);
  const overlap = tf.sum(tf.mul(p, labels));
  return tf.sub(
    1,
    tf.div(tf.add(tf.mul(overlap, 2), 1), tf.add(tf.add(tf.sum(p), tf.sum(labels)), 1)),
  ) as tf.Scalar;
}

/** `binaryCrossEntropy` as the mean over pixels weighted by `weights` (0: not looked at); 0 where all weights are 0. */
export function weightedCrossEntropy(labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor): tf.Scalar {
  const op = tf.customGrad((...args) => {
    const [z, save] = args as unknown as [tf.Tensor, tf.GradSaveFunc];
    const shares = tf.div(weights, tf.maximum(tf.sum(weights), 1e-6));
    save([z, labels, shares]);
    const each = tf.sub(tf.add(tf.relu(z), tf.log1p(tf.exp(tf.neg(tf.abs(z))))), tf.mul(z, labels));
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => [
      tf.mul(tf.mul(tf.sub(tf.sigmoid(saved[0]), saved[1]), saved[2]), dy),
    ];
    return { value: tf.sum(tf.mul(each, shares)), gradFunc };
  });
  return op(logits) as tf.Scalar;
}

/** `softDice` of the pixels that `weights` lets count. */
export function weightedDice(labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor): tf.Scalar {
  const p = tf.mul(tf.sigmoid(logits), weights);
  const y = tf.mul(labels, weights);
  const overlap = tf.sum(tf.mul(p, labels));
  return tf.sub(
    1,
    tf.div(tf.add(tf.mul(overlap, 2), 1), tf.add(tf.add(tf.sum(p), tf.sum(y)), 1)),
  ) as tf.Scalar;
}

/**
 * @param labels, logits [N, H, W, 1]; labels in 0..1.
 * @param weights of the pixels, of the same shape, 0 for those that are not known; all count alike without.
 */
export function segmentationLoss(
  name: LossName,
  labels: tf.Tensor,
  logits: tf.Tensor,
  weights?: tf.Tensor,
): tf.Scalar {
  if (weights !== undefined) {
    const known = weightedCrossEntropy(labels, logits, weights);
    return name === "bce" ? known : (tf.add(known, weightedDice(labels, logits, weights)) as tf.Scalar);
  }
  const bce = binaryCrossEntropy(labels, logits);
  return name === "bce" ? bce : (tf.add(bce, softDice(labels, logits)) as tf.Scalar);
}

/** Mean squared difference of the network's sigmoid output from an image in 0..1. */
export function reconstructionLoss(image: tf.Tensor, logits: tf.Tensor): tf.Scalar {
  return tf.mean(tf.square(tf.sub(tf.sigmoid(logits), image))) as tf.Scalar;
}
