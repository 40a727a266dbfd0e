import { beforeAll, describe, expect, it } from "vitest";
import { matchSlices, templateOf } from "../../../src/adaptation/histogram.js";
import { histogramMatching, histogramMatchingOnline } from "../../../src/adaptation/histogram_matching.js";
import { sourceOnly } from "../../../src/adaptation/source_only.js";
import type { Strategy, StrategyInput } from "../../../src/adaptation/types.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { buildAttentionUNet, PAPER_NETWORK } from "../../../src/network/attention_unet.js";
import { readWeights } from "../../../src/training/loop.js";
import { discs, iouOf, lossesOf, record, TINY_NETWORK, tinyInput } from "../../support/adaptation.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const strategies: Strategy[] = [sourceOnly, histogramMatching, histogramMatchingOnline];

describe.each(strategies)("$id", (strategy) => {
  it("resumes to the same losses, and keeps no tensors", async () => {
    const input = tinyInput(strategy);
    const whole = await record(strategy, input);
    const { numTensors } = tf.memory();
    const before = await record(strategy, input, { abortAt: 3 });
    const after = await record(strategy, input, { checkpoint: before.checkpoint });
    expect([...lossesOf(before), ...lossesOf(after)]).toEqual(lossesOf(whole));
    expect(new Set(lossesOf(whole).map(({ loss }) => loss)).size).toBe(6);
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  it("states the authors' settings: SGD, 360 epochs, patience 50", () => {
    const sizes = {
      sourceSlices: 20,
      sourceSize: [512, 1024],
      targetSlices: 330,
      targetSize: [1024, 768],
    } as const;
    const { network, batch, patch, stages } = strategy.defaults("paper", sizes);
    expect(network).toEqual(PAPER_NETWORK);
    expect([patch, batch]).toEqual([256, 6]);
    // 20 slices of 2 x 4 patches in batches of 6.
    expect(stages.train.steps).toBe(360 * 27);
    expect(stages.train).toMatchObject({ learningRate: 2e-3, validateEvery: 27, patience: 50 });
  });

  it("names what it lacks and what it does not know", async () => {
    const attempt = (change: Partial<StrategyInput>) => strategy.start({ ...tinyInput(strategy), ...change });
    await expect(attempt({ source: null })).rejects.toThrow(`${strategy.id}: needs the labelled source`);
    const empty = { ...discs(1, 1), em: [], labels: [] };
    await expect(attempt({ source: { train: empty, validation: empty } })).rejects.toThrow(
      /no source slices/,
    );
    const { settings } = tinyInput(strategy, { options: { los: "bce" } });
    await expect(attempt({ settings })).rejects.toThrow(/no option los; its options are: loss, rotation/);
    const wrong = tinyInput(strategy, { options: { loss: "mse" } }).settings;
    await expect(attempt({ settings: wrong })).rejects.toThrow(/loss must be bce or bce\+dice/);
    const typed = tinyInput(strategy, { options: { initial: 1 } }).settings;
    await expect(attempt({ settings: typed })).rejects.toThrow(/initial must be a boolean/);
    const initial = tinyInput(strategy, { options: { initial: true } }).settings;
    await expect(attempt({ settings: initial })).rejects.toThrow(/needs a source model/);
    if (strategy !== sourceOnly)
      await expect(attempt({ target: [] })).rejects.toThrow(/needs images of the target/);
  });

  it("starts from the source model when told to, if it fits", async () => {
    const network = buildAttentionUNet({ ...TINY_NETWORK, seed: 77 });
    const model = { network: TINY_NETWORK, weights: await readWeights(network.model) };
    network.model.dispose();
    const input = { ...tinyInput(strategy, { options: { initial: true } }), model };
    const run = await strategy.start(input);
    expect(await readWeights(run.networks.segmenter)).toEqual(model.weights);
    run.dispose();
    const other = tinyInput(strategy, {
      options: { initial: true },
      network: { ...TINY_NETWORK, filters: [4, 16] },
    });
    await expect(strategy.start({ ...other, model })).rejects.toThrow(
      /source model \(filters 4,8, .*does not fit/,
    );
  });
});

describe("training a network", () => {
  it("keeps memory flat over hundreds of steps, validations, snapshots and checkpoints", async () => {
    const network = { ...TINY_NETWORK, filters: [2, 2] };
    const input = tinyInput(histogramMatchingOnline, {
      network,
      stages: { steps: 200, validateEvery: 100, patience: 99, scoreEvery: 80 },
    });
    const small = { ...input, settings: { ...input.settings, patch: 8, batch: 1 } };
    const tensors: number[] = [];
    const bytes: number[] = [];
    await record(histogramMatchingOnline, small, {
      host: {
        wantsCheckpoint(totalSteps) {
          const { numTensors, numBytes } = tf.memory();
          tensors.push(numTensors);
          bytes.push(numBytes);
          return totalSteps % 100 === 0;
        },
      },
    });
    expect(tensors).toHaveLength(200);
    expect(new Set(tensors).size).toBe(1);
    expect(new Set(bytes).size).toBe(1);
  }, 60_000);
});

describe("histogram matching", () => {
  it("validates on source slices with the target's look", async () => {
    const input = tinyInput(histogramMatching);
    const template = templateOf(input.target);
    for (const strategy of [histogramMatching, histogramMatchingOnline]) {
      const run = await strategy.start({ ...input, settings: tinyInput(strategy).settings });
      expect(run.validation).toEqual(matchSlices(input.source!.validation, template));
      run.dispose();
    }
  });

  it("segments a brighter target better than training on the source alone", async () => {
    const target = discs(3, 8, 70);
    const ious: Record<string, number> = {};
    for (const strategy of [sourceOnly, histogramMatching]) {
      const input = tinyInput(strategy, {
        stages: { steps: 40, validateEvery: 0, scoreEvery: 0, learningRate: 1e-2 },
      });
      await record(strategy, input, {
        host: {
          onScore: async (snapshot) => {
            ious[strategy.id] = await iouOf(snapshot, target);
          },
        },
      });
    }
    expect(ious["histogram-matching"]).toBeGreaterThan(0.6);
    expect(ious["histogram-matching"]).toBeGreaterThan(ious["source-only"] + 0.1);
  }, 60_000);
});
