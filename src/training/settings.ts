import type { AttentionUNetOptions } from "../network/attention_unet.js";
import { NORMALISED_NETWORK, PAPER_NETWORK } from "../network/attention_unet.js";
import type { AugmentationOptions } from "./augmentation.js";
import type { LossName } from "./losses.js";
import type { OptimiserOptions } from "./optimisers.js";
import type { Crops } from "./sampler.js";
import type { ScheduleName } from "./schedules.js";

/** Everything that determines a training, with the data: plain values, kept in checkpoints, logs and packages. */
export interface TrainingSettings {
  readonly network: AttentionUNetOptions;
  /** Of sampling, augmentation and dropout. */
  readonly seed: number;
  /** Optimiser steps. */
  readonly steps: number;
  /** Patches a step, over all micro-batches. */
  readonly batch: number;
  /** Micro-batches a step: their gradients are averaged, so that a large batch fits in memory. */
  readonly accumulate: number;
  /** Edge of the square patches, a multiple of 2^(levels - 1). */
  readonly patch: number;
  /** Where patches are cut; "random" when left out. */
  readonly crops?: Crops;
  readonly loss: LossName;
  readonly optimiser: OptimiserOptions;
  readonly schedule: ScheduleName;
  readonly learningRate: number;
  readonly warmup: number;
  readonly augmentation: AugmentationOptions;
  /** Steps between validations. */
  readonly validateEvery: number;
  /** Validations without a better score before training stops; 0 never stops early. */
  readonly patience: number;
  /** Which weights are kept: of the least validation loss, of the highest IoU per slice, or of the last step. */
  readonly select: "loss" | "iou" | "last";
}

/** Settings that may be given in the authors' unit, epochs. */
export interface Preset extends Omit<TrainingSettings, "steps" | "validateEvery"> {
  /** null: counted in epochs. */
  readonly steps: number | null;
  readonly epochs: number;
  /** null: once an epoch. */
  readonly validateEvery: number | null;
}

const base = { seed: 1, accumulate: 1, patch: 256, warmup: 0 };

export const PRESETS: Record<"paper" | "small", Preset> = {
  /** The baseline as the authors configured it (BiaPy's attention_unet_2d template): about 100,000 steps. */
  paper: {
    ...base,
    network: PAPER_NETWORK,
    steps: null,
    epochs: 360,
    batch: 6,
    crops: "grid",
    loss: "bce",
    optimiser: { name: "sgd", momentum: 0.99, weightDecay: 0 },
    schedule: "constant",
    learningRate: 2e-3,
    augmentation: { d4: true, rotation: 180, jitter: 0, noise: 0, blur: 0 },
    validateEvery: null,
    patience: 50,
    select: "loss",
  },
  /** Learns in an hour on two cores. */
  small: {
    ...base,
    network: NORMALISED_NETWORK,
    steps: 5000,
    epochs: 0,
    batch: 4,
    loss: "bce+dice",
    optimiser: { name: "adamw", momentum: 0.99, weightDecay: 1e-2 },
    schedule: "cosine",
    learningRate: 1e-3,
    warmup: 100,
    augmentation: { d4: true, rotation: 0, jitter: 0.1, noise: 0, blur: 0 },
    validateEvery: 250,
    patience: 0,
    select: "iou",
  },
};

/** Steps of one epoch: as many patches as non-overlapping ones fit into the slices. */
export function stepsPerEpoch(
  slices: number,
  width: number,
  height: number,
  patch: number,
  batch: number,
): number {
  const each = Math.max(1, Math.floor(width / patch)) * Math.max(1, Math.floor(height / patch));
  return Math.max(1, Math.ceil((slices * each) / batch));
}

/** @throws Error naming the first setting that cannot be. */
export function checkSettings(settings: TrainingSettings): void {
  const integer = (name: keyof TrainingSettings, minimum: number) => {
    const value = settings[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < minimum) {
      throw new Error(`${name} must be a whole number of at least ${minimum}, not ${value}`);
    }
  };
  for (const name of ["steps", "batch", "accumulate", "patch", "validateEvery"] as const) integer(name, 1);
  for (const name of ["seed", "warmup", "patience"] as const) integer(name, 0);
  if (!(settings.learningRate > 0))
    throw new Error(`learningRate must be positive, not ${settings.learningRate}`);
  if (settings.batch % settings.accumulate !== 0) {
    throw new Error(`batch ${settings.batch} does not divide into ${settings.accumulate} micro-batches`);
  }
  const multiple = 2 ** (settings.network.filters.length - 1);
  if (settings.patch % multiple !== 0)
    throw new Error(`patch must be a multiple of ${multiple}, not ${settings.patch}`);
  const { d4: _, ...amounts } = settings.augmentation;
  for (const [name, value] of Object.entries(amounts)) {
    if (!(value >= 0)) throw new Error(`augmentation ${name} must be 0 or more, not ${value}`);
  }
}

/** Names what differs between two sets of settings, for an error message; empty when nothing does. */
export function changedSettings(before: object, after: object): string {
  const [a, b] = [before, after] as Record<string, unknown>[];
  return Object.keys({ ...a, ...b })
    .filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]))
    .map((key) => `${key} was ${JSON.stringify(a[key])}, now ${JSON.stringify(b[key])}`)
    .join("; ");
}
