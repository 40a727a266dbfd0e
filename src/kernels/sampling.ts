import { tf } from "./tf.js";

/** Axes of [N, H, W, C] that are an image's. */
type Side = 1 | 2;

/** Part first..first + length - 1 along an axis. */
function part(x: tf.Tensor4D, axis: Side, first: number, length: number): tf.Tensor4D {
  const begin = [0, 0, 0, 0];
  const size = [...x.shape] as number[];
  begin[axis] = first;
  size[axis] = length;
  return tf.slice(x, begin, size) as tf.Tensor4D;
}

/** Zeros around, along an axis. */
function zeros(x: tf.Tensor4D, axis: Side, before: number, after: number): tf.Tensor4D {
  const pads: [number, number][] = [
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 0],
  ];
  pads[axis] = [before, after];
  return tf.pad(x, pads) as tf.Tensor4D;
}

/** The even- and odd-numbered parts along an axis of even length. */
function deinterleave(x: tf.Tensor4D, axis: Side): [even: tf.Tensor4D, odd: tf.Tensor4D] {
  const [n, h, w, c] = x.shape;
  const [outer, inner] = axis === 1 ? [n * (h / 2), w * c] : [n * h * (w / 2), c];
  const shape: [number, number, number, number] = axis === 1 ? [n, h / 2, w, c] : [n, h, w / 2, c];
  const pairs = tf.reshape(x, [outer, 2 * inner]) as tf.Tensor2D;
  const take = (at: number) =>
    tf.reshape(tf.slice(pairs, [0, at * inner], [outer, inner]), shape) as tf.Tensor4D;
  return [take(0), take(1)];
}

/** The inverse of `deinterleave`. */
function interleave(even: tf.Tensor4D, odd: tf.Tensor4D, axis: Side): tf.Tensor4D {
  const [n, h, w, c] = even.shape;
  const [outer, inner] = axis === 1 ? [n * h, w * c] : [n * h * w, c];
  const pairs = tf.concat([tf.reshape(even, [outer, inner]), tf.reshape(odd, [outer, inner])], 1);
  return tf.reshape(pairs, axis === 1 ? [n, 2 * h, w, c] : [n, h, 2 * w, c]) as tf.Tensor4D;
}

function checkReflection(shape: readonly number[], size: number): void {
  if (shape[1] <= size || shape[2] <= size)
    throw new Error(
      `an image of ${shape[1]} x ${shape[2]} pixels cannot be padded by the reflection of ${size}`,
    );
}

const mirrored = (x: tf.Tensor4D, size: number) =>
  tf.mirrorPad(
    x,
    [
      [0, 0],
      [size, size],
      [size, size],
      [0, 0],
    ],
    "reflect",
  ) as tf.Tensor4D;

/** The adjoint of a reflection: what was copied into the border goes back to where it came from. */
function unreflect(dy: tf.Tensor4D, axis: Side, size: number): tf.Tensor4D {
  const length = dy.shape[axis] - 2 * size;
  const first = tf.reverse(part(dy, axis, 0, size), axis) as tf.Tensor4D;
  const last = tf.reverse(part(dy, axis, size + length, size), axis) as tf.Tensor4D;
  return tf.addN([
    part(dy, axis, size, length),
    zeros(first, axis, 1, length - size - 1),
    zeros(last, axis, length - size - 1, 1),
  ]);
}

/**
 * Reflection padding without repeating the edge, as `numpy.pad(mode="reflect")` and PyTorch's ReflectionPad2d. The gradient of
 * `tf.mirrorPad` forgets the border, on every backend.
 * @param x [N, H, W, C]; H, W > size. @returns [N, H + 2 size, W + 2 size, C]
 */
export function reflectionPad(x: tf.Tensor4D, size: number): tf.Tensor4D {
  checkReflection(x.shape, size);
  const op = tf.customGrad((input) => ({
    value: mirrored(input as tf.Tensor4D, size),
    gradFunc: (dy: tf.Tensor) => unreflect(unreflect(dy as tf.Tensor4D, 1, size), 2, size),
  }));
  return op(x) as tf.Tensor4D;
}

/** [1, 2, 1] x [1, 2, 1] / 16 for each of `channels` maps. */
function blurFilter(channels: number): tf.Tensor4D {
  const weights = [1, 2, 1, 2, 4, 2, 1, 2, 1].map((v) => v / 16);
  return tf.tile(tf.tensor4d(weights, [3, 3, 1, 1]), [1, 1, channels, 1]);
}

