import { tf } from "../kernels/tf.js";
import type { Network } from "../network/attention_unet.js";
import { mix, Random } from "../network/random.js";
import type { Checkpoint, TrainingProgress } from "./checkpoint.js";
import { type GradientSource, LocalGradients, trainableVariables } from "./gradients.js";
import { Optimiser } from "./optimisers.js";
import { PatchSampler } from "./sampler.js";
import { Schedule } from "./schedules.js";
import { checkSettings, type TrainingSettings } from "./settings.js";
import type { Slices } from "./slices.js";
import { type ValidationResult, validate } from "./validation.js";

export interface StepReport {
  /** Steps done, this one included. */
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
}

export interface ValidationReport extends ValidationResult {
  readonly step: number;
  /** Whether these are the best weights so far. */
  readonly best: boolean;
}

/** What the surroundings (Node, a browser worker, a test) do for the loop. */
export interface TrainingHost {
  onStep?(report: StepReport): void;
  onValidation?(report: ValidationReport): void;
  /** Asked after each step; true takes a checkpoint. */
  wantsCheckpoint?(step: number): boolean;
  save?(checkpoint: Checkpoint): Promise<void>;
  /** Stops after the running step, with a checkpoint. */
  readonly signal?: AbortSignal;
}

export interface TrainingOutcome {
  readonly progress: TrainingProgress;
  readonly stopped: "finished" | "patience" | "interrupted";
  /** Of the network: the best ones when the training ended with validations, else the last. */
  readonly weights: readonly Float32Array[];
}

export interface TrainingInput {
  /** Built by `settings.network`; holds the best weights when the training ended (the last ones when interrupted). */
  readonly network: Network;
  readonly train: Slices;
  /** May be empty: then there is no validation, and the last weights are the result. */
  readonly validation: Slices;
  readonly settings: TrainingSettings;
  readonly checkpoint?: Checkpoint;
  /** Default: this process. */
  readonly gradients?: GradientSource;
}

/** The model's weights in its order. */
export async function readWeights(model: tf.LayersModel): Promise<Float32Array[]> {
  return readTensors(model.getWeights());
}

async function readTensors(tensors: readonly tf.Tensor[]): Promise<Float32Array[]> {
  const arrays: Float32Array[] = [];
  // A copy: on some backends data() is the tensor's own memory.
  for (const tensor of tensors) arrays.push(Float32Array.from((await tensor.data()) as Float32Array));
  return arrays;
}

/** @throws Error when the arrays are not the shapes of `model`. */
export function writeWeights(model: tf.LayersModel, arrays: readonly Float32Array[]): void {
  const current = model.getWeights();
  if (arrays.length !== current.length || arrays.some((array, i) => array.length !== current[i].size)) {
    throw new Error("the weights are those of another network");
  }
  const tensors = arrays.map((array, i) => tf.tensor(array, current[i].shape));
  model.setWeights(tensors);
  tf.dispose(tensors);
}

/** Lets signals and messages in: on WebAssembly a step is computed without ever leaving the microtasks. */
const breathe = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

/**
 * Trains a network. Deterministic: the same settings, data, backend and machine give the same losses, however often the
 * training was interrupted and resumed.
 */
export async function runTraining(input: TrainingInput, host: TrainingHost = {}): Promise<TrainingOutcome> {
  const { network, train, validation, settings, checkpoint } = input;
  checkSettings(settings);
  if (train.em.length === 0) throw new Error("there are no slices to train on");
  const multiple = 2 ** (settings.network.filters.length - 1);
  const optimiser = new Optimiser(trainableVariables(network.logits), settings.optimiser);
  const gradientSource = input.gradients ?? new LocalGradients(network, settings.loss);
  const progress: TrainingProgress = checkpoint
    ? structuredClone(checkpoint.progress)
    : {
        step: 0,
        random: new Random(settings.seed).state,
        plateau: { best: Number.POSITIVE_INFINITY, waited: 0, scale: 1 },
        best: null,
        waited: 0,
      };
  let bestWeights = checkpoint?.bestWeights ?? [];
  const schedule = new Schedule(
    {
      name: settings.schedule,
      learningRate: settings.learningRate,
      steps: settings.steps,
      warmup: settings.warmup,
    },
    progress.plateau,
  );
  const random = new Random(progress.random);
  const { patch, augmentation, crops = "random", seed } = settings;
  const sampler = new PatchSampler(train, patch, augmentation, crops, seed, random);
  const save = async () => {
    progress.random = random.state;
    await host.save?.({
      settings,
      progress: structuredClone(progress),
      weights: await readWeights(network.model),
      bestWeights,
      slots: await readTensors(optimiser.slots),
    });
  };
  const runValidation = async () => {
    const result = await validate(network, validation, multiple);
    const { best } = progress;
    const better =
      !best || (settings.select === "loss" ? result.loss < best.loss : result.iouPerSlice > best.iouPerSlice);
    if (better) {
      progress.best = { ...result, step: progress.step };
      progress.waited = 0;
      bestWeights = await readWeights(network.model);
    } else progress.waited++;
    schedule.validated(result.loss);
    host.onValidation?.({ ...result, step: progress.step, best: better });
  };
  let stopped: TrainingOutcome["stopped"] = "finished";
  try {
    if (checkpoint) {
      writeWeights(network.model, checkpoint.weights);
      optimiser.restore(checkpoint.slots);
    }
    while (progress.step < settings.steps) {
      await breathe();
      if (host.signal?.aborted) {
        stopped = "interrupted";
        break;
      }
      const rate = schedule.rate(progress.step);
      const loss = await trainStep(sampler, settings, gradientSource, optimiser, rate, progress.step);
      if (!Number.isFinite(loss)) {
        throw new Error(
          `the loss became ${loss} at step ${progress.step}: lower the learning rate (${rate})`,
        );
      }
      progress.step++;
      host.onStep?.({ step: progress.step, loss, learningRate: rate });
      const due = progress.step % settings.validateEvery === 0 || progress.step === settings.steps;
      if (due && validation.em.length > 0) {
        await runValidation();
        if (settings.patience > 0 && progress.waited >= settings.patience) {
          stopped = "patience";
          break;
        }
      }
      if (host.wantsCheckpoint?.(progress.step)) await save();
    }
    await save();
    if (stopped !== "interrupted" && settings.select !== "last" && bestWeights.length > 0)
      writeWeights(network.model, bestWeights);
    return { progress, stopped, weights: await readWeights(network.model) };
  } finally {
    optimiser.dispose();
  }
}

/** @returns the loss of the step. */
async function trainStep(
  sampler: PatchSampler,
  settings: TrainingSettings,
  source: GradientSource,
  optimiser: Optimiser,
  rate: number,
  step: number,
): Promise<number> {
  const size = settings.batch / settings.accumulate;
  const batches = Array.from({ length: settings.accumulate }, (_, i) =>
    sampler.sample(size, step * settings.batch + i * size),
  );
  const { loss, gradients } = await source.compute(batches, mix(settings.seed, step));
  optimiser.apply(gradients, rate, step);
  tf.dispose(gradients);
  return loss;
}
