import { describe, expect, it } from "vitest";
import { batchNormTrain } from "../../../src/kernels/batch_norm.js";
import { groupNorm } from "../../../src/kernels/group_norm.js";
import { bilinearUpsample, blurDownsample, reflectionPad } from "../../../src/kernels/sampling.js";
import { tf } from "../../../src/kernels/tf.js";
import { Random } from "../../../src/network/random.js";
import { binaryCrossEntropy, softDice } from "../../../src/training/losses.js";

/** A differentiable operation, the shapes of its arguments, and what is special about it. */
interface Case {
  readonly name: string;
  readonly shapes: readonly number[][];
  readonly run: (...args: tf.Tensor[]) => tf.Tensor;
  /** Linear in each argument: then <dy, f(x)> = <gradient, x> exactly. */
  readonly linear?: boolean;
  /** Added to the arguments' values in [-1, 1]. */
  readonly offset?: number;
}

const X = [2, 12, 10, 3];

function convolution(
  name: string,
  kernel: [number, number],
  stride: number | [number, number],
  pad: Parameters<typeof tf.conv2d>[3],
  x = X,
  outputs = 4,
): Case {
  return {
    name: `conv2d ${name}`,
    shapes: [x, [...kernel, x[3], outputs]],
    run: (a, w) => tf.conv2d(a as tf.Tensor4D, w as tf.Tensor4D, stride, pad),
    linear: true,
  };
}

function transposed(name: string, kernel: number, stride: number): Case {
  return {
    name: `conv2dTranspose ${name}`,
    shapes: [
      [2, 5, 4, 3],
      [kernel, kernel, 2, 3],
    ],
    run: (a, w) =>
      tf.conv2dTranspose(a as tf.Tensor4D, w as tf.Tensor4D, [2, 5 * stride, 4 * stride, 2], stride, "same"),
    linear: true,
  };
}

function pooling(
  name: string,
  size: number,
  stride: number,
  pad: "same" | "valid",
  offset: number,
  x = X,
): Case {
  return {
    name: `maxPool ${name}`,
    shapes: [x],
    run: (a) => tf.maxPool(a as tf.Tensor4D, size, stride, pad),
    offset,
  };
}

function sampling(name: string, x: number[], run: (x: tf.Tensor4D) => tf.Tensor): Case {
  return { name, shapes: [x], run: (a) => run(a as tf.Tensor4D), linear: true };
}

const labels = () =>
  tf.tensor(
    random(2 * 12 * 10 * 3, 77).map((v) => (v > 0 ? 1 : 0.25)),
    X,
  );

