import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { BackendName } from "../inference/types.js";
import { buildAttentionUNet } from "../network/attention_unet.js";
import { Random } from "../network/random.js";
import type { LossName } from "../training/losses.js";
import type { OptimiserName } from "../training/optimisers.js";
import type { ScheduleName } from "../training/schedules.js";
import { checkSettings, PRESETS, stepsPerEpoch, type TrainingSettings } from "../training/settings.js";
import { loadSlices, type Slices, splitSlices } from "../training/slices.js";
import { openImageStack } from "../volume/image_stack_node.js";
import { parseRegion } from "../volume/region.js";
import type { Vec3, VolumeSource } from "../volume/types.js";
import { VolumeError } from "../volume/types.js";
import { parseVoxelSize } from "../volume/voxel_size.js";

const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InvalidArgumentError(`"${text}" is not a number`);
  return value;
};
const whole = (text: string): number => {
  const value = number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError(`"${text}" is not a whole number`);
  return value;
};
const numbers = (text: string): number[] => text.split(",").map(number);
const choice = <T extends string>(flags: string, description: string, values: readonly T[]) =>
  new Option(flags, description).choices(values);

interface TrainFlags {
  images: string;
  labels: string;
  voxelSize?: string;
  trainVoxelSize: number;
  region?: string;
  window: number[];
  ignoreLabels: number[];
  validation: number;
  validationOrder: "last" | "random";
  validationSlices?: number;
  preset: keyof typeof PRESETS;
  backend: BackendName | "auto";
  out: string;
  resume?: boolean;
  checkpointSteps: number;
  checkpointMinutes: number;
  steps?: number;
  epochs?: number;
  batch?: number;
  accumulate?: number;
  patch?: number;
  seed?: number;
  loss?: LossName;
  optimiser?: OptimiserName;
  momentum?: number;
  weightDecay?: number;
  schedule?: ScheduleName;
  learningRate?: number;
  warmup?: number;
  d4?: boolean;
  rotation?: number;
  jitter?: number;
  noise?: number;
  blur?: number;
  validateEvery?: number;
  patience?: number;
  select?: "loss" | "iou";
  filters?: number[];
  normalisation?: "none" | "batch";
  gate?: "paper" | "textbook";
  dropout?: "element" | "spatial" | "none";
  dropoutRates?: number[];
}

export function register(program: Command): void {
  program
    .command("train")
    .description("train a segmentation network on EM and labels")
    .requiredOption("--images <path>", "EM volume")
    .requiredOption("--labels <path>", "labels of the same voxels, mitochondria > 0")
    .requiredOption("--out <folder>", "folder of the run: checkpoint, log, report")
    .option("--voxel-size <size>", "of the data when it does not say, e.g. 5,5,5nm")
    .option("--train-voxel-size <nm>", "in-plane voxel size to train at", number, 10)
    .option("--region <x0:x1,y0:y1,z0:z1>", "part to train on, in voxels")
    .option("--window <low,high>", "intensities that become 0 and 1", numbers, [0, 255])
    .option("--ignore-labels <values>", "label values that are not mitochondria", numbers, [])
    .option("--validation <fraction>", "of the slices, held out", number, 0.1)
    .addOption(
      choice("--validation-order <which>", "which slices are held out", ["last", "random"]).default("last"),
    )
    .option("--validation-slices <n>", "validate on at most this many of them", whole)
    .addOption(choice("--preset <name>", "settings to start from", ["small", "paper"]).default("small"))
    .addOption(
      choice("--backend <name>", "compute engine", ["auto", "tensorflow", "webgpu", "wasm"]).default("auto"),
    )
    .option("--resume", "go on from the checkpoint in --out")
    .option("--checkpoint-steps <n>", "steps between checkpoints", whole, 500)
    .option("--checkpoint-minutes <n>", "minutes between checkpoints", number, 5)
    .option("--steps <n>", "optimiser steps", whole)
    .option("--epochs <n>", "instead of --steps: passes over the patches that fit", whole)
    .option("--batch <n>", "patches a step", whole)
    .option("--accumulate <n>", "micro-batches that a step is computed in", whole)
    .option("--patch <pixels>", "edge of a patch", whole)
    .option("--seed <n>", "of weights, sampling, augmentation and dropout", whole)
    .addOption(choice("--loss <name>", "loss", ["bce", "bce+dice"]))
    .addOption(choice("--optimiser <name>", "optimiser", ["sgd", "adam", "adamw"]))
    .option("--momentum <m>", "of SGD", number)
    .option("--weight-decay <d>", "of AdamW", number)
    .addOption(
      choice("--schedule <name>", "learning rate", ["constant", "cosine", "one-cycle", "reduce-on-plateau"]),
    )
    .option("--learning-rate <r>", "highest learning rate", number)
    .option("--warmup <steps>", "linear rise at the start", whole)
    .option("--d4", "random flips and quarter turns")
    .option("--no-d4", "without them")
    .option("--rotation <degrees>", "random rotation up to this", number)
    .option("--jitter <amount>", "random gain, offset and gamma", number)
    .option("--noise <sigma>", "random Gaussian noise up to this", number)
    .option("--blur <pixels>", "random Gaussian blur up to this", number)
    .option("--validate-every <steps>", "steps between validations", whole)
    .option("--patience <n>", "stop after this many validations without a better one; 0 never", whole)
    .addOption(choice("--select <what>", "which weights are best", ["loss", "iou"]))
    .option("--filters <list>", "feature maps a level", numbers)
    .addOption(choice("--normalisation <kind>", "normalisation layers", ["none", "batch"]))
    .addOption(choice("--gate <kind>", "attention gate", ["paper", "textbook"]))
    .addOption(choice("--dropout <kind>", "dropout", ["element", "spatial", "none"]))
    .option("--dropout-rates <list>", "one a level", numbers)
    .action(train);
}

