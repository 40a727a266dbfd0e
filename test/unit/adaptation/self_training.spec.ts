import { beforeAll, describe, expect, it } from "vitest";
import { selfTraining, styleRandomisation } from "../../../src/adaptation/self_training.js";
import { sourceOnly } from "../../../src/adaptation/source_only.js";
import type { SourceModel, Strategy, StrategyInput } from "../../../src/adaptation/types.js";
import { readVariables, variablesOf } from "../../../src/adaptation/weights.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { PAPER_NETWORK } from "../../../src/network/attention_unet.js";
import { readWeights } from "../../../src/training/loop.js";
import { discs, iouOf, lossesOf, record, TINY_NETWORK, tinyInput } from "../../support/adaptation.js";

let model: SourceModel;

beforeAll(async () => {
  await selectBackend("wasm");
  const run = await sourceOnly.start(tinyInput(sourceOnly));
  const stage = await run.begin("train");
  for (let i = 0; i < 60; i++) await stage.step(i, 1e-2);
  model = { network: TINY_NETWORK, weights: await readWeights(run.networks.segmenter) };
  stage.dispose();
  run.dispose();
}, 60_000);

const inputFor = (strategy: Strategy, change: Parameters<typeof tinyInput>[1] = {}): StrategyInput => ({
  ...tinyInput(strategy, change),
  model,
});

describe("self-training", () => {
  it("learns the source, and the target as its weight rises", async () => {
    const losses = lossesOf(await record(selfTraining, inputFor(selfTraining, { options: { ramp: 0.3 } })));
    expect(losses).toHaveLength(6);
    // Nothing of the target in the first step: its weight begins at 0.
    expect(losses[0].target).toBeUndefined();
    expect(losses[0].loss).toBeCloseTo(losses[0].source, 5);
    // Half way through it counts in full.
    expect(losses[4].loss).toBeCloseTo(losses[4].source + losses[4].target, 5);
  });

  it("does without the source's images", async () => {
    const losses = lossesOf(await record(selfTraining, { ...inputFor(selfTraining), source: null }));
    expect(losses.every(({ loss, target, source }) => loss === target && source === undefined)).toBe(true);
  });

  it("finds more of a target that it segments already, in a tiny case", async () => {
    const target = discs(4, 3, 60);
    const input: StrategyInput = {
      ...inputFor(selfTraining, { stages: { steps: 40, learningRate: 3e-3 }, options: { decay: 0.8 } }),
      target: [target],
    };
    const run = await selfTraining.start(input);
    const score = async () => {
      const snapshot = await run.snapshot();
      const iou = await iouOf(snapshot, target);
      snapshot.dispose();
      return iou;
    };
    const before = await score();
    const stage = await run.begin("train");
    for (let i = 0; i < 40; i++) await stage.step(i, 3e-3);
    const after = await score();
    stage.dispose();
    run.dispose();
    expect(after).toBeGreaterThan(before);
    expect(after).toBeGreaterThan(0.6);
  });

  it("moves the teacher by its share towards the student", async () => {
    const run = await selfTraining.start(inputFor(selfTraining, { options: { decay: 0.75 } }));
    const read = (name: string) => readVariables(variablesOf(run.networks[name]).slice(0, 1));
    const [before] = await read("teacher");
    const stage = await run.begin("train");
    await stage.step(0, 1e-2);
    const [[student], [teacher]] = [await read("student"), await read("teacher")];
    teacher.forEach((value, i) => {
      expect(value).toBeCloseTo(0.75 * before[i] + 0.25 * student[i], 5);
    });
    expect(student).not.toEqual(before);
    stage.dispose();
    run.dispose();
  });

  it("goes on exactly where it was stopped", async () => {
    const input = inputFor(selfTraining);
    const whole = await record(selfTraining, input);
    const first = await record(selfTraining, input, { abortAt: 4 });
    const rest = await record(selfTraining, input, { checkpoint: first.checkpoint });
    expect([...lossesOf(first), ...lossesOf(rest)]).toEqual(lossesOf(whole));
  });

  it("leaves no tensor behind", async () => {
    const run = await selfTraining.start(inputFor(selfTraining));
    const stage = await run.begin("train");
    await stage.step(0, 1e-3);
    const tensors = tf.memory().numTensors;
    for (let i = 1; i < 12; i++) await stage.step(i, 1e-3);
    (await run.snapshot()).dispose();
    expect(tf.memory().numTensors).toBe(tensors);
    stage.dispose();
    run.dispose();
  });

  it("works with the paper's network, which has no normalisation", async () => {
    const network = { ...PAPER_NETWORK, filters: [4, 8], dropoutRates: [0.1, 0.1] };
    const input = { ...tinyInput(selfTraining, { network, options: { initial: false } }) };
    expect(lossesOf(await record(selfTraining, input)).every(({ loss }) => Number.isFinite(loss))).toBe(true);
  });

  it.each([
    [{ decay: 1 }, /decay/],
    [{ sharpness: 1 }, /no option sharpness/],
  ])("refuses the options %o", async (options, message) => {
    await expect(selfTraining.start(inputFor(selfTraining, { options }))).rejects.toThrow(message);
  });

  it("says what is missing", async () => {
    await expect(selfTraining.start({ ...inputFor(selfTraining), model: null })).rejects.toThrow(
      /source model/,
    );
    const alone = { ...inputFor(selfTraining, { options: { targetWeight: 0 } }), source: null };
    await expect(selfTraining.start(alone)).rejects.toThrow(/nothing to learn from/);
    const unlabelled = { ...inputFor(styleRandomisation), source: null };
    await expect(styleRandomisation.start(unlabelled)).rejects.toThrow(/labelled source/);
  });
});

describe("style randomisation", () => {
  it("learns from the source alone", async () => {
    const losses = lossesOf(await record(styleRandomisation, inputFor(styleRandomisation)));
    expect(losses.every(({ loss, source, target }) => loss === source && target === undefined)).toBe(true);
  });
});