/**
 * The adjoint of one axis of the blur: y[i] = (x[2i - 1] + 2 x[2i] + x[2i + 1]) / 4 gives an even pixel dy[i] / 2 and the odd one
 * after it (dy[i] + dy[i + 1]) / 4; what the reflections at the ends read is added to pixels 1 and length - 2.
 */
function unblur(dy: tf.Tensor4D, axis: Side, length: number): tf.Tensor4D {
  const half = dy.shape[axis];
  const quarter = tf.mul(dy, 0.25) as tf.Tensor4D;
  const next = half > 1 ? zeros(part(quarter, axis, 1, half - 1), axis, 0, 1) : tf.zerosLike(quarter);
  let odd = tf.add(quarter, next) as tf.Tensor4D;
  odd = tf.add(odd, zeros(part(quarter, axis, 0, 1), axis, 0, half - 1));
  const whole = interleave(tf.mul(dy, 0.5) as tf.Tensor4D, odd, axis);
  if (length % 2 === 0) return whole;
  // The last odd pixel lies beyond the image: it is the reflection of the one before the last even pixel.
  const beyond = part(whole, axis, length, 1);
  return tf.add(part(whole, axis, 0, length), zeros(beyond, axis, length - 2, 1)) as tf.Tensor4D;
}

/**
 * Anti-aliased halving (Zhang, 2019, "Making Convolutional Networks Shift-Invariant Again"): a [1, 2, 1] blur in both
 * directions behind a reflection by one pixel, read at every other pixel.
 * @param x [N, H, W, C]; H, W >= 2. @returns [N, ceil(H / 2), ceil(W / 2), C]
 */
export function blurDownsample(x: tf.Tensor4D): tf.Tensor4D {
  checkReflection(x.shape, 1);
  const [, height, width, channels] = x.shape;
  const op = tf.customGrad((input) => ({
    value: tf.depthwiseConv2d(mirrored(input as tf.Tensor4D, 1), blurFilter(channels), 2, "valid"),
    gradFunc: (dy: tf.Tensor) => unblur(unblur(dy as tf.Tensor4D, 1, height), 2, width),
  }));
  return op(x) as tf.Tensor4D;
}

/**
 * One axis of the doubling: between x[i - 1] and x[i] lie 3/4 x[i] + 1/4 x[i - 1] and (after the middle) the other way
 * round; the ends are repeated.
 */
function double(x: tf.Tensor4D, axis: Side): tf.Tensor4D {
  const n = x.shape[axis];
  const near = tf.mul(x, 0.75) as tf.Tensor4D;
  const far = tf.mul(x, 0.25) as tf.Tensor4D;
  const [first, last] = [part(far, axis, 0, 1), part(far, axis, n - 1, 1)];
  const before = n > 1 ? tf.concat([first, part(far, axis, 0, n - 1)], axis) : far;
  const after = n > 1 ? tf.concat([part(far, axis, 1, n - 1), last], axis) : far;
  return interleave(tf.add(near, before) as tf.Tensor4D, tf.add(near, after) as tf.Tensor4D, axis);
}

/** The adjoint of `double`: the same filter read at every other pixel, the ends again repeated. */
function undouble(dy: tf.Tensor4D, axis: Side): tf.Tensor4D {
  const [even, odd] = deinterleave(dy, axis);
  const n = even.shape[axis];
  const shifted = (near: tf.Tensor4D, far: tf.Tensor4D) => (n > 1 ? tf.concat([near, far], axis) : near);
  const next = n > 1 ? shifted(part(even, axis, 1, n - 1), part(odd, axis, n - 1, 1)) : odd;
  const previous = n > 1 ? shifted(part(even, axis, 0, 1), part(odd, axis, 0, n - 1)) : even;
  return tf.add(tf.mul(tf.add(even, odd), 0.75), tf.mul(tf.add(next, previous), 0.25)) as tf.Tensor4D;
}

/**
 * Bilinear doubling of an image's edges as PyTorch has it with `align_corners=False` (half-pixel centres, ends repeated). The
 * gradient of `tf.image.resizeBilinear` is wrong with half-pixel centres, on every backend.
 * @param x [N, H, W, C] @returns [N, 2 H, 2 W, C]
 */
export function bilinearUpsample(x: tf.Tensor4D): tf.Tensor4D {
  const op = tf.customGrad((input) => ({
    value: double(double(input as tf.Tensor4D, 1), 2),
    gradFunc: (dy: tf.Tensor) => undouble(undouble(dy as tf.Tensor4D, 2), 1),
  }));
  return op(x) as tf.Tensor4D;
}
