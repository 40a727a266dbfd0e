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

/** even[0], odd[0], even[1], ... along an axis. */
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

/** Border by reflection without ("reflect") or with ("symmetric") the edge itself. */
const bordered = (x: tf.Tensor4D, size: number, mode: "reflect" | "symmetric") =>
  tf.mirrorPad(
    x,
    [
      [0, 0],
      [size, size],
      [size, size],
      [0, 0],
    ],
    mode,
  ) as tf.Tensor4D;

/** The adjoint of a reflection: what was copied into the border goes back to where it came from. */
function unreflect(dy: tf.Tensor4D, axis: Side, size: number): tf.Tensor4D {
  const length = dy.shape[axis] - 2 * size;
  const folded = (x: tf.Tensor4D, to: number, from: number) => {
    const border = part(x, axis, from, size);
    return tf.add(part(x, axis, to, size), size > 1 ? tf.reverse(border, axis) : border) as tf.Tensor4D;
  };
  const left = tf.concat(
    [part(dy, axis, size, 1), folded(dy, size + 1, 0), part(dy, axis, 2 * size + 1, length - 1)],
    axis,
  );
  const last = length - 1;
  const right = folded(left, last - size, length);
  const start = last > size ? [part(left, axis, 0, last - size)] : [];
  return tf.concat([...start, right, part(left, axis, last, 1)], axis);
}

/**
 * Reflection padding without repeating the edge, as `numpy.pad(mode="reflect")` and PyTorch's ReflectionPad2d. The gradient of
 * `tf.mirrorPad` forgets the border, on every backend.
 * @param x [N, H, W, C]; H, W > size. @returns [N, H + 2 size, W + 2 size, C]
 */
export function reflectionPad(x: tf.Tensor4D, size: number): tf.Tensor4D {
  checkReflection(x.shape, size);
  const op = tf.customGrad((input) => ({
    value: bordered(input as tf.Tensor4D, size, "reflect"),
    gradFunc: (dy: tf.Tensor) => unreflect(unreflect(dy as tf.Tensor4D, 1, size), 2, size),
  }));
  return op(x) as tf.Tensor4D;
}

/** The same separable filter for each of `channels` maps. */
function filter(weights: readonly number[], divisor: number, channels: number): tf.Tensor4D {
  const size = weights.length;
  const square = weights.flatMap((a) => weights.map((b) => (a * b) / divisor ** 2));
  return tf.tile(tf.tensor4d(square, [size, size, 1, 1]), [1, 1, channels, 1]);
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
    value: tf.depthwiseConv2d(
      bordered(input as tf.Tensor4D, 1, "reflect"),
      filter([1, 2, 1], 4, channels),
      2,
      "valid",
    ),
    gradFunc: (dy: tf.Tensor) => unblur(unblur(dy as tf.Tensor4D, 1, height), 2, width),
  }));
  return op(x) as tf.Tensor4D;
}

/**
 * Bilinear doubling of an image's edges as PyTorch has it with `align_corners=False` (half-pixel centres, ends repeated): a new
 * pixel is 3/4 of the near and 1/4 of the far one. The gradient of `tf.image.resizeBilinear` is wrong with half-pixel
 * centres, on every backend; the right one is the filter [1, 3, 3, 1] / 4 along both axes, read at every other pixel, the
 * ends again repeated.
 * @param x [N, H, W, C] @returns [N, 2 H, 2 W, C]
 */
export function bilinearUpsample(x: tf.Tensor4D): tf.Tensor4D {
  const [, height, width, channels] = x.shape;
  const op = tf.customGrad((input) => ({
    value: tf.image.resizeBilinear(input as tf.Tensor4D, [2 * height, 2 * width], false, true),
    gradFunc: (dy: tf.Tensor) =>
      tf.depthwiseConv2d(
        bordered(dy as tf.Tensor4D, 1, "symmetric"),
        filter([1, 3, 3, 1], 4, channels),
        2,
        "valid",
      ),
  }));
  return op(x) as tf.Tensor4D;
}
