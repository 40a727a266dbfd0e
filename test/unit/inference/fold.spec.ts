import { beforeAll, describe, expect, it } from "vitest";
import { foldTopology, type Weights } from "../../../src/inference/fold.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { buildAttentionUNet, PAPER_NETWORK } from "../../../src/network/attention_unet.js";
import { Random } from "../../../src/network/random.js";

beforeAll(() => selectBackend("wasm"));

async function build(topology: object, weights: Weights): Promise<tf.LayersModel> {
  const model = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology: topology }));
  const tensors: tf.NamedTensorMap = {};
  for (const [name, { shape, data }] of weights) tensors[name] = tf.tensor(data, [...shape]);
  model.loadWeights(tensors, true);
  tf.dispose(tensors);
  return model;
}

describe("foldTopology", () => {
  it.each([
    // Every 3x3 convolution takes its ELU (18) and every one its normalisation (30); the ReLU follows a sum.
    ["batch", "textbook", 18 + 30],
    ["none", "paper", 18],
  ] as const)("keeps the probabilities (normalisation %s, gate %s)", async (normalisation, gate, fewer) => {
    const filters = [4, 6, 8, 10, 12];
    const { model } = buildAttentionUNet({ ...PAPER_NETWORK, filters, normalisation, gate, dropout: "none" });
    const topology = model.toJSON(null, false) as object;
    const random = new Random(11);
    const weights: Weights = new Map();
    for (const { originalName, shape } of model.weights) {
      const dims = shape as number[];
      const [low, high] = originalName.includes("variance")
        ? [0.2, 1.5]
        : dims.length > 1
          ? [-0.4, 0.4]
          : [-0.5, 1.2];
      const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () =>
        random.uniform(low, high),
      );
      weights.set(originalName, { shape: dims, data });
    }
    model.dispose();
    const plain = await build(topology, weights);
    const text = JSON.stringify(topology);
    const folded = await build(foldTopology(topology, weights), weights);
    expect(JSON.stringify(topology)).toBe(text);
    expect(plain.layers.length - folded.layers.length).toBe(fewer);
    expect([...weights.keys()].filter((name) => /moving|gamma|beta/.test(name))).toEqual([]);
    const input = tf.tensor4d(
      Float32Array.from({ length: 64 * 64 }, () => random.next()),
      [1, 64, 64, 1],
    );
    const [a, b] = [plain.predict(input) as tf.Tensor, folded.predict(input) as tf.Tensor];
    const [expected, actual] = [await a.data(), await b.data()];
    expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(0.01);
    expected.forEach((p, i) => {
      expect(Math.abs(p - actual[i])).toBeLessThan(1e-5);
    });
    tf.dispose([input, a, b]);
    plain.dispose();
    folded.dispose();
  });

  it("leaves a convolution alone that something else reads too, or that is no convolution", () => {
    const input = tf.input({ shape: [null, null, 1], name: "em" });
    const apply = (layer: tf.layers.Layer, x: tf.SymbolicTensor | tf.SymbolicTensor[]) =>
      layer.apply(x) as tf.SymbolicTensor;
    const conv = apply(tf.layers.conv2d({ name: "c", filters: 2, kernelSize: 3, padding: "same" }), input);
    const norm = apply(tf.layers.batchNormalization({ name: "n" }), conv);
    const pooled = apply(tf.layers.maxPooling2d({ name: "p", poolSize: 1, strides: 1 }), norm);
    const again = apply(tf.layers.batchNormalization({ name: "m" }), pooled);
    const output = apply(tf.layers.add({ name: "a" }), [conv, again]);
    const model = tf.model({ inputs: input, outputs: output });
    const topology = model.toJSON(null, false) as object;
    expect(foldTopology(topology, new Map())).toEqual(topology);
    model.dispose();
  });

  it("names a weight that is missing", () => {
    const input = tf.input({ shape: [null, null, 1] });
    const conv = tf.layers.conv2d({ name: "c", filters: 2, kernelSize: 3, padding: "same" }).apply(input);
    const norm = tf.layers.batchNormalization({ name: "n" }).apply(conv) as tf.SymbolicTensor;
    const model = tf.model({ inputs: input, outputs: norm });
    expect(() => foldTopology(model.toJSON(null, false) as object, new Map())).toThrow(
      "no weight n/moving_mean",
    );
    model.dispose();
  });
});
