import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { buildGenerator, buildPatchGan, featureChannels } from "../../../src/network/cut_networks.js";
import {
  buildFeatureDiscriminator,
  buildLabelDiscriminator,
} from "../../../src/network/damt_discriminators.js";
import { buildDamtNet } from "../../../src/network/damt_net.js";
import { ATTENTION_Y_NETWORK, buildAttentionYNet } from "../../../src/network/y_nets.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const seed = 1;

describe("networks of other sizes", () => {
  it("give outputs of the documented shapes", () => {
    const shapes = (model: tf.LayersModel, input: number[]) =>
      tf.tidy(() => [model.predict(tf.zeros(input)) as tf.Tensor | tf.Tensor[]].flat().map((y) => y.shape));
    const damt = buildDamtNet({ base: 2, seed });
    expect(shapes(damt.training, [2, 32, 16, 1])).toEqual([
      [2, 32, 16, 2],
      [2, 32, 16, 2],
      [2, 32, 16, 1],
    ]);
    expect(shapes(damt.segmenter, [2, 32, 16, 1])).toEqual([[2, 32, 16, 1]]);
    const yNet = buildAttentionYNet({
      ...ATTENTION_Y_NETWORK,
      normalisation: "batch",
      filters: [2, 3],
      dropoutRates: [0, 0],
    });
    expect(shapes(yNet.logits, [1, 8, 6, 1])).toEqual([
      [1, 8, 6, 1],
      [1, 8, 6, 1],
    ]);
    expect(shapes(yNet.autoencoder, [1, 8, 6, 1])).toEqual([[1, 8, 6, 1]]);
    const generator = buildGenerator({ base: 2, blocks: 5, seed });
    const features = shapes(generator.features, [1, 16, 24, 1]);
    expect(features).toEqual([
      [1, 22, 30, 1],
      [1, 16, 24, 4],
      [1, 8, 12, 8],
      [1, 4, 6, 8],
      [1, 4, 6, 8],
    ]);
    expect(features.map((shape) => shape[3])).toEqual(featureChannels({ base: 2 }));
    expect(shapes(buildPatchGan({ base: 2, seed }), [1, 256, 256, 1])).toEqual([[1, 30, 30, 1]]);
    expect(shapes(buildLabelDiscriminator({ base: 2, seed }), [1, 64, 96, 2])).toEqual([[1, 2, 3, 1]]);
  });

  it("start from the same weights for the same seed, from others for another", async () => {
    const first = async (seed: number) => {
      const { model } = buildGenerator({ base: 2, blocks: 2, seed });
      const data = await Promise.all(model.getWeights().map((w) => w.data()));
      model.dispose();
      return data.map((values) => [...values]);
    };
    expect(await first(1)).toEqual(await first(1));
    expect(await first(1)).not.toEqual(await first(2));
    // Xavier-normal with gain 0.02: variance 0.02^2 x 2 / (fan in + fan out); biases 0.
    const { model } = buildGenerator({ base: 16, blocks: 2, seed: 3 });
    const [kernel, bias] = model.getLayer("block0_conv1").getWeights();
    const { variance } = tf.moments(kernel);
    const [found] = await variance.data();
    expect(found / (0.02 ** 2 * (2 / (9 * 64 + 9 * 64)))).toBeCloseTo(1, 1);
    expect(new Set(await bias.data())).toEqual(new Set([0]));
    tf.dispose(variance);
    model.dispose();
  });

  it("refuse impossible sizes", () => {
    expect(() => buildGenerator({ base: 0, blocks: 9, seed })).toThrow(
      "base must be a positive integer, not 0",
    );
    expect(() => buildGenerator({ base: 2, blocks: 1.5, seed })).toThrow("blocks must be");
    expect(() => buildPatchGan({ base: -1, seed })).toThrow("base");
    expect(() => buildDamtNet({ base: 0.5, seed })).toThrow("base");
    const feature = { channels: 4, seed };
    expect(() => buildFeatureDiscriminator({ ...feature, size: 12, pooled: false })).toThrow("multiple of 8");
    expect(() => buildFeatureDiscriminator({ ...feature, size: 72, pooled: true })).toThrow("64 divides");
  });
});
