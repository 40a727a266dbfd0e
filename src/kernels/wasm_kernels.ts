import { tf } from "./tf.js";

type KernelArguments = Parameters<tf.KernelFunc>[0];
type ConvInfo = ReturnType<typeof tf.backend_util.computeConv2DInfo>;
interface ConvAttributes {
  strides: number | [number, number];
  pad: "valid" | "same" | number | [[number, number], [number, number], [number, number], [number, number]];
  dataFormat: "NHWC" | "NCHW";
  dimRoundingMode?: "floor" | "round" | "ceil";
  inputShape: [number, number, number, number];
  filterShape: [number, number, number, number];
}

const asTensor = (info: unknown) => info as tf.Tensor4D;

function convolutionInfo(
  inputShape: ConvAttributes["inputShape"],
  filterShape: ConvAttributes["filterShape"],
  attributes: ConvAttributes,
): ConvInfo {
  const { strides, pad, dimRoundingMode, dataFormat } = attributes;
  if (dataFormat && dataFormat !== "NHWC")
    throw new Error(`wasm gradients know NHWC only, not ${dataFormat}`);
  return tf.backend_util.computeConv2DInfo(
    inputShape,
    filterShape,
    strides,
    1,
    pad as never,
    dimRoundingMode,
    false,
    "channelsLast",
  );
}

/** Kernel and stride of the same size with nothing padded or left over: each input pixel belongs to one window. */
const tiles = (c: ConvInfo) =>
  c.strideHeight === c.filterHeight &&
  c.strideWidth === c.filterWidth &&
  c.inHeight === c.outHeight * c.filterHeight &&
  c.inWidth === c.outWidth * c.filterWidth;

/**
 * Gradient of a convolution by its filter, as one matrix product: the R S shifted windows of the input, channels first,
 * are the rows [R S C, N P Q] of a matrix that multiplies dy [N P Q, K]. The backend has no such kernel (tfjs#8474).
 *
 * @param x [N, H, W, C]
 * @param dy [N, P, Q, K]
 * @returns [R, S, C, K]
 */
export function convolutionFilterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, info: ConvInfo): tf.Tensor4D {
  const { batchSize: n, inChannels: c, outChannels: k, filterHeight: r, filterWidth: s } = info;
  const { outHeight: p, outWidth: q, strideHeight, strideWidth, padInfo } = info;
  return tf.tidy(() => {
    const errors = tf.reshape(dy, [n * p * q, k]);
    let windows: tf.Tensor2D;
    if (tiles(info)) {
      const split = tf.reshape(x, [n, p, r, q, s * c]);
      windows = tf.reshape(tf.transpose(split, [2, 4, 0, 1, 3]), [r * s * c, n * p * q]);
    } else {
      const pads: [number, number][] = [
        [0, 0],
        [0, 0],
        [padInfo.top, Math.max(0, padInfo.bottom)],
        [padInfo.left, Math.max(0, padInfo.right)],
      ];
      const padded = tf.pad(tf.transpose(x, [3, 0, 1, 2]), pads);
      const rows: tf.Tensor[] = [];
      for (let i = 0; i < r; i++) {
        for (let j = 0; j < s; j++) {
          const window =
            strideHeight === 1 && strideWidth === 1
              ? tf.slice(padded, [0, 0, i, j], [c, n, p, q])
              : tf.stridedSlice(
                  padded,
                  [0, 0, i, j],
                  [c, n, i + (p - 1) * strideHeight + 1, j + (q - 1) * strideWidth + 1],
                  [1, 1, strideHeight, strideWidth],
                );
          rows.push(tf.reshape(window, [c, n * p * q]));
        }
      }
      windows = tf.concat(rows, 0) as tf.Tensor2D;
    }
    return tf.reshape(tf.matMul(windows, errors), [r, s, c, k]);
  });
}

/**
 * Gradient of a convolution by its input where that is itself a fast operation: stride 1 is a convolution with the
 * turned filter, kernel = stride (also the forward pass of a 2x2 transposed convolution) is a matrix product.
 * @returns null for the other strides.
 */
