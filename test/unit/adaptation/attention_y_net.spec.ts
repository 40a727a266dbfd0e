import { beforeAll, describe, expect, it } from "vitest";
import { attentionYNet } from "../../../src/adaptation/attention_y_net.js";
import { AdaptationError, type StrategySettings } from "../../../src/adaptation/types.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { buildAttentionUNet, NORMALISED_NETWORK } from "../../../src/network/attention_unet.js";
import { receptiveField } from "../../../src/network/receptive_field.js";
import { ATTENTION_Y_NETWORK } from "../../../src/network/y_nets.js";
import { readWeights } from "../../../src/training/loop.js";
import {
  average,
  changedLayers,
  doSteps,
  input,
  packagingError,
  runWithInterruptions,
  stage,
  weightsByLayer,
} from "./multi_task_data.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const network = { ...NORMALISED_NETWORK, filters: [4, 8, 8], dropoutRates: [0, 0.1, 0.2] };
const options = {
  patches: 20,
  jointSegmentation: 0.5,
  jointReconstruction: 0.5,
  loss: "bce+dice",
  rotation: false,
};
const settings: StrategySettings = {
  strategy: "attention-y-net",
  seed: 3,
  network,
  patch: 32,
  batch: 2,
  accumulate: 1,
  stages: { joint: stage(), reconstruction: stage(), segmentation: stage({ scoreEvery: 2 }) },
  options,
};
const paperNetwork = { ...ATTENTION_Y_NETWORK, filters: [4, 8, 8], dropoutRates: [0.1, 0.1, 0.3] };

const prefix = (name: string) => name.replace(/[0-9_].*/, "");
const kinds = (layers: readonly string[]) => [...new Set(layers.map(prefix))].sort();

