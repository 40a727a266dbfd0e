import {
  type ConvInfo,
  convolutionFilterGradient,
  convolutionInputGradient,
} from "./convolution_gradients.js";
import { maxPoolGradient } from "./max_pool_gradient.js";
import { tf } from "./tf.js";

type KernelArguments = Parameters<tf.KernelFunc>[0];
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
