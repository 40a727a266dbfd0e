import { beforeAll, describe, expect, it } from "vitest";
import {
  domainLoss,
  logitDifference,
  meanSquaredError,
  SOURCE,
  TARGET,
  twoClassCrossEntropy,
} from "../../../src/adaptation/adversarial_losses.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const read = async (tensor: tf.Tensor) => [...(await tensor.data())];

/** Value and gradient of a loss, and how many tensors it leaves. */
async function differentiate(loss: (z: tf.Tensor) => tf.Tensor, z: tf.Tensor) {
  const before = tf.memory().numTensors;
  const { value, grad } = tf.valueAndGrad(loss)(z);
  const result = { value: (await value.data())[0], gradient: await read(grad) };
  tf.dispose([value, grad]);
  expect(tf.memory().numTensors).toBe(before);
  return result;
}

const close = (got: readonly number[], wanted: readonly number[], digits = 6) => {
  expect(got).toHaveLength(wanted.length);
  got.forEach((value, i) => {
    expect(value).toBeCloseTo(wanted[i], digits);
  });
};

describe("losses of discriminators", () => {
  it("are the cross-entropy against one domain everywhere, with its gradient", async () => {
    const z = tf.tensor4d([0, 2, -1, 3], [1, 2, 2, 1]);
    // Means of log(1 + e^-z): 0.693147, 0.126928, 1.313262, 0.048587; of log(1 + e^z): each z more.
    const source = await differentiate((x) => domainLoss(x, SOURCE, 1), z);
    expect(source.value).toBeCloseTo(2.181924 / 4, 5);
    // (sigmoid(z) - 1) / 4
    close(source.gradient, [-0.125, -0.0298007, -0.1827646, -0.0118565]);
    const target = await differentiate((x) => domainLoss(x, TARGET, 1), z);
    expect(target.value).toBeCloseTo((2.181924 + 4) / 4, 5);
    close(target.gradient, [0.125, 0.2201993, 0.0672354, 0.2381435]);
    z.dispose();
  });

  it("of two logits are softmax cross-entropies", async () => {
    const z = tf.tensor2d([1, 3, 0.5, -0.5], [2, 2]);
    // Source is class 1: log(1 + e^-2) = 0.126928 and log(1 + e^1) = 1.313262.
    const source = await differentiate((x) => domainLoss(x, SOURCE, 2), z);
    expect(source.value).toBeCloseTo((0.126928 + 1.313262) / 2, 5);
    // (softmax - one-hot) / 2: softmax of the first row is 0.1192029, 0.8807971, of the second 0.7310586, 0.2689414.
    close(source.gradient, [0.0596015, -0.0596015, 0.3655293, -0.3655293]);
    z.dispose();
  });

  it("stay finite where a discriminator is sure", async () => {
    const z = tf.tensor4d([200, -200], [1, 1, 2, 1]);
    const { value, gradient } = await differentiate((x) => domainLoss(x, TARGET, 1), z);
    expect(value).toBeCloseTo(100, 4);
    close(gradient, [0.5, 0]);
    z.dispose();
  });
});

describe("losses of a segmenter", () => {
  it("of two classes agree with the softmax, for soft labels too", async () => {
    const z = tf.tensor4d([0.2, -0.3, 1.5, 2.5, -1, 0, 0.7, 0.1], [1, 2, 2, 2]);
    const y = tf.tensor4d([1, 0, 0.25, 0.5], [1, 2, 2, 1]);
    const { value, gradient } = await differentiate((x) => twoClassCrossEntropy(y, x), z);
    const logits = await read(z);
    const labels = await read(y);
    let loss = 0;
    const slope: number[] = [];
    labels.forEach((label, i) => {
      const [a, b] = [Math.exp(logits[2 * i]), Math.exp(logits[2 * i + 1])];
      const p = b / (a + b);
      loss -= (label * Math.log(p) + (1 - label) * Math.log(1 - p)) / 4;
      slope.push((label - p) / 4, (p - label) / 4);
    });
    expect(value).toBeCloseTo(loss, 5);
    close(gradient, slope, 5);
    expect(() => logitDifference(y)).toThrow(/two classes/);
    tf.dispose([z, y]);
  });

  it("of a reconstruction are mean squares", async () => {
    const truth = tf.tensor1d([0, 1, 0.5, 0.5]);
    const guess = tf.tensor1d([0.5, 1, 0, 1]);
    const { value, gradient } = await differentiate((x) => meanSquaredError(truth, x), guess);
    expect(value).toBeCloseTo(0.75 / 4, 6);
    close(gradient, [0.25, 0, -0.25, 0.25]);
    tf.dispose([truth, guess]);
  });
});
