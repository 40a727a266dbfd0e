import { type AdaptationHost, runAdaptation } from "../../../src/adaptation/engine.js";
import type {
  Images,
  StageSettings,
  StepLosses,
  Strategy,
  StrategyInput,
  StrategyRun,
  StrategySettings,
} from "../../../src/adaptation/types.js";
import { readVariables, variablesOf } from "../../../src/adaptation/weights.js";
import { takeSnapshot } from "../../../src/experiment/snapshot.js";
import { loadNetwork } from "../../../src/inference/load.js";
import { tf } from "../../../src/kernels/tf.js";
import { checkTopology } from "../../../src/model/topology.js";
import { Random } from "../../../src/network/random.js";
import type { Slices } from "../../../src/training/slices.js";

/** Dark discs on a bright noisy ground: what a network of few filters learns in a few steps. */
export function discs(count: number, seed: number, ground = 180): Slices {
  const [width, height] = [48, 40];
  const random = new Random(seed);
  const em: Uint8Array[] = [];
  const labels: Uint8Array[] = [];
  for (let z = 0; z < count; z++) {
    const [cx, cy, r] = [random.uniform(10, 38), random.uniform(10, 30), random.uniform(6, 10)];
    const inside = (i: number) => Math.hypot((i % width) - cx, Math.floor(i / width) - cy) < r;
    em.push(
      Uint8Array.from(
        { length: width * height },
        (_, i) => (inside(i) ? ground - 110 : ground) + random.integer(30),
      ),
    );
    labels.push(Uint8Array.from({ length: width * height }, (_, i) => (inside(i) ? 255 : 0)));
  }
  return { width, height, em, labels };
}

export const unlabelled = ({ width, height, em }: Slices): Images => ({ width, height, em });

export function input(settings: StrategySettings): StrategyInput {
  const target = discs(3, 2, 210);
  return {
    source: { train: discs(4, 1), validation: discs(1, 7) },
    summary: null,
    target: [unlabelled(target)],
    model: null,
    settings,
  };
}

export const stage = (changes: Partial<StageSettings> = {}): StageSettings => ({
  steps: 4,
  learningRate: 5e-3,
  schedule: "constant",
  optimiser: { name: "adamw", momentum: 0.9, weightDecay: 1e-2 },
  validateEvery: 0,
  patience: 0,
  scoreEvery: 0,
  ...changes,
});

/** Weights of a network by the names of their variables' layers. */
export async function weightsByLayer(model: tf.LayersModel): Promise<Map<string, Float32Array[]>> {
  const all = new Map<string, Float32Array[]>();
  for (const layer of model.layers) {
    const arrays: Float32Array[] = [];
    for (const tensor of layer.getWeights())
      arrays.push(Float32Array.from((await tensor.data()) as Float32Array));
    if (arrays.length > 0) all.set(layer.name, arrays);
  }
  return all;
}

/** Names of the layers whose weights differ. */
export const changedLayers = (a: Map<string, Float32Array[]>, b: Map<string, Float32Array[]>): string[] =>
  [...a.keys()].filter((name) =>
    (a.get(name) as Float32Array[]).some((array, i) => array.some((v, k) => v !== b.get(name)?.[i][k])),
  );

/** Does some steps of a stage; says how the losses and the number of tensors went. */
export async function doSteps(run: StrategyRun, name: string, count: number, rate: number) {
  const made = await run.begin(name);
  const losses: StepLosses[] = [];
  const tensors: number[] = [];
  for (let step = 0; step < count; step++) {
    losses.push(await made.step(step, rate));
    tensors.push(tf.memory().numTensors);
  }
  return { stage: made, losses, tensors };
}

export const average = (losses: readonly StepLosses[], part = "loss"): number => {
  const values = losses.flatMap((each) => (each[part] === undefined ? [] : [each[part]]));
  return values.reduce((a, b) => a + b, 0) / values.length;
};

/**
 * The losses of a whole run, and its weights at the end, with and without an interruption after each of its steps.
 * Both must be equal, to the last bit.
 */
export async function runWithInterruptions(strategy: Strategy, settings: StrategySettings) {
  const whole = await losses(strategy, settings, false);
  const parts = await losses(strategy, settings, true);
  return { whole, parts };
}

async function losses(strategy: Strategy, settings: StrategySettings, interrupted: boolean) {
  const all: number[] = [];
  let checkpoint: Parameters<NonNullable<AdaptationHost["save"]>>[0] | undefined;
  for (;;) {
    const run = await strategy.start(input(settings));
    const abort = new AbortController();
    const outcome = await runAdaptation(
      { strategy, run, settings, checkpoint },
      {
        onStep(report) {
          all.push(report.losses.loss);
          if (interrupted) abort.abort();
        },
        async save(saved) {
          checkpoint = structuredClone(saved);
        },
        signal: abort.signal,
      },
    );
    const weights: Float32Array[] = [];
    for (const model of Object.values(run.networks))
      weights.push(...(await readVariables(variablesOf(model))));
    run.dispose();
    if (outcome.stopped === "finished") return { losses: all, weights };
  }
}

/** How much a snapshot's probabilities change on their way through a package, at most. Throws where one cannot hold it. */
export async function packagingError(snapshot: tf.LayersModel, x: tf.Tensor4D): Promise<number> {
  const packed = await takeSnapshot(snapshot, "test");
  checkTopology(packed.topology as Record<string, unknown>, packed.weightSpecs);
  const loaded = await loadNetwork(packed);
  const difference = tf.tidy(() =>
    tf.max(tf.abs(tf.sub(loaded.predict(x) as tf.Tensor, snapshot.predict(x) as tf.Tensor))),
  );
  const [most] = await difference.data();
  difference.dispose();
  loaded.dispose();
  return most;
}
