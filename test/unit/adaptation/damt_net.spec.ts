import { beforeAll, describe, expect, it } from "vitest";
import { DamtCrops, greyRange } from "../../../src/adaptation/damt_data.js";
import { damtNet } from "../../../src/adaptation/damt_net.js";
import { damtGradients } from "../../../src/adaptation/damt_step.js";
import { AdaptationError, type StrategySettings } from "../../../src/adaptation/types.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { NORMALISED_NETWORK } from "../../../src/network/attention_unet.js";
import { Random } from "../../../src/network/random.js";
import { receptiveField } from "../../../src/network/receptive_field.js";
import { trainableVariables } from "../../../src/training/gradients.js";
import { Optimiser } from "../../../src/training/optimisers.js";
import {
  average,
  changedLayers,
  discs,
  doSteps,
  input,
  packagingError,
  runWithInterruptions,
  stage,
  unlabelled,
  weightsByLayer,
} from "./multi_task_data.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const options = {
  loss: "bce+dice",
  labelBase: 2,
  pooled: true,
  augmented: 0.5,
  discriminatorRate: 2e-3,
  frozenPatches: 2,
};
const settings: StrategySettings = {
  strategy: "damt-net",
  seed: 3,
  network: { ...NORMALISED_NETWORK, filters: [4, 8, 16, 32, 64] },
  patch: 32,
  batch: 2,
  accumulate: 1,
  stages: {
    train: stage({ optimiser: { name: "adam", momentum: 0.9, weightDecay: 0, beta1: 0.9, beta2: 0.99 } }),
  },
  options,
};

