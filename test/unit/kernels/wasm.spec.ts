import { expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { convolutionFilterGradient } from "../../../src/kernels/convolution_gradients.js";
import { tf } from "../../../src/kernels/tf.js";
import { gradientSuite } from "./gradient_suite.js";

const { name } = await selectBackend("wasm");

gradientSuite("wasm");

it("is the backend asked for, with a filter gradient that tfjs lacks", () => {
  expect(name).toBe("wasm");
  expect(tf.getKernel("Conv2DBackpropFilter", "wasm")).toBeDefined();
});

it("refuses layouts it does not know", () => {
  const { kernelFunc } = tf.getKernel("Conv2DBackpropFilter", "wasm");
  const x = tf.zeros([1, 4, 4, 1]) as tf.Tensor4D;
  const attrs = { strides: 1, pad: "same", dataFormat: "NCHW", filterShape: [3, 3, 1, 1] };
  expect(() => kernelFunc({ inputs: { x, dy: x }, attrs, backend: tf.backend() })).toThrow(/NHWC/);
});

it("sums a long column without losing digits", async () => {
  const x = tf.fill([262144, 3], 0.1);
  const [sum] = await tf.sum(x, 0).data();
  expect(Math.abs(sum / 26214.4 - 1)).toBeLessThan(2e-5);
});

it("multiplies one tensor's data in two shapes", async () => {
  const x = tf.tensor(Array.from({ length: 24 }, (_, i) => i));
  const product = async (rows: number) => [
    ...(await tf.matMul(tf.ones([1, rows]), tf.reshape(x, [rows, 24 / rows])).data()),
  ];
  expect(await product(4)).toEqual([36, 40, 44, 48, 52, 56]);
  expect(await product(2)).toEqual([12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34]);
  expect(await product(4)).toEqual([36, 40, 44, 48, 52, 56]);
});

it.each([1, 2] as const)("multiplies a large matrix of windows in parts (stride %i)", async (stride) => {
  const info = tf.backend_util.computeConv2DInfo([2, 9, 8, 3], [3, 2, 3, 4], stride, 1, "same");
  const x = tf.randomUniform([2, 9, 8, 3], -1, 1, "float32", 1) as tf.Tensor4D;
  const dy = tf.randomUniform([2, info.outHeight, info.outWidth, 4], -1, 1, "float32", 2) as tf.Tensor4D;
  const whole = await convolutionFilterGradient(x, dy, info).data();
  const window = 3 * stride ** 2 * info.outHeight * 8;
  const before = tf.memory().numTensors;
  for (const most of [1, 2 * window, 4 * window + 1]) {
    const parts = convolutionFilterGradient(x, dy, info, most);
    expect(parts.shape).toEqual([3, 2, 3, 4]);
    (await parts.data()).forEach((value, i) => {
      expect(Math.abs(value - whole[i])).toBeLessThan(1e-5);
    });
    parts.dispose();
  }
  expect(tf.memory().numTensors).toBe(before);
});