describe("Attention Y-Net", () => {
  it("learns masks of the source and images of both domains at once", async () => {
    const run = await attentionYNet.start(input(settings));
    const before = await weightsByLayer(run.networks.network);
    const { losses, tensors, stage: joint } = await doSteps(run, "joint", 36, 1e-2);
    expect(losses.every(({ loss }) => Number.isFinite(loss))).toBe(true);
    for (const part of ["reconstruction", "segmentation"])
      expect(average(losses.slice(-12), part)).toBeLessThan(0.8 * average(losses.slice(0, 10), part));
    // Unlabelled batches have no mask, and there are some of both kinds.
    const labelled = losses.filter((each) => "segmentation" in each).length;
    expect(labelled).toBeGreaterThan(9);
    expect(labelled).toBeLessThan(27);
    expect(new Set(tensors.slice(2)).size).toBe(1);
    expect(kinds(changedLayers(before, await weightsByLayer(run.networks.network)))).toEqual([
      "bottom",
      "down",
      "image",
      "logits",
      "reconstruct",
      "up",
    ]);
    expect(await joint.validate?.()).toBeLessThan(average(losses.slice(0, 10)));
    joint.dispose();
    run.dispose();
  });

  it("trains its halves by turns: what a stage freezes keeps weights and batch statistics", async () => {
    const run = await attentionYNet.start(input(settings));
    const first = await weightsByLayer(run.networks.network);
    const reconstruction = await doSteps(run, "reconstruction", 6, 5e-3);
    const second = await weightsByLayer(run.networks.network);
    expect(kinds(changedLayers(first, second))).toEqual(["bottom", "down", "image", "reconstruct"]);
    expect(reconstruction.losses.every((each) => !("segmentation" in each))).toBe(true);
    reconstruction.stage.dispose();
    const { losses, tensors, stage: last } = await doSteps(run, "segmentation", 24, 1e-2);
    expect(kinds(changedLayers(second, await weightsByLayer(run.networks.network)))).toEqual([
      "bottom",
      "logits",
      "up",
    ]);
    expect(losses.every((each) => !("reconstruction" in each))).toBe(true);
    expect(average(losses.slice(-10))).toBeLessThan(0.9 * average(losses.slice(0, 10)));
    expect(new Set(tensors.slice(2)).size).toBe(1);
    last.dispose();
    run.dispose();
  });

  it("gives a network of the mask alone, of layers that a package may hold, and leaks nothing", async () => {
    const alike = buildAttentionUNet(network).model;
    const before = tf.memory().numTensors;
    const run = await attentionYNet.start(input(settings));
    const { stage: joint } = await doSteps(run, "joint", 2, 1e-3);
    joint.dispose();
    const made = tf.memory().numTensors;
    const snapshot = await run.snapshot();
    const names = snapshot.layers.map((layer) => layer.name);
    expect(names.some((name) => /reconstruct|image|dropout/.test(name))).toBe(false);
    expect(names).toContain("down0_conv1");
    expect(snapshot.countParams()).toBe(alike.countParams());
    expect(receptiveField(snapshot).multiple).toBe(4);
    const x = tf.randomUniform([1, 16, 24, 1], 0, 1, "float32", 4) as tf.Tensor4D;
    const probability = snapshot.predict(x) as tf.Tensor;
    expect(probability.shape).toEqual([1, 16, 24, 1]);
    const values = await probability.data();
    expect(values.every((value) => value > 0 && value < 1)).toBe(true);
    // Half precision of the kernels.
    expect(await packagingError(snapshot, x)).toBeLessThan(0.01);
    tf.dispose([x, probability]);
    snapshot.dispose();
    expect(tf.memory().numTensors).toBe(made);
    run.dispose();
    expect(tf.memory().numTensors).toBe(before);
    alike.dispose();
  });

  it("goes on exactly after interruptions in every stage", async () => {
    const two = stage({ steps: 2 });
    const short = {
      ...settings,
      accumulate: 2,
      stages: { joint: two, reconstruction: two, segmentation: two },
    };
    const { whole, parts } = await runWithInterruptions(attentionYNet, short);
    expect(parts.losses).toEqual(whole.losses);
    expect(parts.losses).toHaveLength(6);
    expect(parts.weights).toEqual(whole.weights);
  }, 120_000);

  it("runs with the paper's exact network, any rotation and matching", async () => {
    const exact = {
      ...settings,
      network: paperNetwork,
      batch: 1,
      options: { ...options, loss: "bce", rotation: true, matching: 1 },
    };
    const run = await attentionYNet.start(input(exact));
    const sgd = await doSteps(run, "joint", 4, 1e-3);
    sgd.stage.dispose();
    const { losses, stage: last } = await doSteps(run, "segmentation", 4, 1e-3);
    expect(losses.every(({ loss }) => Number.isFinite(loss))).toBe(true);
    expect(await last.validate?.()).toBeGreaterThan(0);
    last.dispose();
    const snapshot = await run.snapshot();
    expect(snapshot.layers.some((layer) => layer.getClassName() === "BatchNormalization")).toBe(false);
    snapshot.dispose();
    run.dispose();
  });

  it("can start from a source model", async () => {
    const source = buildAttentionUNet({ ...network, seed: 77 });
    const given = { ...input({ ...settings, options: { ...options, initial: true } }) };
    const model = { network, weights: await readWeights(source.model) };
    const run = await attentionYNet.start({ ...given, model });
    const snapshot = await run.snapshot();
    const x = tf.randomUniform([1, 16, 16, 1], 0, 1, "float32", 4) as tf.Tensor4D;
    const [a, b] = [snapshot.predict(x) as tf.Tensor, source.model.predict(x) as tf.Tensor];
    expect(await a.data()).toEqual(await b.data());
    tf.dispose([x, a, b]);
    snapshot.dispose();
    run.dispose();
    source.model.dispose();
    await expect(attentionYNet.start(given)).rejects.toThrow(/source model/);
  });

  it("refuses what it cannot work with", async () => {
    const all = input(settings);
    const refusal = async (changes: object) =>
      attentionYNet.start({ ...all, ...changes }).then(
        () => "started",
        (error) => (error instanceof AdaptationError ? error.message : `${error}`),
      );
    expect(await refusal({ source: null })).toMatch(/source/);
    expect(await refusal({ target: [] })).toMatch(/target/);
    expect(await refusal({ settings: { ...settings, options: { patchs: 3 } } })).toMatch(/no option patchs/);
    expect(await refusal({ settings: { ...settings, options: { loss: "l2" } } })).toMatch(/loss/);
    const black = { width: 48, height: 40, em: [new Uint8Array(48 * 40)], labels: [new Uint8Array(48 * 40)] };
    const run = await attentionYNet.start({ ...all, source: { train: black, validation: black } });
    await expect(run.begin("joint")).rejects.toThrow(AdaptationError);
    run.dispose();
  });

  it("has the authors' stages by default", () => {
    const sizes = {
      sourceSlices: 148,
      sourceSize: [1024, 768],
      targetSlices: 40,
      targetSize: [512, 1024],
    } as const;
    const paper = attentionYNet.defaults("paper", sizes);
    expect(Object.values(paper.stages).map(({ steps }) => steps)).toEqual([180_000, 144_000, 90_000]);
    expect(Object.values(paper.stages).map(({ patience }) => patience)).toEqual([7, 6, 0]);
    expect(Object.values(paper.stages).map(({ learningRate }) => learningRate)).toEqual([1e-3, 2e-4, 2e-4]);
    expect(paper.network).toBe(ATTENTION_Y_NETWORK);
    expect(paper.stages.segmentation.scoreEvery).toBe(1800);
  });
});
