import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NORMALISED_NETWORK } from "../../../src/network/attention_unet.js";
import type { Checkpoint } from "../../../src/training/checkpoint.js";
import {
  CHECKPOINT_FILE,
  LOG_FILE,
  openRunFolder,
  readCheckpoint,
  readLog,
} from "../../../src/training/run_node.js";
import {
  checkSettings,
  PRESETS,
  stepsPerEpoch,
  type TrainingSettings,
} from "../../../src/training/settings.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-run-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const settings = {
  ...PRESETS.small,
  steps: 10,
  validateEvery: 5,
  network: NORMALISED_NETWORK,
} as TrainingSettings;
const checkpoint = (step: number): Checkpoint => ({
  settings,
  progress: {
    step,
    random: [1, 2, 3, 4],
    plateau: { best: Number.POSITIVE_INFINITY, waited: 0, scale: 1 },
    best: null,
    waited: 0,
  },
  weights: [Float32Array.of(1, 2, 3), Float32Array.of(4)],
  bestWeights: [],
  slots: [Float32Array.of(5)],
});
const open = (startStep: number) =>
  openRunFolder({
    folder,
    totalSteps: 10,
    startStep,
    checkpointSteps: 2,
    checkpointMinutes: 60,
    signal: new AbortController().signal,
  });

describe("run folder", () => {
  it("keeps a checkpoint and gives it back as it was", async () => {
    expect(await readCheckpoint(folder)).toBeNull();
    const host = await open(0);
    await host.save!(checkpoint(4));
    expect(await readCheckpoint(folder)).toEqual(checkpoint(4));
    expect(await readdir(folder)).toEqual([CHECKPOINT_FILE, LOG_FILE]);
    expect([1, 2, 3, 4].map((step) => host.wantsCheckpoint!(step))).toEqual([false, true, false, true]);
  });

  it("names a damaged checkpoint", async () => {
    await writeFile(join(folder, CHECKPOINT_FILE), "no");
    await expect(readCheckpoint(folder)).rejects.toThrow(/checkpoint.bin: is not a training checkpoint/);
  });

  it("drops from the log what came after the checkpoint, and a line cut short", async () => {
    const host = await open(0);
    for (let step = 1; step <= 4; step++) host.onStep!({ step, loss: 1 / step, learningRate: 0.1 });
    host.onValidation!({ step: 4, best: true, loss: 1, iouPerSlice: 0.5, iouVolume: 0.5 });
    await host.finish();
    await appendFile(join(folder, LOG_FILE), '{"kind":"step","ste');
    expect((await readLog(folder)).map(({ kind, step }) => `${kind} ${step}`)).toEqual([
      "step 1",
      "step 2",
      "step 3",
      "step 4",
      "validation 4",
    ]);
    const resumed = await open(2);
    resumed.onStep!({ step: 3, loss: 9, learningRate: 0.1 });
    await resumed.finish();
    const lines = (await readFile(join(folder, LOG_FILE), "utf8")).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).step)).toEqual([1, 2, 3]);
    expect(JSON.parse(lines[2]).loss).toBe(9);
  });
});

describe("settings", () => {
  it("of the paper are about a hundred thousand steps on Lucchi++", () => {
    const epoch = stepsPerEpoch(149, 1024, 768, PRESETS.paper.patch, PRESETS.paper.batch);
    expect(epoch).toBe(298);
    expect(PRESETS.paper).toMatchObject({
      epochs: 360,
      patience: 50,
      learningRate: 2e-3,
      optimiser: { name: "sgd", momentum: 0.99 },
      loss: "bce",
    });
  });

  it("name the one that cannot be", () => {
    const with_ = (change: Partial<TrainingSettings>) => () => checkSettings({ ...settings, ...change });
    expect(with_({})).not.toThrow();
    expect(with_({ steps: 0 })).toThrow(/steps must be a whole number of at least 1, not 0/);
    expect(with_({ seed: -1 })).toThrow(/seed/);
    expect(with_({ learningRate: Number.NaN })).toThrow(/learningRate/);
    expect(with_({ patch: 100 })).toThrow(/multiple of 16/);
    expect(with_({ augmentation: { ...settings.augmentation, noise: -1 } })).toThrow(/noise/);
  });
});
