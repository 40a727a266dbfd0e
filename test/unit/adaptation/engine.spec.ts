import { beforeAll, describe, expect, it } from "vitest";
import { runAdaptation } from "../../../src/adaptation/engine.js";
import type {
  Stage,
  StageSettings,
  Strategy,
  StrategyRun,
  StrategySettings,
} from "../../../src/adaptation/types.js";
import { variablesOf } from "../../../src/adaptation/weights.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { Random } from "../../../src/network/random.js";
import { trainableVariables } from "../../../src/training/gradients.js";
import { Optimiser } from "../../../src/training/optimisers.js";
import { lossesOf, record, TINY_NETWORK, tinyInput } from "../../support/adaptation.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const stageSettings: StageSettings = {
  steps: 8,
  learningRate: 0.05,
  schedule: "one-cycle",
  optimiser: { name: "adam", momentum: 0.9, weightDecay: 0 },
  validateEvery: 2,
  patience: 0,
  scoreEvery: 4,
};

interface Script {
  /** Validation losses in their order; default: the distance to the goal. */
  validations?: number[];
  /** The loss of a step, where it is not the true one. */
  loss?: (step: number) => number;
}

/** Learns y = goal by two networks, the second of which follows the first in stage "b". Costs next to nothing. */
function toy(script: Script = {}): Strategy {
  return {
    id: "source-only",
    title: "Toy",
    summary: "For tests.",
    needs: [],
    stages: ["a", "b"],
    defaults: () => settings(),
    async start(given) {
      const dense = (name: string) =>
        tf.sequential({
          layers: [tf.layers.dense({ name, units: 1, inputShape: [3], kernelInitializer: "zeros" })],
        });
      const networks = { first: dense("one"), second: dense("two") };
      const random = new Random(3);
      let validated = 0;
      const run: StrategyRun = {
        networks,
        random,
        async enter(stage) {
          if (stage !== "b") return;
          variablesOf(networks.second).forEach((variable, i) => {
            variable.assign(variablesOf(networks.first)[i]);
          });
        },
        async begin(stage): Promise<Stage> {
          const model = stage === "a" ? networks.first : networks.second;
          const variables = trainableVariables(model);
          const optimiser = new Optimiser(variables, given.settings.stages[stage].optimiser);
          return {
            optimisers: { only: optimiser },
            async step(step, rate) {
              const x = tf.tensor2d(
                Float32Array.from({ length: 6 }, () => random.normal()),
                [2, 3],
              );
              const { value, grads } = tf.variableGrads(
                () => tf.mean(tf.square(tf.sub(model.apply(x) as tf.Tensor, 2))) as tf.Scalar,
                variables,
              );
              optimiser.apply(
                variables.map(({ name }) => grads[name]),
                rate,
                step,
              );
              const [loss] = await value.data();
              tf.dispose([x, value, grads]);
              return { loss: script.loss?.(step) ?? loss, part: loss / 2 };
            },
            async validate() {
              if (script.validations) return script.validations[validated++];
              const [bias] = await variables[1].data();
              return (bias - 2) ** 2;
            },
            dispose: () => optimiser.dispose(),
          };
        },
        async snapshot() {
          const model = dense("copy");
          variablesOf(model).forEach((variable, i) => {
            variable.assign(variablesOf(networks.second)[i]);
          });
          return model;
        },
        validation: null,
        dispose() {
          networks.first.dispose();
          networks.second.dispose();
        },
      };
      return run;
    },
  };
}

function settings(change: { a?: Partial<StageSettings>; b?: Partial<StageSettings> } = {}): StrategySettings {
  return {
    strategy: "source-only",
    seed: 1,
    network: TINY_NETWORK,
    patch: 32,
    batch: 2,
    accumulate: 1,
    stages: { a: { ...stageSettings, ...change.a }, b: { ...stageSettings, ...change.b } },
    options: {},
  };
}

const input = (change?: Parameters<typeof settings>[0]) => ({
  ...tinyInput(toy()),
  settings: settings(change),
});