describe("DAMT-Net", () => {
  it("learns masks of the source and images of both domains", async () => {
    const before = tf.memory().numTensors;
    const run = await damtNet.start(input(settings));
    const { losses, tensors, stage: train } = await doSteps(run, "train", 8, 2e-2);
    expect(losses.every((each) => Object.values(each).every(Number.isFinite))).toBe(true);
    for (const part of ["segmentation", "reconstruction"]) {
      const [first, last] = [average(losses.slice(0, 3), part), average(losses.slice(-3), part)];
      expect(last).toBeLessThan(0.9 * first);
    }
    expect(new Set(tensors.slice(2)).size).toBe(1);
    expect(await train.validate?.()).toBeGreaterThan(0);
    train.dispose();
    run.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("moves each network by its own losses alone", async () => {
    const run = await damtNet.start(input(settings));
    const { network, label, feature } = run.networks;
    const variables = {
      network: trainableVariables(network),
      label: trainableVariables(label),
      feature: trainableVariables(feature),
    };
    const [source, target] = [discs(2, 1), discs(2, 2)];
    const ranges = { source: [0, 255], target: [0, 255] } as const;
    const crops = new DamtCrops(source, [unlabelled(target)], ranges, 32, 0, new Random(1));
    const batch = crops.sample(1);
    const gradientsWith = async (weights: { reconstruction: number; label: number; feature: number }) => {
      const networks = { network, label, feature, variables };
      const { gradients, losses } = await damtGradients(networks, [batch], 32, weights, "bce");
      const norms: Record<string, number> = {};
      for (const [part, tensors] of Object.entries(gradients)) {
        let sum = 0;
        for (const tensor of tensors) for (const value of await tensor.data()) sum += value ** 2;
        norms[part] = Math.sqrt(sum);
        tf.dispose(tensors);
      }
      return { norms, losses };
    };
    const before = await weightsByLayer(label);
    const none = await gradientsWith({ reconstruction: 0, label: 0, feature: 0 });
    const fooling = await gradientsWith({ reconstruction: 0, label: 1, feature: 1 });
    // Fooling the discriminators asks more of the network, and nothing of them.
    expect(fooling.norms.network).not.toBeCloseTo(none.norms.network, 6);
    expect(fooling.norms.label).toBeCloseTo(none.norms.label, 6);
    expect(fooling.norms.feature).toBeCloseTo(none.norms.feature, 6);
    for (const norm of Object.values(none.norms)) expect(norm).toBeGreaterThan(0);
    // With no weights the total is the segmentation; a discriminator that does not know loses log 2 about.
    expect(none.losses.loss).toBeCloseTo(none.losses.segmentation, 6);
    expect(none.losses.labelDiscriminator).toBeGreaterThan(0.3);
    expect(none.losses.labelDiscriminator).toBeLessThan(1.5);
    expect(changedLayers(before, await weightsByLayer(label))).toEqual([]);
    // Given time, the discriminators tell these two images apart; the network stays as it is meanwhile.
    const still = await weightsByLayer(network);
    const adam = { name: "adam", momentum: 0.9, weightDecay: 0 } as const;
    const optimisers = {
      label: new Optimiser(variables.label, adam),
      feature: new Optimiser(variables.feature, adam),
    };
    let last = none.losses;
    for (let step = 0; step < 6; step++) {
      const weights = { reconstruction: 0, label: 0, feature: 0 };
      const networks = { network, label, feature, variables };
      const { gradients, losses } = await damtGradients(networks, [batch], 32, weights, "bce");
      last = losses;
      optimisers.label.apply(gradients.label, 1e-3, step);
      optimisers.feature.apply(gradients.feature, 1e-3, step);
      tf.dispose(Object.values(gradients));
    }
    expect(last.labelDiscriminator).toBeLessThan(0.98 * none.losses.labelDiscriminator);
    expect(last.featureDiscriminator).toBeLessThan(0.98 * none.losses.featureDiscriminator);
    expect(changedLayers(still, await weightsByLayer(network))).toEqual([]);
    expect(changedLayers(before, await weightsByLayer(label))).toContain("conv0");
    run.dispose();
  });

  it("gives a snapshot whose prediction does not depend on the tile", async () => {
    const run = await damtNet.start(input(settings));
    const tensors = tf.memory().numTensors;
    const snapshot = await run.snapshot();
    const kinds = new Set(snapshot.layers.map((layer) => layer.getClassName()));
    expect(kinds.has("GroupNormalisation")).toBe(false);
    expect(kinds.has("BatchNormalization")).toBe(true);
    expect(snapshot.layers.some(({ name }) => /reconstruct|image/.test(name))).toBe(false);
    const { halo, multiple } = receptiveField(snapshot);
    expect(multiple).toBe(16);
    const random = new Random(9);
    const [height, width] = [16, 2 * halo + 64];
    const whole = tf.tensor4d(
      Float32Array.from({ length: height * width }, () => random.next()),
      [1, height, width, 1],
    );
    // Without the last 16 columns nothing changes that is farther from them than the halo.
    const part = tf.slice(whole, [0, 0, 0, 0], [1, height, width - 16, 1]);
    const [a, b] = [snapshot.predict(whole) as tf.Tensor4D, snapshot.predict(part) as tf.Tensor4D];
    const left = (x: tf.Tensor4D) => tf.slice(x, [0, 0, 0, 0], [1, height, 32, 1]);
    const [p, q] = [left(a), left(b)];
    expect(await p.data()).toEqual(await q.data());
    expect(await packagingError(snapshot, part)).toBeLessThan(0.01);
    tf.dispose([whole, part, a, b, p, q]);
    snapshot.dispose();
    expect(tf.memory().numTensors).toBe(tensors);
    run.dispose();
  });

  it("stretches each data set's grey values, and the snapshot the target's", async () => {
    const { source, target } = input(settings);
    const low = greyRange(target[0].em);
    expect(low[0]).toBeGreaterThan(50);
    expect(() => greyRange([new Uint8Array(4)])).toThrow(/one grey value/);
    const run = await damtNet.start(input(settings));
    const snapshot = await run.snapshot();
    expect(snapshot.layers[1].getConfig()).toMatchObject({
      name: "stretch",
      scale: 255 / (low[1] - low[0]),
      offset: -low[0] / (low[1] - low[0]),
    });
    // Held-out source slices get the target's look, and keep their labels.
    const held = source?.validation;
    const mean = (image: Uint8Array) => image.reduce((sum, value) => sum + value, 0) / image.length;
    expect(mean(run.validation!.em[0])).toBeGreaterThan(mean(held!.em[0]) + 15);
    expect(run.validation?.labels).toEqual(held?.labels);
    snapshot.dispose();
    run.dispose();
    const plain = await damtNet.start(input({ ...settings, options: { ...options, stretch: false } }));
    const unstretched = await plain.snapshot();
    expect(unstretched.layers.some(({ name }) => name === "stretch")).toBe(false);
    unstretched.dispose();
    plain.dispose();
  });

  it("goes on exactly after interruptions", async () => {
    const short = {
      ...settings,
      batch: 4,
      accumulate: 2,
      stages: { train: { ...settings.stages.train, steps: 2 } },
    };
    const { whole, parts } = await runWithInterruptions(damtNet, short);
    expect(parts.losses).toEqual(whole.losses);
    expect(parts.weights).toEqual(whole.weights);
  }, 120_000);

  it("has the authors' steps by default", () => {
    // paper.md: L->V 5640, K->V 3480 with nine tenths of 165 and 85 source slices and 40 of the target.
    const sizes = (sourceSlices: number) =>
      ({ sourceSlices, sourceSize: [1024, 768], targetSlices: 40, targetSize: [512, 1024] }) as const;
    expect(damtNet.defaults("paper", sizes(148)).stages.train.steps).toBe(5640);
    expect(damtNet.defaults("paper", sizes(76)).stages.train.steps).toBe(3480);
    expect(damtNet.defaults("paper", sizes(76)).stages.train.optimiser).toMatchObject({ beta2: 0.99 });
  });

  it("refuses what it cannot work with", async () => {
    const all = input(settings);
    const refusal = (changes: object) => expect(damtNet.start({ ...all, ...changes })).rejects;
    await refusal({ source: null }).toThrow(AdaptationError);
    await refusal({ target: [] }).toThrow(/target/);
    await refusal({ settings: { ...settings, patch: 48 } }).toThrow(/multiple of 32/);
    await refusal({ settings: { ...settings, batch: 3 } }).toThrow(/multiple of 2/);
    const network = { ...settings.network, filters: [4, 8, 8] };
    await refusal({ settings: { ...settings, network } }).toThrow(/twice the maps/);
    const black = { width: 48, height: 40, em: [new Uint8Array(48 * 40)] };
    await refusal({ target: [black] }).toThrow(/one grey value/);
  });
});
