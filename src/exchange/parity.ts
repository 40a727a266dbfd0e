import { tf } from "../kernels/tf.js";
import type { NpyArray } from "./npy.js";
import { ExchangeError } from "./types.js";

/** Images of one channel, whatever axes of length 1 their array has. */
export interface ImageStack {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** One after the other, row-major. */
  readonly values: Float32Array;
}

/**
 * Takes an array as images: [H, W], [N, H, W], [N, H, W, 1] (Keras) or [N, 1, H, W] (PyTorch).
 * @throws ExchangeError when it has other axes.
 */
export function imagesOf(file: string, { shape, values }: NpyArray): ImageStack {
  const dims = [...shape];
  if (dims.length === 4 && dims[3] === 1) dims.pop();
  else if (dims.length === 4 && dims[1] === 1) dims.splice(1, 1);
  if (dims.length === 2) dims.unshift(1);
  if (dims.length !== 3 || values.length === 0)
    throw new ExchangeError(
      file,
      `has the shape [${shape.join(", ")}]; images are [H, W], [N, H, W], [N, H, W, 1] or [N, 1, H, W]`,
    );
  const [count, height, width] = dims;
  return { count, height, width, values };
}

export interface Difference {
  readonly largest: number;
  readonly mean: number;
  /** Values compared. */
  readonly values: number;
}

/**
 * Runs a network on whole images and compares its answer with the one it should give.
 * @param input intensities as the network takes them.
 * @param expected probabilities.
 * @throws ExchangeError when the sizes do not fit each other or the network, or `expected` are no probabilities.
 */
export async function compareOutput(
  network: tf.LayersModel,
  input: ImageStack,
  expected: ImageStack,
  { multiple, files }: { multiple: number; files: { input: string; output: string } },
): Promise<Difference> {
  const { count, height, width } = input;
  if (height % multiple !== 0 || width % multiple !== 0)
    throw new ExchangeError(
      files.input,
      `is ${width} x ${height}; this network takes multiples of ${multiple}`,
    );
  if (expected.count !== count || expected.height !== height || expected.width !== width)
    throw new ExchangeError(
      files.output,
      `holds ${expected.count} images of ${expected.width} x ${expected.height}, the input ${count} of ${width} x ${height}`,
    );
  if (!expected.values.every((value) => value >= -1e-3 && value <= 1 + 1e-3))
    throw new ExchangeError(
      files.output,
      "holds values outside of 0..1: give probabilities, after the sigmoid",
    );
  let [largest, sum] = [0, 0];
  const size = height * width;
  for (let i = 0; i < count; i++) {
    const output = tf.tidy(
      () =>
        network.predict(
          tf.tensor4d(input.values.slice(i * size, (i + 1) * size), [1, height, width, 1]),
        ) as tf.Tensor,
    );
    try {
      const got = (await output.data()) as Float32Array;
      for (let pixel = 0; pixel < size; pixel++) {
        const off = Math.abs(got[pixel] - expected.values[i * size + pixel]);
        sum += off;
        // A NaN must not look like agreement.
        if (!(off <= largest)) largest = off;
      }
    } finally {
      output.dispose();
    }
  }
  return { largest, mean: sum / (count * size), values: count * size };
}