describe("the engine", () => {
  it("runs the stages in their order, and scores the last step", async () => {
    const { stages, steps, validations, scores, outcome } = await record(
      toy(),
      input({ b: { steps: 6, scoreEvery: 4 }, a: { scoreEvery: 0 } }),
    );
    expect(stages).toEqual(["a", "b"]);
    expect(steps.map(({ stage, step, totalSteps }) => `${stage}${step} ${totalSteps}`).join()).toBe(
      "a1 1,a2 2,a3 3,a4 4,a5 5,a6 6,a7 7,a8 8,b1 9,b2 10,b3 11,b4 12,b5 13,b6 14",
    );
    expect(scores).toEqual([
      { stage: "b", step: 4, totalSteps: 12 },
      { stage: "b", step: 6, totalSteps: 14 },
    ]);
    expect(validations.map(({ stage, step }) => `${stage}${step}`).join()).toBe("a2,a4,a6,a8,b2,b4,b6");
    expect(outcome).toEqual({ stopped: "finished", totalSteps: 14 });
    // The second network was copied from the first, not begun anew.
    expect(steps[8].losses.loss).toBeLessThan(steps[0].losses.loss);
    expect(steps[0].losses.part).toBeCloseTo(steps[0].losses.loss / 2, 6);
  });

  it.each([1, 5, 8, 9, 13, 16])("resumed after step %i gives bitwise the same losses", async (abortAt) => {
    const change = { a: { schedule: "reduce-on-plateau", patience: 4 } } as const;
    const whole = await record(toy(), input(change));
    const before = await record(toy(), input(change), { abortAt });
    expect(before.outcome).toEqual({ stopped: "interrupted", totalSteps: abortAt });
    const after = await record(toy(), input(change), { checkpoint: before.checkpoint });
    expect([...lossesOf(before), ...lossesOf(after)]).toEqual(lossesOf(whole));
    expect([...before.validations, ...after.validations]).toEqual(whole.validations);
    expect([...before.scores, ...after.scores]).toEqual(whole.scores);
    expect(after.checkpoint?.weights).toEqual(whole.checkpoint?.weights);
  });

  it("takes checkpoints when asked, from which a run goes on", async () => {
    const whole = await record(toy(), input());
    const checkpoints: NonNullable<typeof whole.checkpoint>[] = [];
    await record(toy(), input(), {
      host: {
        wantsCheckpoint: (totalSteps) => totalSteps % 5 === 0,
        save: async (checkpoint) => void checkpoints.push(checkpoint),
      },
    });
    expect(checkpoints.map(({ progress }) => progress.totalSteps)).toEqual([5, 10, 15, 16]);
    for (const checkpoint of checkpoints) {
      const rest = await record(toy(), input(), { checkpoint });
      expect(lossesOf(rest)).toEqual(lossesOf(whole).slice(checkpoint.progress.totalSteps));
    }
  });

  it("ends a stage by patience, with its best weights", async () => {
    const validations = [3, 1, 2, 2, 5, 4, 3, 2];
    const seen: number[] = [];
    const change = { a: { patience: 2 }, b: { patience: 2, scoreEvery: 0 } };
    const run = await toy({ validations }).start(input(change));
    const outcome = await runAdaptation(
      { strategy: toy(), run, settings: settings(change) },
      {
        onStep: ({ totalSteps }) => seen.push(totalSteps),
        async onValidation({ stage, step, best }) {
          if (stage === "a" && step === 4) expect(best).toBe(true);
        },
      },
    );
    // Best at step 4 of a, two worse ones after it; b improves four times in a row to its end.
    expect(outcome).toEqual({ stopped: "finished", totalSteps: 16 });
    run.dispose();
    const early = await record(toy({ validations: [1, 2, 2, 3, 2, 1, 2, 2] }), input(change));
    expect(early.steps.map(({ stage, step }) => `${stage}${step}`).join()).toBe(
      "a1,a2,a3,a4,a5,a6,b1,b2,b3,b4,b5,b6,b7,b8",
    );
    expect(early.outcome?.totalSteps).toBe(14);
  });

  it("gives the next stage the best weights of the last", async () => {
    const biases: number[] = [];
    const change = { a: { patience: 1, scoreEvery: 2 } };
    const strategy = toy({ validations: [1, 2, 1, 1, 1, 1] });
    const run = await strategy.start(input(change));
    const bias = async () => (await variablesOf(run.networks.first)[1].data())[0];
    await runAdaptation(
      { strategy, run, settings: settings(change) },
      {
        onScore: async ({ name }, { stage, step }) => {
          expect(name).toBeTruthy();
          if (stage === "a") biases[step] = await bias();
        },
        onStep: () => undefined,
      },
    );
    expect(await bias()).toBe(biases[2]);
    expect(await bias()).not.toBe(biases[4] ?? Number.NaN);
    run.dispose();
  });

  it("stops at a loss that is no number, naming the step and the rate", async () => {
    const broken = toy({ loss: (step) => (step === 3 ? Number.NaN : 1) });
    await expect(record(broken, input())).rejects.toThrow(
      /source-only: loss became NaN at step 3 of stage a/,
    );
    const damaged = toy({ validations: [Number.POSITIVE_INFINITY] });
    await expect(record(damaged, input())).rejects.toThrow(/validation loss became Infinity/);
  });

  it.each([undefined, new Error("the window was closed")])(
    "comes back to a score that the signal cut short: %s",
    async (reason) => {
      const controller = new AbortController();
      const first = await record(toy(), input(), {
        host: {
          signal: controller.signal,
          onScore: async () => {
            controller.abort(reason);
            throw reason ?? new DOMException("stopped", "AbortError");
          },
        },
      });
      expect(first.outcome).toEqual({ stopped: "interrupted", totalSteps: 4 });
      const rest = await record(toy(), input(), { checkpoint: first.checkpoint });
      expect(rest.scores.map(({ totalSteps }) => totalSteps)).toEqual([4, 8, 12, 16]);
      const failing = { onScore: () => Promise.reject(new Error("no room")) };
      await expect(record(toy(), input(), { host: failing })).rejects.toThrow("no room");
    },
  );

  it("refuses settings and checkpoints that do not fit", async () => {
    const run = await toy().start(input());
    const attempt = (changed: StrategySettings) =>
      runAdaptation({ strategy: toy(), run, settings: changed }, {});
    await expect(attempt(settings({ a: { steps: 0 } }))).rejects.toThrow(/stages.a.steps/);
    await expect(attempt(settings({ b: { learningRate: -1 } }))).rejects.toThrow(/stages.b.learningRate/);
    await expect(attempt({ ...settings(), patch: 33 })).rejects.toThrow(/patch must be a multiple of 2/);
    await expect(attempt({ ...settings(), strategy: "cut" })).rejects.toThrow(/settings are those of cut/);
    await expect(
      attempt({ ...settings(), stages: { ...settings().stages, c: stageSettings } }),
    ).rejects.toThrow(/no stage c/);
    run.dispose();
    const { checkpoint } = await record(toy(), input(), { abortAt: 3 });
    const other = record(toy(), input({ b: { steps: 9 } }), { checkpoint });
    await expect(other).rejects.toThrow(/other settings \(stages was/);
    const lost = { ...checkpoint!, weights: { first: checkpoint!.weights.first } };
    await expect(record(toy(), input(), { checkpoint: lost })).rejects.toThrow(/no network second/);
    const foreign = { ...checkpoint!, weights: { ...checkpoint!.weights, first: [new Float32Array(2)] } };
    await expect(record(toy(), input(), { checkpoint: foreign })).rejects.toThrow(/network first is another/);
    const slotless = { ...checkpoint!, slots: {} };
    await expect(record(toy(), input(), { checkpoint: slotless })).rejects.toThrow(/no optimiser only/);
    const elsewhere = { ...checkpoint!, progress: { ...checkpoint!.progress, stage: "z" } };
    await expect(record(toy(), input(), { checkpoint: elsewhere })).rejects.toThrow(/a stage z/);
  });

  it("keeps no tensors over 10,000 steps", async () => {
    const strategy = toy();
    const optimiser = { name: "sgd", momentum: 0, weightDecay: 0 } as const;
    const long = { optimiser, steps: 5000, validateEvery: 500, scoreEvery: 1000, patience: 99 };
    await record(strategy, input());
    const before = tf.memory();
    let most = 0;
    let during = 0;
    await record(strategy, input({ a: long, b: long }), {
      host: {
        onStep({ totalSteps }) {
          const { numTensors } = tf.memory();
          if (totalSteps === 10) during = numTensors;
          most = Math.max(most, numTensors);
        },
        wantsCheckpoint: (totalSteps) => totalSteps % 2500 === 0,
      },
    });
    expect(most).toBe(during);
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes);
  }, 120_000);
});