const cases: Case[] = [
  convolution("3x3 same", [3, 3], 1, "same"),
  convolution("3x3 valid", [3, 3], 1, "valid"),
  convolution("1x1", [1, 1], 1, "same"),
  convolution("1x1 to one map", [1, 1], 1, "same", X, 1),
  convolution("3x3 of one map", [3, 3], 1, "same", [2, 12, 10, 1]),
  convolution("5x3", [5, 3], 1, "same"),
  convolution("2x2 same (lopsided padding)", [2, 2], 1, "same"),
  convolution("4x4 padding 1", [4, 4], 1, 1),
  convolution("3x3 stride 2", [3, 3], 2, "same"),
  convolution("3x3 stride 2 valid", [3, 3], 2, "valid", [2, 11, 9, 3]),
  convolution("4x4 stride 2 padding 1", [4, 4], 2, 1),
  convolution("3x3 strides 2 and 1", [3, 3], [2, 1], "same"),
  convolution("4x4 stride 2", [4, 4], 2, "same"),
  convolution("3x3 stride 3 that leaves pixels over", [3, 3], 3, "valid", [2, 11, 10, 3]),
  convolution("2x2 stride 3 with gaps", [2, 2], 3, "valid", [2, 12, 10, 3]),
  convolution("7x7 valid", [7, 7], 1, "valid"),
  convolution("4x4 valid", [4, 4], 1, "valid"),
  convolution("2x2 stride 2", [2, 2], 2, "valid"),
  transposed("2x2 stride 2", 2, 2),
  transposed("3x3 stride 2", 3, 2),
  transposed("4x4 stride 2", 4, 2),
  transposed("3x3 stride 1", 3, 1),
  pooling("2x2", 2, 2, "valid", 0),
  pooling("2x2 of negative values", 2, 2, "same", -2),
  pooling("2x2 of odd sizes", 2, 2, "same", -2, [2, 11, 9, 3]),
  pooling("2x2 of odd sizes, valid", 2, 2, "valid", 0, [2, 11, 9, 3]),
  pooling("3x3 stride 2 of negative values", 3, 2, "same", -2),
  pooling("3x3 stride 1", 3, 1, "same", 0),
  { name: "sum to channels", shapes: [X], run: (x) => tf.sum(x, [0, 1, 2]), linear: true },
  { name: "mean to channels, axes kept", shapes: [X], run: (x) => tf.mean(x, [0, 1, 2], true), linear: true },
  {
    name: "mean of each map of each sample",
    shapes: [X],
    run: (x) => tf.mean(x, [1, 2], true),
    linear: true,
  },
  { name: "sum over the middle axis", shapes: [[3, 16, 5]], run: (x) => tf.sum(x, 1), linear: true },
  { name: "mean over channels", shapes: [X], run: (x) => tf.mean(x, 3), linear: true },
  { name: "sum over rows", shapes: [[7, 5]], run: (x) => tf.sum(x, 0), linear: true },
  { name: "sum over columns", shapes: [[7, 5]], run: (x) => tf.sum(x, 1), linear: true },
  { name: "mean of everything", shapes: [X], run: (x) => tf.mean(x), linear: true },
  {
    name: "batch normalisation in training",
    shapes: [X, [3], [3]],
    run: (x, gamma, beta) => batchNormTrain(x, gamma, beta, 1e-3).y,
  },
  { name: "instance normalisation", shapes: [X], run: (x) => groupNorm(x, 3, 1e-5) },
  { name: "group normalisation", shapes: [[2, 5, 4, 6]], run: (x) => groupNorm(x, 2, 1e-5), offset: 3 },
  { name: "group normalisation of vectors", shapes: [[3, 12]], run: (x) => groupNorm(x, 4, 1e-12) },
  sampling("reflection padding 1", X, (x) => reflectionPad(x, 1)),
  sampling("reflection padding 3", X, (x) => reflectionPad(x, 3)),
  sampling("reflection padding of as much as there is", [1, 4, 5, 2], (x) => reflectionPad(x, 3)),
  sampling("blur and halve", X, blurDownsample),
  sampling("blur and halve odd edges", [2, 11, 9, 3], blurDownsample),
  sampling("blur and halve the smallest image", [2, 2, 3, 1], blurDownsample),
  sampling("bilinear doubling", X, bilinearUpsample),
  sampling("bilinear doubling of one pixel", [2, 1, 3, 2], bilinearUpsample),
  { name: "relu", shapes: [X], run: (x) => tf.relu(x) },
  { name: "leaky relu", shapes: [X], run: (x) => tf.leakyRelu(x, 0.2) },
  { name: "tanh", shapes: [X], run: (x) => tf.tanh(x) },
  { name: "avgPool 2x2", shapes: [X], run: (x) => tf.avgPool(x as tf.Tensor4D, 2, 2, "valid"), linear: true },
  { name: "elu", shapes: [X], run: (x) => tf.elu(x) },
  {
    name: "attention gate",
    shapes: [X, X, [1, 1, 3, 1]],
    run: (x, skip, w) =>
      tf.mul(x, tf.sigmoid(tf.conv2d(tf.relu(tf.add(x, skip)) as tf.Tensor4D, w as tf.Tensor4D, 1, "same"))),
  },
  { name: "binary cross-entropy", shapes: [X], run: (z) => binaryCrossEntropy(labels(), z) },
  { name: "soft Dice", shapes: [X], run: (z) => softDice(labels(), z) },
];

