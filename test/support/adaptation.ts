import type { AdaptationCheckpoint } from "../../src/adaptation/checkpoint.js";
import { decodeAdaptation, encodeAdaptation } from "../../src/adaptation/checkpoint.js";
import {
  type AdaptationHost,
  type AdaptationOutcome,
  type AdaptationStep,
  type AdaptationValidation,
  type RunPoint,
  runAdaptation,
} from "../../src/adaptation/engine.js";
import type { Images, StageSettings, Strategy, StrategyInput } from "../../src/adaptation/types.js";
import { tf } from "../../src/kernels/tf.js";
import type { AttentionUNetOptions } from "../../src/network/attention_unet.js";
import { NORMALISED_NETWORK } from "../../src/network/attention_unet.js";
import { Random } from "../../src/network/random.js";
import type { Slices } from "../../src/training/slices.js";

export const TINY_NETWORK: AttentionUNetOptions = {
  ...NORMALISED_NETWORK,
  filters: [4, 8],
  dropoutRates: [0, 0.2],
};

/** Dark discs on a bright noisy ground; `shift` brightens everything: another domain. */
export function discs(count: number, seed: number, shift = 0): Slices {
  const [width, height] = [48, 40];
  const random = new Random(seed);
  const em: Uint8Array[] = [];
  const labels: Uint8Array[] = [];
  for (let z = 0; z < count; z++) {
    const [cx, cy, r] = [random.uniform(10, 38), random.uniform(10, 30), random.uniform(5, 9)];
    const inside = (i: number) => Math.hypot((i % width) - cx, Math.floor(i / width) - cy) < r;
    const value = (i: number) => (inside(i) ? 40 : 140) + shift + random.integer(30);
    em.push(Uint8Array.from({ length: width * height }, (_, i) => value(i)));
    labels.push(Uint8Array.from({ length: width * height }, (_, i) => (inside(i) ? 255 : 0)));
  }
  return { width, height, em, labels };
}

export const unlabelled = ({ width, height, em }: Slices): Images => ({ width, height, em });

/** A source and a brighter target; the reduced settings of `strategy`, made tiny. */
export function tinyInput(
  strategy: Strategy,
  change: {
    stages?: Partial<StageSettings>;
    options?: Record<string, number | string | boolean>;
    network?: AttentionUNetOptions;
  } = {},
): StrategyInput {
  const sizes = {
    sourceSlices: 4,
    sourceSize: [48, 40],
    targetSlices: 4,
    targetSize: [48, 40],
  } as const;
  const defaults = strategy.defaults("reduced", sizes);
  const stages = Object.fromEntries(
    Object.entries(defaults.stages).map(([name, stage]) => [
      name,
      { ...stage, steps: 6, validateEvery: 2, scoreEvery: 3, ...change.stages },
    ]),
  );
  return {
    source: { train: discs(4, 1), validation: discs(2, 2) },
    summary: null,
    target: [unlabelled(discs(2, 3, 60)), unlabelled(discs(2, 4, 70))],
    model: null,
    settings: {
      ...defaults,
      network: change.network ?? TINY_NETWORK,
      patch: 32,
      batch: 2,
      stages,
      options: { ...defaults.options, ...change.options },
    },
  };
}

export interface Recording {
  readonly steps: AdaptationStep[];
  readonly validations: AdaptationValidation[];
  readonly scores: RunPoint[];
  readonly stages: string[];
  checkpoint: AdaptationCheckpoint | null;
  outcome: AdaptationOutcome | null;
}

/** Runs a strategy, through the bytes of its checkpoint when it is resumed. */
export async function record(
  strategy: Strategy,
  input: StrategyInput,
  options: { abortAt?: number; checkpoint?: AdaptationCheckpoint | null; host?: AdaptationHost } = {},
): Promise<Recording> {
  const controller = new AbortController();
  const recording: Recording = {
    steps: [],
    validations: [],
    scores: [],
    stages: [],
    checkpoint: null,
    outcome: null,
  };
  const run = await strategy.start(input);
  try {
    recording.outcome = await runAdaptation(
      {
        strategy,
        run,
        settings: input.settings,
        checkpoint: options.checkpoint
          ? decodeAdaptation(encodeAdaptation(options.checkpoint), "checkpoint.bin")
          : undefined,
      },
      {
        signal: controller.signal,
        onStage: (stage) => recording.stages.push(stage),
        onStep(report) {
          recording.steps.push(report);
          if (report.totalSteps === options.abortAt) controller.abort();
        },
        onValidation: (report) => recording.validations.push(report),
        onScore: async (_, at) => {
          recording.scores.push(at);
        },
        save: async (checkpoint) => {
          recording.checkpoint = checkpoint;
        },
        ...options.host,
      },
    );
  } finally {
    run.dispose();
  }
  return recording;
}

export const lossesOf = (recording: Recording) => recording.steps.map(({ losses }) => losses);

/** Foreground IoU of a snapshot at 0.5 over whole slices. */
export async function iouOf(
  snapshot: tf.LayersModel,
  { width, height, em, labels }: Slices,
): Promise<number> {
  let both = 0;
  let either = 0;
  for (let z = 0; z < em.length; z++) {
    const output = tf.tidy(
      () =>
        snapshot.predict(
          tf.tensor4d(
            Float32Array.from(em[z], (v) => v / 255),
            [1, height, width, 1],
          ),
        ) as tf.Tensor,
    );
    const p = await output.data();
    output.dispose();
    for (let i = 0; i < p.length; i++) {
      const [predicted, truth] = [p[i] >= 0.5, labels[z][i] > 127];
      if (predicted && truth) both++;
      if (predicted || truth) either++;
    }
  }
  return either > 0 ? both / either : 0;
}
