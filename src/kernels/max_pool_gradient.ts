import { type ConvInfo, tiles } from "./convolution_gradients.js";
import { tf } from "./tf.js";

/**
 * Gradient of max pooling with any window: for each place in the window, the input pixels there that are the maximum get
 * the error, the first of several equal ones alone (as TensorFlow does).
 *
 * @param x [N, H, W, C]
 * @param y, dy [N, P, Q, C]
 * @returns [N, H, W, C]
 */
export function maxPoolGradient(
  x: tf.Tensor4D,
  y: tf.Tensor4D,
  dy: tf.Tensor4D,
  info: ConvInfo,
): tf.Tensor4D {
  return tf.tidy(() =>
    tiles(info) ? tiledPoolGradient(x, y, dy, info) : overlappingPoolGradient(x, y, dy, info),
  );
}

/** Gives each error to the first place of its window that holds the maximum. `claim` must be called place by place. */
function claimer(y: tf.Tensor, dy: tf.Tensor): (window: tf.Tensor) => tf.Tensor {
  let free: tf.Tensor = tf.onesLike(y);
  return (window) => {
    const hit = tf.mul(tf.cast(tf.equal(window, y), "float32"), free);
    free = tf.sub(free, hit);
    return tf.mul(hit, dy);
  };
}

/** Windows side by side: the errors of the places of a window, put together again, are the gradient. */
function tiledPoolGradient(x: tf.Tensor4D, y: tf.Tensor4D, dy: tf.Tensor4D, info: ConvInfo): tf.Tensor4D {
  const { batchSize: n, inChannels: c, outHeight: p, outWidth: q, filterHeight: r, filterWidth: s } = info;
  const split = tf.reshape(x, [n * p, r, q, s * c]);
  const claim = claimer(tf.reshape(y, [n * p, q, c]), tf.reshape(dy, [n * p, q, c]));
  const rows = Array.from({ length: r }, (_, i) => {
    const places = Array.from({ length: s }, (_, j) =>
      claim(tf.reshape(tf.slice(split, [0, i, 0, j * c], [n * p, 1, q, c]), [n * p, q, c])),
    );
    return tf.reshape(tf.concat(places, 2), [n * p, 1, q * s * c]);
  });
  return tf.reshape(tf.concat(rows, 1), x.shape);
}

function overlappingPoolGradient(
  x: tf.Tensor4D,
  y: tf.Tensor4D,
  dy: tf.Tensor4D,
  info: ConvInfo,
): tf.Tensor4D {
  const {
    padInfo,
    strideHeight: sh,
    strideWidth: sw,
    outHeight: p,
    outWidth: q,
    batchSize: n,
    inChannels: c,
  } = info;
  const { inHeight: h, inWidth: w, effectiveFilterHeight: r, effectiveFilterWidth: s } = info;
  const height = Math.max(h + padInfo.top, (p - 1) * sh + r);
  const width = Math.max(w + padInfo.left, (q - 1) * sw + s);
  const pads = (top: number, bottom: number, left: number, right: number): [number, number][] => [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  const border = pads(padInfo.top, height - h - padInfo.top, padInfo.left, width - w - padInfo.left);
  const padded = tf.pad(x, border, Number.NEGATIVE_INFINITY);
  const claim = claimer(y, dy);
  const rows = (p - 1) * sh + 1;
  const columns = (q - 1) * sw + 1;
  let total: tf.Tensor = tf.zeros([n, height, width, c]);
  for (let i = 0; i < r; i++) {
    for (let j = 0; j < s; j++) {
      const window = tf.stridedSlice(padded, [0, i, j, 0], [n, i + rows, j + columns, c], [1, sh, sw, 1]);
      const spread = spreadStrided(claim(window) as tf.Tensor4D, sh, sw);
      total = tf.add(total, tf.pad(spread, pads(i, height - i - rows, j, width - j - columns)));
    }
  }
  return tf.slice(total as tf.Tensor4D, [0, padInfo.top, padInfo.left, 0], [n, h, w, c]);
}

/** [N, P, Q, C] -> [N, (P-1) sh + 1, (Q-1) sw + 1, C] with zeros between the values. */
function spreadStrided(t: tf.Tensor4D, sh: number, sw: number): tf.Tensor4D {
  const [n, p, q, c] = t.shape;
  const right = tf.pad(tf.reshape(t, [n * p, q, 1, c]), [
    [0, 0],
    [0, 0],
    [0, sw - 1],
    [0, 0],
  ]);
  const below = tf.pad(tf.reshape(right, [n, p, 1, q * sw * c]), [
    [0, 0],
    [0, 0],
    [0, sh - 1],
    [0, 0],
  ]);
  const spread = tf.reshape(below, [n, p * sh, q * sw, c]) as tf.Tensor4D;
  return tf.slice(spread, [0, 0, 0, 0], [n, (p - 1) * sh + 1, (q - 1) * sw + 1, c]);
}
