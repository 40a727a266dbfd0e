import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { buildAttentionUNet, NORMALISED_NETWORK } from "../../../src/network/attention_unet.js";
import { buildGenerator } from "../../../src/network/cut_networks.js";
import { buildDamtNet } from "../../../src/network/damt_net.js";
import { freeze } from "../../../src/network/freeze.js";
import { chain, graft, inferenceCopy } from "../../../src/network/graft.js";
import { GroupNormalisation } from "../../../src/network/group_normalisation.js";
import { ReflectionPadding } from "../../../src/network/reflection_padding.js";
import { imageInput } from "../../../src/network/unet_blocks.js";
import { buildAttentionYNet } from "../../../src/network/y_nets.js";
import { image, setTorchWeights } from "./torch_values.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const options = { ...NORMALISED_NETWORK, filters: [2, 3], dropoutRates: [0.5, 0.5] };

const values = async (tensor: tf.Tensor) => {
  const data = [...(await tensor.data())];
  tensor.dispose();
  return data;
};
const predict = (model: tf.LayersModel, x: tf.Tensor) => values(model.predict(x) as tf.Tensor);
const kinds = (model: tf.LayersModel) => new Set(model.layers.map((layer) => layer.getClassName()));

describe("inferenceCopy", () => {
  it("predicts the same without dropout and without what its output does not need", async () => {
    const network = buildAttentionYNet(options);
    setTorchWeights(network.logits);
    const copy = inferenceCopy(network.segmenter);
    expect(kinds(network.logits).has("SeededDropout")).toBe(true);
    expect(kinds(copy).has("SeededDropout")).toBe(false);
    expect(copy.layers.some((layer) => layer.name.startsWith("reconstruct"))).toBe(false);
    const x = image("input", [1, 1, 8, 12], 0) as tf.Tensor4D;
    expect(await predict(copy, x)).toEqual(await predict(network.segmenter, x));
    x.dispose();
    network.logits.dispose();
    copy.dispose();
  });

  it("holds weights of its own, and frees them", async () => {
    const { model } = buildAttentionUNet(options);
    const x = tf.ones([1, 4, 4, 1]);
    const before = tf.memory().numTensors;
    const copy = inferenceCopy(model);
    const expected = await predict(copy, x);
    for (const weight of model.weights) {
      const zero = tf.zeros(weight.shape as number[]);
      weight.write(zero);
      zero.dispose();
    }
    expect(await predict(copy, x)).toEqual(expected);
    expect(await predict(model, x)).not.toEqual(expected);
    copy.dispose();
    expect(tf.memory().numTensors).toBe(before);
    x.dispose();
    model.dispose();
  });

  it("comes back from its topology", async () => {
    const { segmenter } = buildDamtNet({ base: 2, seed: 1 });
    const topology = JSON.parse(JSON.stringify(segmenter.toJSON(null, false)));
    const again = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology: topology }));
    again.setWeights(segmenter.getWeights());
    const x = image("input", [1, 1, 16, 32], 0);
    expect(await predict(again, x)).toEqual(await predict(segmenter, x));
    x.dispose();
  });

  it("refuses several outputs", () => {
    const { logits } = buildAttentionYNet(options);
    expect(() => graft(logits, imageInput())).toThrow("1 inputs and 2 outputs");
    logits.dispose();
  });
});

