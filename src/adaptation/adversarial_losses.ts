import { tf } from "../kernels/tf.js";
import { binaryCrossEntropy } from "../training/losses.js";

/** What discriminators tell apart; DAMT-Net's labels. */
export const SOURCE = 1;
export const TARGET = 0;
export type Domain = typeof SOURCE | typeof TARGET;

/**
 * z1 - z0 of two-class logits. softmax([z0, z1])[1] = sigmoid(z1 - z0), so the cross-entropy of two classes is the binary
 * one of this difference.
 *
 * @param logits [..., 2]
 * @returns [..., 1]
 */
export function logitDifference(logits: tf.Tensor): tf.Tensor {
  if (logits.shape.at(-1) !== 2)
    throw new RangeError(`logits of shape [${logits.shape.join(", ")}] are not those of two classes`);
  return tf.tidy(() => {
    const [z0, z1] = tf.split(logits, 2, -1);
    return tf.sub(z1, z0);
  });
}

/**
 * Mean cross-entropy of two-class logits: log(1 + exp(z0 - z1)) for foreground, log(1 + exp(z1 - z0)) for background.
 *
 * @param labels [..., 1], probability 0..1 of class 1.
 * @param logits [..., 2]
 */
export function twoClassCrossEntropy(labels: tf.Tensor, logits: tf.Tensor): tf.Scalar {
  return binaryCrossEntropy(labels, logitDifference(logits));
}

/**
 * Mean binary cross-entropy of a discriminator's logits with one domain as the truth everywhere: log(1 + exp(-z)) for the
 * source (1), log(1 + exp(z)) for the target (0). Of discriminators with one logit (a place) or two (an image).
 *
 * @param logits [..., 1] or [..., 2]; `classes` says which.
 */
export function domainLoss(logits: tf.Tensor, domain: Domain, classes: 1 | 2): tf.Scalar {
  const z = classes === 2 ? logitDifference(logits) : logits;
  const truth = tf.fill(z.shape, domain);
  return binaryCrossEntropy(truth, z);
}

/** Mean squared difference. */
export function meanSquaredError(truth: tf.Tensor, prediction: tf.Tensor): tf.Scalar {
  return tf.mean(tf.squaredDifference(prediction, truth)) as tf.Scalar;
}
