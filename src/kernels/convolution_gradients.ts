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
 * are the rows [R S C, P Q] of a matrix that multiplies dy [P Q, K]. The backend has no such kernel (tfjs#8474).
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
  const { outHeight: p, outWidth: q, strideHeight: sh, strideWidth: sw } = info;
  return tf.tidy(() => {
    if (tiles(info)) {
      const split = tf.reshape(x, [n, p, r, q, s * c]);
      const windows = tf.reshape(tf.transpose(split, [2, 4, 0, 1, 3]), [r * s * c, n * p * q]);
      return tf.reshape(tf.matMul(windows, tf.reshape(dy, [n * p * q, k])), [r, s, c, k]);
    }
    // With strides, the pixels that windows start at and those between become maps of their own: then the stride is 1.
    const [high, wide] = [Math.ceil(r / sh), Math.ceil(s / sw)];
    const phases = splitPhases(x, info, p + high - 1, q + wide - 1);
    const images: tf.Tensor4D[] = n === 1 ? [phases] : tf.split(phases, n);
    const errors: tf.Tensor4D[] = n === 1 ? [dy] : tf.split(dy, n);
    const sums = images.map((image, i) => windowProducts(image, errors[i], high, wide, most));
    const filter = tf.reshape(sums.length === 1 ? sums[0] : tf.addN(sums), [high, wide, sh, sw, c, k]);
    const whole = tf.reshape(tf.transpose(filter, [0, 2, 1, 3, 4, 5]), [high * sh, wide * sw, c, k]);
    return tf.slice(whole as tf.Tensor4D, [0, 0, 0, 0], [r, s, c, k]);
  });
}

/** The padded image, with the pixels of each stride's square as so many times the maps: [N, rows, columns, strides C]. */
function splitPhases(x: tf.Tensor4D, info: ConvInfo, rows: number, columns: number): tf.Tensor4D {
  const { batchSize: n, inHeight: h, inWidth: w, inChannels: c, strideHeight: sh, strideWidth: sw } = info;
  const { top, left } = info.padInfo;
  const [high, wide] = [rows * sh, columns * sw];
  const padded = tf.pad(x, [
    [0, 0],
    [top, Math.max(0, high - top - h)],
    [left, Math.max(0, wide - left - w)],
    [0, 0],
  ]);
  const cut = tf.slice(padded, [0, 0, 0, 0], [n, high, wide, c]);
  if (sh === 1 && sw === 1) return cut;
  const squares = tf.transpose(tf.reshape(cut, [n, rows, sh, columns, sw * c]), [0, 1, 3, 2, 4]);
  return tf.reshape(squares, [n, rows, columns, sh * sw * c]) as tf.Tensor4D;
}

/**
 * The products of an image's windows with the errors, for a kernel of `high` x `wide` without padding or stride.
 *
 * Rows of windows are cut out of the padded image with its full width, one piece a map instead of one a row; to what runs over the
 * edge belong errors of 0.
 *
 * @param image [1, P + high - 1, Q + wide - 1, C]
 * @param errors [1, P, Q, K]
 * @returns [high wide C, K]
 */
function windowProducts(
  image: tf.Tensor4D,
  errors: tf.Tensor4D,
  high: number,
  wide: number,
  most: number,
): tf.Tensor2D {
  const [, height, width, c] = image.shape;
  const [, p, q, k] = errors.shape;
  const length = p * width;
  return tf.tidy(() => {
    const maps = tf.transpose(tf.reshape(image, [height * width, c]), [1, 0]) as tf.Tensor2D;
    // The last window runs over the end.
    const flat = tf.pad(maps, [
      [0, 0],
      [0, wide - 1],
    ]);
    const full = tf.pad(tf.reshape(errors, [p, q, k]), [
      [0, 0],
      [0, width - q],
      [0, 0],
    ]);
    const factor = tf.reshape(full, [length, k]) as tf.Tensor2D;
    const together = Math.max(1, Math.floor(most / (c * length)));
    const products: tf.Tensor2D[] = [];
    for (let first = 0; first < high * wide; first += together) {
      const places = Array.from({ length: Math.min(together, high * wide - first) }, (_, i) => first + i);
      products.push(
        tf.tidy(() => {
          const windows = places.map((place) => {
            const start = Math.floor(place / wide) * width + (place % wide);
            return tf.slice(flat, [0, start], [c, length]);
          });
          return tf.matMul(tf.concat(windows, 0) as tf.Tensor2D, factor);
        }),
      );
    }
    return tf.concat(products, 0) as tf.Tensor2D;
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
    const turned = tf.transpose(turnedFilter(filter), [0, 1, 3, 2]) as tf.Tensor4D;
    return tf.conv2d(dy, turned, 1, [
      [0, 0],
      [r - 1 - padInfo.top, r - 1 - padInfo.bottom],
      [s - 1 - padInfo.left, s - 1 - padInfo.right],
      [0, 0],
    ]);
  });
}

/** A filter by 180 degrees, in pieces: `tf.reverse` and `tf.gather` go number by number. */
function turnedFilter(filter: tf.Tensor4D): tf.Tensor4D {
  const [r, s, c, k] = filter.shape;
  if (r * s === 1) return filter;
  const places = tf.split(tf.reshape(filter, [r * s, c * k]) as tf.Tensor2D, r * s);
  return tf.reshape(tf.concat(places.reverse(), 0), filter.shape);
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
  // [t, b, u, d, C, K] -> [t, u, K, b, d, C], then t and u backwards.
  const split = tf.reshape(full, [tapsHigh, sh, tapsWide, sw, c, k]);
  const sorted = tf.reshape(tf.transpose(split, [0, 2, 5, 1, 3, 4]), [tapsHigh, tapsWide, k, sh * sw * c]);
  const phases = turnedFilter(sorted as tf.Tensor4D);
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
