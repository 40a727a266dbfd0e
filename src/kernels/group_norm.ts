import { tf } from "./tf.js";

/** Mean and biased variance of each group of each sample, repeated for the channels of a group: [N, 1, C]. */
export interface GroupMoments {
  readonly mean: tf.Tensor3D;
  readonly variance: tf.Tensor3D;
}

/** [N, P, C] -> [N, 1, C]: mean over P and over the channels of a group. */
function groupMean(x: tf.Tensor3D, groups: number): tf.Tensor3D {
  const [n, , channels] = x.shape;
  const perChannel = tf.mean(x, 1, true) as tf.Tensor3D;
  if (groups === channels) return perChannel;
  const size = channels / groups;
  const perGroup = tf.mean(tf.reshape(perChannel, [n, groups, size]), 2, true);
  return tf.reshape(tf.tile(perGroup, [1, 1, size]), [n, 1, channels]);
}

const flatten = (x: tf.Tensor): tf.Tensor3D => {
  const channels = x.shape[x.rank - 1];
  return tf.reshape(x, [x.shape[0], x.size / (x.shape[0] * channels), channels]);
};

/** @param x [N, ..., C]; group g holds the channels g C / groups to (g + 1) C / groups - 1. The caller disposes the moments. */
export function groupMoments(x: tf.Tensor, groups: number): GroupMoments {
  return tf.tidy(() => {
    const flat = flatten(x);
    const mean = groupMean(flat, groups);
    return { mean, variance: groupMean(tf.square(tf.sub(flat, mean)) as tf.Tensor3D, groups) };
  });
}

/**
 * Group normalisation (Wu and He, 2018) without scale and centre: each sample's groups of channels by their own mean and biased
 * variance. As many groups as channels make it instance normalisation. The gradient is that of batch normalisation
 * (Ioffe and Szegedy, 2015, section 3), within a sample and a group:
 * dx = (dy - mean(dy) - y mean(dy y)) / sqrt(variance + epsilon).
 *
 * @param x [N, ..., C]; `groups` divides C.
 */
export function groupNorm(x: tf.Tensor, groups: number, epsilon: number): tf.Tensor {
  const op = tf.customGrad((...args) => {
    const [input, save] = args as unknown as [tf.Tensor, tf.GradSaveFunc];
    const flat = flatten(input);
    const centred = tf.sub(flat, groupMean(flat, groups));
    const inverse = tf.rsqrt(tf.add(groupMean(tf.square(centred) as tf.Tensor3D, groups), epsilon));
    const y = tf.reshape(tf.mul(centred, inverse), input.shape);
    save([y, inverse]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [y0, inverse0] = saved;
      const dy3 = flatten(dy);
      const y3 = flatten(y0);
      const inner = tf.sub(
        tf.sub(dy3, groupMean(dy3, groups)),
        tf.mul(y3, groupMean(tf.mul(dy3, y3) as tf.Tensor3D, groups)),
      );
      return tf.reshape(tf.mul(inner, inverse0), dy.shape);
    };
    return { value: y, gradFunc };
  });
  return op(x);
}
