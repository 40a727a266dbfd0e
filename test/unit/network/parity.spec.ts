import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { BilinearUpsampling } from "../../../src/network/bilinear_upsampling.js";
import { BlurDownsampling } from "../../../src/network/blur_downsampling.js";
import { buildGenerator, buildPatchGan, buildPatchHeads } from "../../../src/network/cut_networks.js";
import {
  buildFeatureDiscriminator,
  buildLabelDiscriminator,
} from "../../../src/network/damt_discriminators.js";
import { buildDamtNet } from "../../../src/network/damt_net.js";
import { GroupNormalisation } from "../../../src/network/group_normalisation.js";
import { ReflectionPadding } from "../../../src/network/reflection_padding.js";
import { ATTENTION_Y_NETWORK, buildAttentionYNet, buildYNet } from "../../../src/network/y_nets.js";
import golden from "../../golden/networks.json" with { type: "json" };
import { expectSample, image, type Sample, setTorchWeights } from "./torch_values.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

describe("layers against PyTorch", () => {
  const layers: Record<keyof typeof golden.operations, () => tf.layers.Layer> = {
    "reflection padding": () => new ReflectionPadding({ size: 3 }),
    "reflection padding of all there is": () => new ReflectionPadding({ size: 3 }),
    "blur downsampling": () => new BlurDownsampling({}),
    "blur downsampling of odd edges": () => new BlurDownsampling({}),
    "blur upsampling": () => new BilinearUpsampling({}),
    "bilinear upsampling": () => new BilinearUpsampling({}),
    "group normalisation": () => new GroupNormalisation({ groups: 3, epsilon: 1e-5 }),
    "instance normalisation": () => new GroupNormalisation({ groups: 6, epsilon: 1e-5 }),
  };

  it.each(Object.keys(layers) as (keyof typeof layers)[])("%s: value and gradient", async (name) => {
    const { input, output, gradient } = golden.operations[name];
    const layer = layers[name]();
    const x = image("input", input);
    const [n, h, w, c] = output.shape;
    const dy = image("error", [n, c, h, w]);
    const before = tf.memory().numTensors;
    const run = (v: tf.Tensor) => layer.apply(v) as tf.Tensor;
    const dx = tf.grad(run)(x, dy);
    const y = run(x);
    expect(tf.memory().numTensors).toBe(before + 2);
    expect(layer.computeOutputShape(x.shape)).toEqual(y.shape);
    await expectSample(y, output, 1e-6);
    await expectSample(dx, gradient, 2e-6);
    tf.dispose([x, dy]);
  });
});

describe("networks against PyTorch", () => {
  type Name = keyof typeof golden.networks;
  const seed = 1;
  const models: Record<Name, () => tf.LayersModel[]> = {
    attention_y_net: () => {
      const filters = [2, 3, 4];
      return [buildAttentionYNet({ ...ATTENTION_Y_NETWORK, filters, dropoutRates: [0.1, 0.1, 0.1] }).logits];
    },
    y_net: () => [buildYNet({ filters: [2, 3, 4], seed }).logits],
    damt_net: () => [buildDamtNet({ base: 4, seed }).training],
    label_discriminator: () => [buildLabelDiscriminator({ base: 4, seed })],
    feature_discriminator: () => [buildFeatureDiscriminator({ channels: 3, size: 16, pooled: false, seed })],
    generator: () => {
      const { model, features } = buildGenerator({ base: 2, blocks: 6, seed });
      return [model, features];
    },
    patch_gan: () => [buildPatchGan({ base: 2, seed })],
    patch_heads: () => [buildPatchHeads({ channels: [4], units: 6, seed })],
  };

  interface Golden {
    readonly input: readonly number[];
    readonly low: number;
    readonly outputs: readonly Sample[];
    readonly gradient: Sample;
    readonly norms: Readonly<Record<string, number>>;
  }

  it.each(Object.keys(models) as Name[])("%s: values and gradients", async (name) => {
    const { input, low, outputs, gradient, norms } = golden.networks[name] as unknown as Golden;
    const before = tf.memory().numTensors;
    const built = models[name]();
    // All views share the weights of the first.
    setTorchWeights(built[0], { dense0: [2, 2, 48] });
    const x = image("input", input, low);
    const run = (v: tf.Tensor) => built.flatMap((model) => model.apply(v) as tf.Tensor | tf.Tensor[]);
    const results = tf.tidy(() => run(x));
    expect(results.length).toBe(outputs.length);
    for (const [i, result] of results.entries()) await expectSample(result, outputs[i]);

    const errors = outputs.map(({ shape }, i) => {
      const [n, h, w, c] = shape;
      return image(`error${i}`, shape.length === 4 ? [n, c, h, w] : shape);
    });
    const loss = (v: tf.Tensor) => tf.addN(run(v).map((y, i) => tf.sum(tf.mul(y, errors[i])))) as tf.Scalar;
    const kernels = built[0].weights.filter(({ originalName }) => originalName in norms);
    expect(kernels.length).toBe(Object.keys(norms).length);
    const variables = kernels.map((weight) => (weight as unknown as { val: tf.Variable }).val);
    const held = tf.memory().numTensors;
    await expectSample(tf.grad(loss)(x), gradient, 2e-4);
    const { value, grads } = tf.variableGrads(() => loss(x), variables);
    value.dispose();
    for (const [i, variable] of variables.entries()) {
      const norm = tf.tidy(() => tf.norm(grads[variable.name]));
      const [found] = await norm.data();
      norm.dispose();
      const expected = norms[kernels[i].originalName];
      expect(Math.abs(found / expected - 1), kernels[i].originalName).toBeLessThan(1e-3);
    }
    tf.dispose(grads);
    expect(tf.memory().numTensors).toBe(held);
    tf.dispose([x, errors]);
    built[0].dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
