import { beforeAll, describe, expect, it } from "vitest";
import { AdaptationError, type StrategySettings } from "../../../src/adaptation/types.js";
import { yNet } from "../../../src/adaptation/y_net.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { NORMALISED_NETWORK } from "../../../src/network/attention_unet.js";
import { receptiveField } from "../../../src/network/receptive_field.js";
import { average, doSteps, input, packagingError, runWithInterruptions, stage } from "./multi_task_data.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const settings: StrategySettings = {
  strategy: "y-net",
  seed: 3,
  network: { ...NORMALISED_NETWORK, filters: [4, 8, 8], dropoutRates: [0, 0, 0] },
  patch: 32,
  batch: 2,
  accumulate: 1,
  stages: { train: stage() },
  options: { reconstruction: 1, loss: "bce+dice", contrast: true },
};

describe("plain Y-Net", () => {
  it("learns masks and images of both domains, and gives the network of the mask", async () => {
    const before = tf.memory().numTensors;
    const run = await yNet.start(input(settings));
    const { losses, tensors, stage: train } = await doSteps(run, "train", 16, 3e-2);
    for (const part of ["loss", "segmentation", "reconstruction"]) {
      const [first, last] = [average(losses.slice(0, 4), part), average(losses.slice(-4), part)];
      expect(last).toBeLessThan(0.8 * first);
    }
    expect(new Set(tensors.slice(2)).size).toBe(1);
    expect(await train.validate?.()).toBeGreaterThan(0);
    train.dispose();
    const snapshot = await run.snapshot();
    expect(snapshot.layers.some(({ name }) => /reconstruct|image/.test(name))).toBe(false);
    expect(receptiveField(snapshot).multiple).toBe(4);
    const x = tf.randomUniform([1, 16, 24, 1], 0, 1, "float32", 4) as tf.Tensor4D;
    const probability = snapshot.predict(x) as tf.Tensor;
    expect(probability.shape).toEqual([1, 16, 24, 1]);
    // Half precision of the kernels.
    expect(await packagingError(snapshot, x)).toBeLessThan(0.01);
    tf.dispose([x, probability]);
    snapshot.dispose();
    run.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("goes on exactly after interruptions", async () => {
    const short = { ...settings, batch: 4, accumulate: 2, stages: { train: stage({ steps: 3 }) } };
    const { whole, parts } = await runWithInterruptions(yNet, short);
    expect(parts.losses).toEqual(whole.losses);
    expect(parts.weights).toEqual(whole.weights);
  }, 120_000);

  it("refuses what it cannot work with", async () => {
    const all = input(settings);
    const start = (changes: object) => yNet.start({ ...all, ...changes });
    await expect(start({ source: null })).rejects.toThrow(AdaptationError);
    await expect(start({ target: [] })).rejects.toThrow(/target/);
    await expect(start({ settings: { ...settings, batch: 3 } })).rejects.toThrow(/multiple of 2/);
    await expect(start({ settings: { ...settings, options: { lambda: 1 } } })).rejects.toThrow(/no option/);
  });
});
