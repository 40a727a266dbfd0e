import { tf } from "../kernels/tf.js";

/**
 * Least-squares adversarial loss (Mao et al., 2017): the mean squared distance of a discriminator's answers, whatever
 * their shape, to 1 ("real") or 0 ("fake").
 */
export function leastSquares(answers: tf.Tensor, real: boolean): tf.Scalar {
  return tf.mean(tf.square(real ? tf.sub(answers, 1) : answers)) as tf.Scalar;
}

export interface DiscriminatorLoss {
  /** Half the sum of the two, which is minimised. */
  readonly total: tf.Scalar;
  readonly fake: tf.Scalar;
  readonly real: tf.Scalar;
}

/**
 * What a least-squares discriminator minimises.
 * @param answers [2 N, ...] to N generated images followed by N real ones.
 */
export function discriminatorLoss(answers: tf.Tensor): DiscriminatorLoss {
  const half = answers.shape[0] / 2;
  if (!Number.isInteger(half)) throw new Error("there must be as many generated images as real ones");
  const [first, second] = tf.split(answers, 2, 0);
  const fake = leastSquares(first, false);
  const real = leastSquares(second, true);
  return { total: tf.mul(tf.add(fake, real), 0.5) as tf.Scalar, fake, real };
}