describe("chain", () => {
  it("is the segmenter's answer to the generator's, rescaled between", async () => {
    const generator = buildGenerator({ base: 2, blocks: 2, seed: 1 }).model;
    const { model: segmenter } = buildAttentionUNet(options);
    setTorchWeights(generator);
    setTorchWeights(segmenter);
    const x = image("input", [1, 1, 16, 12], 0);
    const before = tf.memory().numTensors;
    const chained = chain(generator, segmenter);
    const expected = tf.tidy(() => {
      const stylised = generator.predict(tf.sub(tf.mul(x, 2), 1)) as tf.Tensor;
      return segmenter.predict(tf.add(tf.mul(stylised, 0.5), 0.5)) as tf.Tensor;
    });
    const [a, b] = [await predict(chained, x), await values(expected)];
    expect(Math.max(...b) - Math.min(...b)).toBeGreaterThan(0.01);
    expect(a).toEqual(b);
    expect(chained.getLayer("style_start_conv").countParams()).toBe(49 * 2 + 2);
    expect(chained.getLayer("segment_logits").countParams()).toBe(3);
    chained.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("freeze", () => {
  it("changes nothing for the one image that it measured", async () => {
    for (const model of [
      buildGenerator({ base: 2, blocks: 3, seed: 1 }).model,
      buildDamtNet({ base: 4, seed: 1 }).segmenter,
    ]) {
      setTorchWeights(model);
      const x = image("input", [1, 1, 32, 48], 0) as tf.Tensor4D;
      const before = tf.memory().numTensors;
      const frozen = freeze(model, [x]);
      expect(kinds(frozen).has("GroupNormalisation")).toBe(false);
      expect(kinds(frozen).has("BatchNormalization")).toBe(true);
      const [a, b] = [await predict(frozen, x), await predict(model, x)];
      expect(Math.max(...b) - Math.min(...b)).toBeGreaterThan(0.05);
      a.forEach((value, i) => {
        expect(Math.abs(value - b[i])).toBeLessThan(1e-5);
      });
      frozen.dispose();
      expect(tf.memory().numTensors).toBe(before);
      x.dispose();
      model.dispose();
    }
  });

  it("averages the means and variances of the images, of each group", async () => {
    const input = imageInput("em", 4);
    const layer = new GroupNormalisation({ name: "norm", groups: 2, epsilon: 1e-5 });
    const model = tf.model({ inputs: input, outputs: layer.apply(input) as tf.SymbolicTensor });
    // Groups of channels (0, 1) and (2, 3); the images differ by an offset and a scale.
    const first = tf.tensor4d([1, 3, 10, 10, 1, 3, 30, 30], [1, 1, 2, 4]);
    const second = tf.tensor4d([5, 9, 0, 0, 5, 9, 4, 4], [1, 1, 2, 4]);
    const frozen = freeze(model, [first, second]);
    const [mean, variance] = frozen.getLayer("norm").getWeights();
    // Means 2 and 7, variances 1 and 4 of the first group; 20 and 2, 100 and 4 of the second.
    expect([...(await mean.data())]).toEqual([4.5, 4.5, 11, 11]);
    expect([...(await variance.data())]).toEqual([2.5, 2.5, 52, 52]);
    tf.dispose([first, second]);
  });

  it("measures what comes behind a frozen layer as it will be", async () => {
    // Two layers in a row: images a and 3 a have the same second statistics only if the first normalised each by its own.
    const input = imageInput();
    const norm = (name: string) => new GroupNormalisation({ name, groups: 1, epsilon: 1e-9 });
    const once = norm("first").apply(input) as tf.SymbolicTensor;
    const model = tf.model({ inputs: input, outputs: norm("second").apply(once) as tf.SymbolicTensor });
    const a = tf.tensor4d([-1, 1, -1, 1], [1, 2, 2, 1]);
    const b = tf.mul(a, 3) as tf.Tensor4D;
    const frozen = freeze(model, [a, b]);
    // Variances 1 and 9: the first layer divides by sqrt(5), so the second sees variances 1/5 and 9/5, 1 on average.
    const variance = async (name: string) => (await frozen.getLayer(name).getWeights()[1].data())[0];
    expect(await variance("first")).toBeCloseTo(5, 5);
    expect(await variance("second")).toBeCloseTo(1, 5);
    tf.dispose([a, b]);
  });

  it("refuses to measure nothing", () => {
    const { model } = buildGenerator({ base: 1, blocks: 2, seed: 1 });
    expect(() => freeze(model, [])).toThrow("at least one image");
    model.dispose();
  });
});

describe("layers", () => {
  it("refuse settings that make no sense", () => {
    expect(() => new ReflectionPadding({ size: 0 })).toThrow("positive integer");
    expect(() => new GroupNormalisation({ groups: 0, epsilon: 1 })).toThrow("groups");
    expect(() => new GroupNormalisation({ groups: 1, epsilon: 0 })).toThrow("epsilon");
    expect(() =>
      new GroupNormalisation({ name: "n", groups: 3, epsilon: 1 }).apply(imageInput("a", 4)),
    ).toThrow("layer n: 3 groups do not divide 4 channels");
    const padding = new ReflectionPadding({ size: 3 });
    expect(() => padding.apply(tf.zeros([1, 3, 8, 1]))).toThrow("3 x 8 pixels cannot be padded");
  });
});
