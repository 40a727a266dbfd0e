import { expect } from "vitest";
import { tf } from "../../../src/kernels/tf.js";

/** What test/golden/networks.py stores of a tensor: channels last. */
export interface Sample {
  readonly shape: readonly number[];
  readonly sum: number;
  readonly values: readonly number[];
}

/** The same formula as `fill` of test/golden/networks.py: values in PyTorch's order of `count` elements. */
export function fill(name: string, count: number, low = -1, high = 1): Float32Array {
  let key = 0;
  for (let j = 0; j < name.length; j++) key += name.charCodeAt(j) * (j + 1);
  return Float32Array.from({ length: count }, (_, i) => {
    const v = (i + 1) * (i + 2) * 0.6180339887498949 + key * 0.7548776662466927;
    return low + (high - low) * (v - Math.floor(v));
  });
}

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** A tensor of PyTorch's shape [N, C, H, W] or [N, C], channels last. */
export function image(name: string, shape: readonly number[], low = -1): tf.Tensor {
  return tf.tidy(() => {
    const values = tf.tensor(fill(name, sizeOf(shape), low, 1), [...shape]);
    return shape.length === 4 ? tf.transpose(values, [0, 2, 3, 1]) : values;
  });
}

/** PyTorch's shape, and where its axes are in ours. */
function torchLayout(
  layer: string,
  shape: readonly number[],
): { shape: number[]; order: number[]; fanIn: number } {
  if (layer === "Dense") return { shape: [shape[1], shape[0]], order: [1, 0], fanIn: shape[0] };
  const [height, width, third, fourth] = shape;
  const fanIn = layer === "Conv2DTranspose" ? fourth : height * width * third;
  return { shape: [fourth, third, height, width], order: [2, 3, 1, 0], fanIn };
}

/**
 * Gives every weight the value that test/golden/networks.py gives it.
 * @param flattened By the name of a dense layer on a flattened image: [H, W, C] of that image, which PyTorch flattens channels first.
 */
export function setTorchWeights(
  model: tf.LayersModel,
  flattened: Readonly<Record<string, readonly [number, number, number]>> = {},
): void {
  for (const layer of model.layers) {
    for (const weight of layer.weights) {
      const name = weight.originalName;
      const shape = weight.shape as number[];
      const kind = name.split("/")[1];
      const value = tf.tidy(() => {
        if (kind !== "kernel") {
          const [low, high] = /variance|gamma/.test(kind)
            ? [0.5, 1.5]
            : kind === "bias"
              ? [-0.2, 0.2]
              : [-0.3, 0.3];
          return tf.tensor(fill(name, sizeOf(shape), low, high), shape);
        }
        const torch = torchLayout(layer.getClassName(), shape);
        const bound = Math.sqrt(3 / torch.fanIn);
        let kernel: tf.Tensor = tf.tensor(fill(name, sizeOf(shape), -bound, bound), torch.shape);
        const part = flattened[layer.name];
        if (part) {
          const [h, w, c] = part;
          kernel = tf.reshape(
            tf.transpose(tf.reshape(kernel, [shape[1], c, h, w]), [0, 2, 3, 1]),
            torch.shape,
          );
        }
        return tf.transpose(kernel, torch.order);
      });
      weight.write(value);
      value.dispose();
    }
  }
}

/** Compares a tensor with the golden sample: each stored value within `tolerance` of their largest. Disposes it. */
export async function expectSample(tensor: tf.Tensor, golden: Sample, tolerance = 2e-5): Promise<void> {
  const { shape } = tensor;
  const data = (await tensor.data()) as Float32Array;
  tensor.dispose();
  expect(shape).toEqual(golden.shape);
  const scale = Math.max(...golden.values.map(Math.abs));
  expect(scale).toBeGreaterThan(0);
  golden.values.forEach((value, i) => {
    const at = data.length < 48 ? i : Math.floor((i * (data.length - 1)) / 47);
    expect(Math.abs(data[at] - value) / scale, `value ${at}: ${data[at]} and ${value}`).toBeLessThan(
      tolerance,
    );
  });
  const sum = data.reduce((a, b) => a + b, 0);
  expect(Math.abs(sum - golden.sum) / (scale * data.length), "sum").toBeLessThan(tolerance);
}
