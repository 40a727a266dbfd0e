import { type ConvAttributes, convolutionInfo } from "./convolution_attributes.js";
import { convolutionFilterGradient, convolutionInputGradient } from "./convolution_gradients.js";
import { maxPoolGradient } from "./max_pool_gradient.js";
import { tf } from "./tf.js";

type KernelArguments = Parameters<tf.KernelFunc>[0];

const asTensor = (info: unknown) => info as tf.Tensor4D;

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
  replace("Conv2DBackpropInput", () => ({ inputs, attrs }) => {
    const attributes = attrs as unknown as ConvAttributes;
    const [dy, filter] = [asTensor(inputs.dy), asTensor(inputs.filter)];
    return convolutionInputGradient(
      dy,
      filter,
      convolutionInfo(attributes.inputShape, filter.shape, attributes),
    );
  });
  for (const name of ["BatchMatMul", "_FusedMatMul"]) replace(name, (original) => withOwnMatrix(original!));
  for (const name of ["Sum", "Mean"] as const) {
    replace(name, (original) => (args) => {
      const { axis, keepDims } = args.attrs as unknown as { axis: number | number[]; keepDims: boolean };
      const x = args.inputs.x as unknown as tf.Tensor;
      const kept = samplesKept(x, axis);
      if (kept === null) return original!(args);
      return tf.tidy(() => {
        const [samples, channels] = [x.shape.slice(0, kept), x.shape[x.rank - 1]];
        const count = samples.reduce((a, b) => a * b, 1);
        const sum = sumBeforeChannels(tf.reshape(x, [count, x.size / (count * channels), channels]));
        const result = name === "Mean" ? tf.mul(sum, (count * channels) / x.size) : sum;
        const reduced = keepDims ? x.shape.slice(kept, -1).map(() => 1) : [];
        return tf.reshape(result, [...samples, ...reduced, channels]);
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
 * Sum over the middle axis, as products with a row of ones: the kernel of tfjs walks down the columns and takes
 * seventy times as long. Up to 512 interleaved partial sums keep the rounding small.
 *
 * @param x [N, P, C], float32
 * @returns [N, 1, C]
 */
function sumBeforeChannels(x: tf.Tensor3D): tf.Tensor3D {
  const [n, rows, channels] = x.shape;
  let parts = 1;
  while (parts < 512 && rows % (2 * parts) === 0) parts *= 2;
  const ones = (count: number) => tf.ones([n, 1, count]) as tf.Tensor3D;
  const wide = tf.reshape(x, [n, rows / parts, parts * channels]);
  const partial = tf.reshape(tf.matMul(ones(rows / parts), wide), [n, parts, channels]) as tf.Tensor3D;
  return tf.matMul(ones(parts), partial);
}

/**
 * How many leading axes a reduction leaves alone when it is over all the others but the last, of numbers that are worth it; null for
 * other reductions.
 */
function samplesKept(x: tf.Tensor, axis: number | number[]): number | null {
  const axes = [...tf.util.parseAxisParam(axis, x.shape)].sort((a, b) => a - b);
  const [first] = axes;
  const middle = axes.length === x.rank - 1 - first && axes.every((a, i) => a === first + i);
  return x.dtype === "float32" && x.size > 0 && axes.length > 0 && middle && first <= 1 ? first : null;
}
