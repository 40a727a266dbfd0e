import { tf } from "./tf.js";

/** Sizes, strides and padding of a convolution or a pooling, resolved. */
export type ConvInfo = ReturnType<typeof tf.backend_util.computeConv2DInfo>;

/** Kernel and stride of the same size with nothing padded or left over: each input pixel belongs to one window. */
export const tiles = (c: ConvInfo) =>
  c.strideHeight === c.filterHeight &&
  c.strideWidth === c.filterWidth &&
  c.inHeight === c.outHeight * c.filterHeight &&
  c.inWidth === c.outWidth * c.filterWidth;

/**
 * Gradient of a convolution by its filter, as matrix products: the R S shifted windows of the input, channels first,
 * are the rows [R S C, N P Q] of a matrix that multiplies dy [N P Q, K]. The backend has no such kernel (tfjs#8474).
 *
 * @param x [N, H, W, C]
 * @param dy [N, P, Q, K]
 * @param most Numbers in that matrix: a larger one is multiplied in parts, at least a window at a time. (64 maps of 512 x 512
 * pixels under a 7x7 kernel would take 3.3 GB.)
 * @returns [R, S, C, K]
 */
export function convolutionFilterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  info: ConvInfo,
  most = 2 ** 24,
): tf.Tensor4D {
  const { batchSize: n, inChannels: c, outChannels: k, filterHeight: r, filterWidth: s } = info;
  const { outHeight: p, outWidth: q, strideHeight, strideWidth, padInfo } = info;
  return tf.tidy(() => {
    const errors = tf.reshape(dy, [n * p * q, k]);
    const products: tf.Tensor2D[] = [];
    if (tiles(info)) {
      const split = tf.reshape(x, [n, p, r, q, s * c]);
      const windows = tf.reshape(tf.transpose(split, [2, 4, 0, 1, 3]), [r * s * c, n * p * q]);
      products.push(tf.matMul(windows, errors));
    } else {
      const pads: [number, number][] = [
        [0, 0],
        [0, 0],
        [padInfo.top, Math.max(0, padInfo.bottom)],
        [padInfo.left, Math.max(0, padInfo.right)],
      ];
      const padded = tf.pad(tf.transpose(x, [3, 0, 1, 2]), pads);
      const window = (place: number) => {
        const [i, j] = [Math.floor(place / s), place % s];
        if (strideHeight === 1 && strideWidth === 1) return tf.slice(padded, [0, 0, i, j], [c, n, p, q]);
        const end = [c, n, i + (p - 1) * strideHeight + 1, j + (q - 1) * strideWidth + 1];
        return tf.stridedSlice(padded, [0, 0, i, j], end, [1, 1, strideHeight, strideWidth]);
      };
      const together = Math.max(1, Math.floor(most / (c * n * p * q)));
      for (let first = 0; first < r * s; first += together) {
        const places = Array.from({ length: Math.min(together, r * s - first) }, (_, i) => first + i);
        products.push(
          tf.tidy(() => {
            const rows = places.map((place) => tf.reshape(window(place), [c, n * p * q]));
            return tf.matMul(tf.concat(rows, 0) as tf.Tensor2D, errors);
          }),
        );
      }
    }
    return tf.reshape(tf.concat(products, 0), [r, s, c, k]);
  });
}

/**
 * Gradient of a convolution by its input, by means of operations that are fast: kernel = stride (also the forward pass of a 2x2
 * transposed convolution) is a matrix product, everything else a convolution of the errors (tfjs has a scalar loop).
 */
export function convolutionInputGradient(dy: tf.Tensor4D, filter: tf.Tensor4D, info: ConvInfo): tf.Tensor4D {
  const { batchSize: n, inChannels: c, outChannels: k, filterHeight: r, filterWidth: s, padInfo } = info;
  const { outHeight: p, outWidth: q, inHeight: h, inWidth: w } = info;
  if (tiles(info)) {
    return tf.tidy(() => {
      const matrix = tf.reshape(tf.transpose(filter, [3, 0, 1, 2]), [k, r * s * c]);
      const product = tf.matMul(tf.reshape(dy, [n * p * q, k]), matrix);
      return tf.reshape<tf.Rank.R4>(tf.transpose(tf.reshape(product, [n, p, q, r, s * c]), [0, 1, 3, 2, 4]), [
        n,
        h,
        w,
        c,
      ]);
    });
  }
  const covered =
    h + padInfo.top + padInfo.bottom - r + 1 === p && w + padInfo.left + padInfo.right - s + 1 === q;
  const narrow = padInfo.top < r && padInfo.bottom < r && padInfo.left < s && padInfo.right < s;
  if (info.strideHeight !== 1 || info.strideWidth !== 1 || !covered || !narrow)
    return tf.tidy(() => stridedInputGradient(dy, filter, info));
  return tf.tidy(() => {
    const turned = tf.transpose(r * s > 1 ? tf.reverse(filter, [0, 1]) : filter, [0, 1, 3, 2]) as tf.Tensor4D;
    return tf.conv2d(dy, turned, 1, [
      [0, 0],
      [r - 1 - padInfo.top, r - 1 - padInfo.bottom],
      [s - 1 - padInfo.left, s - 1 - padInfo.right],
      [0, 0],
    ]);
  });
}

/**
 * The same for any strides. Along an axis, input pixel stride a + b (counted from the padding's edge) meets error a - t through
 * weight b + stride t alone: for each phase b a convolution of stride 1 with every stride-th weight. All phases are one
 * convolution to as many times the channels, whose result is put together pixel by pixel.
 */
function stridedInputGradient(dy: tf.Tensor4D, filter: tf.Tensor4D, info: ConvInfo): tf.Tensor4D {
  const { batchSize: n, inChannels: c, outChannels: k, filterHeight: r, filterWidth: s, padInfo } = info;
  const { outHeight: p, outWidth: q, inHeight: h, inWidth: w, strideHeight: sh, strideWidth: sw } = info;
  const [tapsHigh, tapsWide] = [Math.ceil(r / sh), Math.ceil(s / sw)];
  const full = tf.pad(filter, [
    [0, tapsHigh * sh - r],
    [0, tapsWide * sw - s],
    [0, 0],
    [0, 0],
  ]);
  // [t, b, u, d, C, K] -> [-t, -u, K, b, d, C]
  const split = tf.reshape(full, [tapsHigh, sh, tapsWide, sw, c, k]);
  const turned = tf.transpose(tf.reverse(split, [0, 2]), [0, 2, 5, 1, 3, 4]);
  const phases = tf.reshape(turned, [tapsHigh, tapsWide, k, sh * sw * c]) as tf.Tensor4D;
  const [rows, columns] = [p + tapsHigh - 1, q + tapsWide - 1];
  const spread = tf.conv2d(dy, phases, 1, [
    [0, 0],
    [tapsHigh - 1, tapsHigh - 1],
    [tapsWide - 1, tapsWide - 1],
    [0, 0],
  ]);
  const apart = tf.reshape(spread, [n * rows, columns, sh, sw * c]);
  const image = tf.reshape(tf.transpose(apart, [0, 2, 1, 3]), [n, rows * sh, columns * sw, c]) as tf.Tensor4D;
  const [top, left] = [padInfo.top, padInfo.left];
  const [high, wide] = [Math.min(h, rows * sh - top), Math.min(w, columns * sw - left)];
  const within = tf.slice(image, [0, top, left, 0], [n, high, wide, c]);
  if (high === h && wide === w) return within;
  return tf.pad(within, [
    [0, 0],
    [0, h - high],
    [0, w - wide],
    [0, 0],
  ]);
}