/** The preset with the flags laid over it. */
function resolveSettings(flags: TrainFlags, train: Slices): TrainingSettings {
  const preset = PRESETS[flags.preset];
  const { network, optimiser, augmentation } = preset;
  const seed = flags.seed ?? preset.seed;
  const batch = flags.batch ?? preset.batch;
  const patch = flags.patch ?? preset.patch;
  const epoch = stepsPerEpoch(train.em.length, train.width, train.height, patch, batch);
  const epochs = flags.epochs ?? (flags.steps === undefined && preset.steps === null ? preset.epochs : null);
  return {
    network: {
      filters: flags.filters ?? network.filters,
      normalisation: flags.normalisation ?? network.normalisation,
      gate: flags.gate ?? network.gate,
      dropout: flags.dropout ?? network.dropout,
      dropoutRates: flags.dropoutRates ?? network.dropoutRates,
      seed,
    },
    seed,
    steps: epochs !== null ? epochs * epoch : (flags.steps ?? preset.steps ?? 1),
    batch,
    accumulate: flags.accumulate ?? preset.accumulate,
    patch,
    loss: flags.loss ?? preset.loss,
    optimiser: {
      name: flags.optimiser ?? optimiser.name,
      momentum: flags.momentum ?? optimiser.momentum,
      weightDecay: flags.weightDecay ?? optimiser.weightDecay,
    },
    schedule: flags.schedule ?? preset.schedule,
    learningRate: flags.learningRate ?? preset.learningRate,
    warmup: flags.warmup ?? preset.warmup,
    augmentation: {
      d4: flags.d4 ?? augmentation.d4,
      rotation: flags.rotation ?? augmentation.rotation,
      jitter: flags.jitter ?? augmentation.jitter,
      noise: flags.noise ?? augmentation.noise,
      blur: flags.blur ?? augmentation.blur,
    },
    validateEvery: flags.validateEvery ?? preset.validateEvery ?? epoch,
    patience: flags.patience ?? preset.patience,
    select: flags.select ?? preset.select,
  };
}

/** Whole factor from the data's in-plane voxel size to the wanted one, when one is near enough. */
export function averagingFactor(size: Vec3, wanted: number): [number, number] {
  return [0, 1].map((axis) => {
    const ratio = wanted / size[axis];
    const factor = Math.max(1, Math.round(ratio));
    if (Math.abs(Math.log(ratio / factor)) > Math.log(1.25)) {
      throw new Error(
        `--train-voxel-size ${wanted} is not near a whole multiple of the data's ${size[axis]} nm; ` +
          `take ${size[axis] * factor}`,
      );
    }
    return factor;
  }) as [number, number];
}

async function openLabelled(
  flags: TrainFlags,
  voxelSize?: Vec3,
): Promise<{ em: VolumeSource; labels: VolumeSource }> {
  const em = await openImageStack(flags.images, { voxelSize });
  const labels = await openImageStack(flags.labels, { voxelSize });
  const [a, b] = [em.scales[0].bounds.upper, labels.scales[0].bounds.upper];
  if (a.some((n, axis) => n !== b[axis])) {
    throw new VolumeError(labels.name, `is ${b.join(" x ")} voxels, but ${em.name} is ${a.join(" x ")}`);
  }
  return { em, labels };
}