function random(n: number, seed: number): Float32Array {
  const source = new Random(seed);
  return Float32Array.from({ length: n }, () => source.uniform(-1, 1));
}

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

interface Result {
  y: Float32Array;
  gradients: Float32Array[];
}

/** Value and gradients for the error `dy`, on the current backend. */
async function differentiate(
  { run, shapes }: Case,
  inputs: Float32Array[],
  dy?: Float32Array,
): Promise<Result> {
  const tensors = tf.tidy(() => {
    const args = inputs.map((data, i) => tf.tensor(data, shapes[i] as number[]));
    const y = run(...args);
    if (!dy) return [y];
    return [y, ...tf.grads(run)(args, tf.tensor(dy, y.shape))];
  });
  const arrays: Float32Array[] = [];
  for (const tensor of tensors) arrays.push(Float32Array.from((await tensor.data()) as Float32Array));
  tf.dispose(tensors);
  return { y: arrays[0], gradients: arrays.slice(1) };
}

/**
 * Holds every operation of a training step to three references on the current backend: the adjoint identity
 * <dy, f(x)> = <gradient, x> where it is linear, central finite differences elsewhere, and tfjs's plain-JavaScript backend.
 * @param leaveOut names of cases that the backend says it does not have.
 */
export function gradientSuite(backend: string, leaveOut = /^$/): void {
  describe(`gradients on ${backend}`, () => {
    it.each(cases.filter(({ name }) => !leaveOut.test(name)))("$name", async (test) => {
      const inputs = test.shapes.map((shape, i) =>
        random(sizeOf(shape), 10 + i).map((v) => v + (i === 0 ? (test.offset ?? 0) : 0)),
      );
      await tf.setBackend(backend);
      const { y } = await differentiate(test, inputs);
      const dy = random(y.length, 99);
      const { gradients } = await differentiate(test, inputs, dy);
      const scale = Math.sqrt(dot(dy, dy) * dot(y, y));
      for (let k = 0; k < gradients.length; k++) {
        if (test.linear) {
          expect(Math.abs(dot(gradients[k], inputs[k]) - dot(dy, y)) / scale).toBeLessThan(1e-5);
          continue;
        }
        const direction = random(inputs[k].length, 200 + k);
        const h = 1e-2;
        const shifted = (sign: number) =>
          inputs.map((data, i) => (i === k ? data.map((v, j) => v + sign * h * direction[j]) : data));
        const [up, down] = [await differentiate(test, shifted(1)), await differentiate(test, shifted(-1))];
        const numeric = (dot(dy, up.y) - dot(dy, down.y)) / (2 * h);
        const analytic = dot(gradients[k], direction);
        const size = Math.sqrt(dot(gradients[k], gradients[k]) * dot(direction, direction));
        expect(Math.abs(analytic - numeric) / size, `argument ${k}: ${analytic} and ${numeric}`).toBeLessThan(
          0.02,
        );
      }
      await tf.setBackend("cpu");
      const reference = await differentiate(test, inputs, dy);
      expect(worst(y, reference.y)).toBeLessThan(1e-5);
      gradients.forEach((gradient, k) => {
        expect(worst(gradient, reference.gradients[k]), `argument ${k} against the cpu backend`).toBeLessThan(
          1e-4,
        );
      });
    });

    it("gives a tied maximum's error to one pixel", async () => {
      await tf.setBackend(backend);
      const pool = pooling("ties", 2, 2, "valid", 0, [1, 4, 4, 1]);
      const { gradients } = await differentiate(
        pool,
        [new Float32Array(16).fill(-3)],
        new Float32Array(4).fill(1),
      );
      expect(gradients[0].reduce((a, b) => a + b, 0)).toBe(4);
      expect(new Set(gradients[0])).toEqual(new Set([0, 1]));
    });
  });
}

/** Largest difference relative to 1 + size. */
function worst(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]) / (1 + Math.abs(b[i]))), 0);
}