export function convolutionInputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  info: ConvInfo,
): tf.Tensor4D | null {
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
  if (info.strideHeight !== 1 || info.strideWidth !== 1 || !covered || !narrow) return null;
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

/** Shape in which the data of a tensor was first the second factor of a product. */
const matrixShapes = new WeakMap<object, string>();

/**
 * The backend keeps a packed copy of a product's second factor, found again by its data alone: the same data in another
 * shape (a reshape shares data) is then multiplied in the first shape, beyond its end. Such a factor is copied.
 */
function withOwnMatrix(original: (args: KernelArguments) => unknown) {
  return (args: KernelArguments) => {
    const b = args.inputs.b as tf.TensorInfo;
    const shape = `${b.shape.join()} ${args.attrs?.transposeB}`;
    const first = matrixShapes.get(b.dataId);
    if (first === undefined) matrixShapes.set(b.dataId, shape);
    if (first === undefined || first === shape) return original(args);
    const copy = tf.clone(b as tf.Tensor);
    const product = original({ ...args, inputs: { ...args.inputs, b: copy } });
    copy.dispose();
    return product;
  };
}

let installed = false;

/** Replaces what the wasm backend of tfjs 4.22.0 lacks, has wrong, or does in a scalar loop. Idempotent. */
export function installWasmKernels(): void {
  if (installed) return;
  installed = true;
  const replace = (
    name: string,
    make: (original: tf.KernelFunc | undefined) => (args: KernelArguments) => unknown,
  ) => {
    const original = tf.getKernel(name, "wasm");
    if (original) tf.unregisterKernel(name, "wasm");
    const run = make(original?.kernelFunc);
    tf.registerKernel({
      ...original,
      kernelName: name,
      backendName: "wasm",
      kernelFunc: run as tf.KernelFunc,
    });
  };
  replace("Conv2DBackpropFilter", () => ({ inputs, attrs }) => {
    const attributes = attrs as unknown as ConvAttributes;
    const [x, dy] = [asTensor(inputs.x), asTensor(inputs.dy)];
    return convolutionFilterGradient(x, dy, convolutionInfo(x.shape, attributes.filterShape, attributes));
  });
  replace("Conv2DBackpropInput", (original) => (args) => {
    const attributes = args.attrs as unknown as ConvAttributes;
    const [dy, filter] = [asTensor(args.inputs.dy), asTensor(args.inputs.filter)];
    const info = convolutionInfo(attributes.inputShape, filter.shape, attributes);
    return convolutionInputGradient(dy, filter, info) ?? original!(args);
  });
  for (const name of ["BatchMatMul", "_FusedMatMul"]) replace(name, (original) => withOwnMatrix(original!));
  for (const name of ["Sum", "Mean"] as const) {
    replace(name, (original) => (args) => {
      const { axis, keepDims } = args.attrs as unknown as { axis: number | number[]; keepDims: boolean };
      const x = args.inputs.x as unknown as tf.Tensor;
      if (!leadsToChannels(x, axis)) return original!(args);
      const channels = x.shape[x.rank - 1];
      return tf.tidy(() => {
        const sum = sumLeadingAxes(x);
        const result = name === "Mean" ? tf.div(sum, x.size / channels) : sum;
        return keepDims ? tf.reshape(result, [...x.shape.slice(0, -1).map(() => 1), channels]) : result;
      });
    });
  }
  // tfjs starts the maximum of a window at 0: the gradient of windows of negative values goes astray.
  replace("MaxPoolGrad", () => ({ inputs, attrs }) => {
    const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as {
      filterSize: number | [number, number];
      strides: number | [number, number];
      pad: "valid" | "same" | number;
      dimRoundingMode?: "floor" | "round" | "ceil";
    };
    const [dy, x] = [asTensor(inputs.dy), asTensor(inputs.input)];
    const info = tf.backend_util.computePool2DInfo(x.shape, filterSize, strides, 1, pad, dimRoundingMode);
    return maxPoolGradient(x, asTensor(inputs.output), dy, info);
  });
}

/**
 * Sum over all axes but the last, as products with a row of ones: the kernel of tfjs walks down the columns and takes
 * seventy times as long. Up to 512 interleaved partial sums keep the rounding small.
 *
 * @param x [..., C], float32
 * @returns [C]
 */
export function sumLeadingAxes(x: tf.Tensor): tf.Tensor1D {
  const channels = x.shape[x.rank - 1];
  const rows = x.size / channels;
  let parts = 1;
  while (parts < 512 && rows % (2 * parts) === 0) parts *= 2;
  return tf.tidy(() => {
    const wide = tf.reshape(x, [rows / parts, parts * channels]) as tf.Tensor2D;
    const partial = tf.reshape(tf.matMul(tf.ones([1, rows / parts]), wide), [parts, channels]) as tf.Tensor2D;
    return tf.reshape(tf.matMul(tf.ones([1, parts]), partial), [channels]);
  });
}

/** Whether a reduction is over all axes but the last, of numbers that are worth it. */
function leadsToChannels(x: tf.Tensor, axis: number | number[]): boolean {
  const axes = tf.util.parseAxisParam(axis, x.shape);
  return (
    x.dtype === "float32" &&
    x.size > 0 &&
    axes.length === x.rank - 1 &&
    !axes.includes(x.rank - 1) &&
    x.rank > 1
  );
}

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