/** At most `count` of the slices, evenly spread. */
function thin(slices: Slices, count: number): Slices {
  const n = slices.em.length;
  if (count >= n) return slices;
  const chosen = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * n) / count));
  return { ...slices, em: chosen.map((i) => slices.em[i]), labels: chosen.map((i) => slices.labels[i]) };
}

async function train(flags: TrainFlags): Promise<void> {
  const { openRunFolder, readCheckpoint, writeRunFile, CHECKPOINT_FILE } = await import(
    "../training/run_node.js"
  );
  const checkpoint = await readCheckpoint(flags.out);
  if (checkpoint && !flags.resume) {
    throw new Error(`${join(flags.out, CHECKPOINT_FILE)} exists: give --resume to go on, or another --out`);
  }
  if (flags.window.length !== 2) throw new Error("--window needs two numbers: low,high");
  const { em, labels } = await openLabelled(
    flags,
    flags.voxelSize ? parseVoxelSize(flags.voxelSize) : undefined,
  );
  const [scale] = em.scales;
  const box = flags.region ? parseRegion(flags.region, scale.bounds) : scale.bounds;
  const factor = averagingFactor(scale.voxelSize, flags.trainVoxelSize);
  const slices = await loadSlices(em, labels, {
    box,
    factor,
    window: flags.window as [number, number],
    ignore: flags.ignoreLabels,
  });
  await em.close?.();
  await labels.close?.();
  const seed = flags.seed ?? PRESETS[flags.preset].seed;
  const order = flags.validationOrder === "random" ? shuffled(slices.em.length, new Random(seed)) : undefined;
  const parts = splitSlices(slices, flags.validation, order);
  const validation = thin(parts.validation, flags.validationSlices ?? Number.POSITIVE_INFINITY);
  const settings = resolveSettings(flags, parts.train);
  checkSettings(settings);
  if (checkpoint && JSON.stringify(checkpoint.settings) !== JSON.stringify(settings)) {
    throw new Error(
      `the settings differ from those of the checkpoint in ${flags.out}: ${changed(checkpoint.settings, settings)}`,
    );
  }

  const { selectBackend } = await import("../kernels/backend_node.js");
  const { runTraining } = await import("../training/loop.js");
  const backend = await selectBackend(flags.backend);
  const network = buildAttentionUNet(settings.network);
  process.stderr.write(
    `${parts.train.em.length} slices to train on, ${validation.em.length} to validate, ${slices.width} x ${slices.height} ` +
      `pixels of ${scale.voxelSize[0] * factor[0]} nm; ${network.model.countParams()} parameters; ${backend.description}\n`,
  );
  await writeRunFile(flags.out, {
    command: `chondria ${process.argv.slice(2).join(" ")}`,
    backend,
    settings,
    data: {
      images: flags.images,
      labels: flags.labels,
      box,
      factor,
      voxelSize: scale.voxelSize,
      window: flags.window,
    },
  });
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const host = await openRunFolder({
    folder: flags.out,
    totalSteps: settings.steps,
    startStep: checkpoint?.progress.step ?? 0,
    checkpointSteps: flags.checkpointSteps,
    checkpointMinutes: flags.checkpointMinutes,
    signal: interrupt.signal,
  });
  try {
    const outcome = await runTraining(
      { network, train: parts.train, validation, settings, checkpoint: checkpoint ?? undefined },
      host,
    );
    const { best, step } = outcome.progress;
    process.stderr.write(
      outcome.stopped === "interrupted"
        ? `stopped after step ${step}; go on with --resume\n`
        : `trained ${step} steps; best validation at step ${best?.step ?? step}: IoU per slice ${best?.iouPerSlice.toFixed(4) ?? "-"}\n`,
    );
  } finally {
    await host.finish();
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

function shuffled(n: number, random: Random): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Names what differs, for the error message. */
function changed(before: object, after: object): string {
  const [a, b] = [before, after] as Record<string, unknown>[];
  return Object.keys(b)
    .filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]))
    .map((key) => `${key} ${JSON.stringify(a[key])} -> ${JSON.stringify(b[key])}`)
    .join("; ");
}
