import { basename } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { BackendName } from "../inference/types.js";
import type { AttentionUNetOptions } from "../network/attention_unet.js";
import type { LossName } from "../training/losses.js";
import type { OptimiserName } from "../training/optimisers.js";
import type { Crops } from "../training/sampler.js";
import { SCHEDULES, type ScheduleName } from "../training/schedules.js";
import { PRESETS, stepsPerEpoch, type TrainingSettings } from "../training/settings.js";
import type { Slices } from "../training/slices.js";
import type { TrainingStart } from "../training/train_node.js";
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
const positive = (text: string): number => {
  if (whole(text) === 0) throw new InvalidArgumentError("must be at least 1");
  return whole(text);
};
const numbers = (text: string): number[] => text.split(",").map(number);
const choice = <T extends string>(flags: string, description: string, values: readonly T[]) =>
  new Option(flags, description).choices(values);

interface TrainFlags {
  images: string;
  labels?: string;
  fineTune?: string;
  edits?: string;
  editsModel?: string;
  reviewed?: string[];
  margin: number;
  minimumVoxels: number;
  imagesDataset?: string;
  labelsDataset?: string;
  voxelSize?: string;
  trainVoxelSize: number;
  region?: string;
  window?: number[];
  ignoreLabels?: number[];
  validation: number;
  validationOrder: "last" | "random";
  validationSlices?: number;
  preset: keyof typeof PRESETS;
  backend: BackendName | "auto";
  processes?: number;
  out: string;
  package?: string;
  name?: string;
  description?: string;
  source?: string;
  license?: string;
  resume?: boolean;
  checkpointSteps: number;
  checkpointMinutes: number;
  steps?: number;
  epochs?: number;
  batch?: number;
  accumulate?: number;
  patch?: number;
  crops?: Crops;
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
  select?: "loss" | "iou" | "last";
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
    .option("--labels <path>", "labels of the same voxels, mitochondria > 0")
    .requiredOption("--out <folder>", "folder of the run: checkpoint, log, report")
    .option("--fine-tune <model>", "go on from this package (id or folder) on corrections, see --edits")
    .option("--edits <log>", "instead of --labels: log of proofreading over predictions of the EM")
    .option("--edits-model <model>", "whose predictions were corrected (default: that of --fine-tune)")
    .option(
      "--reviewed <region>",
      "part in which all was looked at, as x0:x1,y0:y1,z0:z1, or all; may be given several times",
      (text: string, before: string[] = []) => [...before, text],
    )
    .option("--margin <nm>", "around reviewed objects, taken as looked at", number, 150)
    .option("--minimum-voxels <n>", "leave out smaller predicted objects that nobody corrected", whole, 100)
    .option("--images-dataset <path>", "data set inside of an HDF5 file or a Zarr group")
    .option("--labels-dataset <path>", "data set inside of an HDF5 file or a Zarr group")
    .option("--voxel-size <size>", "of the data when it does not say, e.g. 5,5,5nm")
    .option("--train-voxel-size <nm>", "in-plane voxel size to train at", number, 10)
    .option("--region <x0:x1,y0:y1,z0:z1>", "part to train on, in voxels")
    .option("--window <low,high>", "intensities that become 0 and 1 (0,255)", numbers)
    .option("--ignore-labels <values>", "label values that are not mitochondria", numbers)
    .option("--validation <fraction>", "of the slices, held out", number, 0.1)
    .addOption(
      choice("--validation-order <which>", "which slices are held out", ["last", "random"]).default("last"),
    )
    .option("--validation-slices <n>", "validate on at most this many of them", whole)
    .addOption(choice("--preset <name>", "settings to start from", ["small", "paper"]).default("small"))
    .addOption(
      choice("--backend <name>", "compute engine", ["auto", "tensorflow", "webgpu", "wasm"]).default("auto"),
    )
    .option("--processes <n>", "that compute gradients; default 1, on wasm one a core", positive)
    .option("--package <folder>", "write a model package there at the end, e.g. models/<id>")
    .option("--name <text>", "of the package")
    .option("--description <text>", "of the package")
    .option("--source <text>", "data set and split, as the package names them, e.g. 'Lucchi++ train'")
    .option("--license <spdx>", "of the package")
    .option("--resume", "go on from the checkpoint in --out")
    .option("--checkpoint-steps <n>", "steps between checkpoints", whole, 500)
    .option("--checkpoint-minutes <n>", "minutes between checkpoints", number, 5)
    .option("--steps <n>", "optimiser steps", whole)
    .option("--epochs <n>", "instead of --steps: passes over the patches that fit", whole)
    .option("--batch <n>", "patches a step", whole)
    .option("--accumulate <n>", "micro-batches that a step is computed in", whole)
    .option("--patch <pixels>", "edge of a patch", whole)
    .addOption(choice("--crops <where>", "patches from anywhere or from a grid", ["random", "grid"]))
    .option("--seed <n>", "of weights, sampling, augmentation and dropout", whole)
    .addOption(choice("--loss <name>", "loss", ["bce", "bce+dice"]))
    .addOption(choice("--optimiser <name>", "optimiser", ["sgd", "adam", "adamw"]))
    .option("--momentum <m>", "of SGD", number)
    .option("--weight-decay <d>", "of AdamW", number)
    .addOption(choice("--schedule <name>", "learning rate", SCHEDULES))
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
    .addOption(
      choice("--select <what>", "which weights are kept: best validation loss or IoU, or the last", [
        "loss",
        "iou",
        "last",
      ]),
    )
    .option("--filters <list>", "feature maps a level", numbers)
    .addOption(choice("--normalisation <kind>", "normalisation layers", ["none", "batch"]))
    .addOption(choice("--gate <kind>", "attention gate", ["paper", "textbook"]))
    .addOption(choice("--dropout <kind>", "dropout", ["element", "spatial", "none"]))
    .option("--dropout-rates <list>", "one a level", numbers)
    .action(train);
}

/** The preset with the flags laid over it. */
function resolveSettings(flags: TrainFlags, train: Slices, microBatches: number): TrainingSettings {
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
    accumulate: flags.accumulate ?? largestDivisor(batch, Math.max(microBatches, preset.accumulate)),
    patch,
    crops: flags.crops ?? preset.crops,
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

/** Defaults of a fine-tuning: short, gentle, of the network that there is. */
function fineTuneSettings(flags: TrainFlags, network: AttentionUNetOptions): TrainFlags {
  const multiple = 2 ** (network.filters.length - 1);
  return {
    ...flags,
    filters: [...network.filters],
    normalisation: network.normalisation,
    gate: network.gate,
    dropout: flags.dropout ?? network.dropout,
    dropoutRates: flags.dropoutRates ?? [...network.dropoutRates],
    steps: flags.steps ?? 200,
    warmup: flags.warmup ?? 20,
    learningRate: flags.learningRate ?? 1e-3,
    patch: flags.patch ?? Math.max(1, Math.floor(128 / multiple)) * multiple,
    select: "last",
  };
}

/** @throws Error that names the flags that do not go together. */
async function fineTuneStart(flags: TrainFlags): Promise<{ start: TrainingStart; flags: TrainFlags }> {
  const { fineTune, edits, editsModel } = flags;
  if (fineTune === undefined || edits === undefined)
    throw new Error("--fine-tune and --edits need each other");
  if (flags.labels !== undefined) throw new Error("--labels and --edits exclude each other: give one");
  const { findModel } = await import("./find_model.js");
  const { fineTuningOf } = await import("../adaptation/fine_tune_node.js");
  const { sourceNetworkOf } = await import("../adaptation/source_network.js");
  const model = await findModel(fineTune);
  const network = sourceNetworkOf(model.config);
  if (network === null)
    throw new Error(`--fine-tune ${fineTune}: does not say with which Attention U-Net it was trained`);
  const start = await fineTuningOf({
    model,
    edited: editsModel === undefined ? model : await findModel(editsModel),
    edits,
    images: flags.images,
    imagesDataset: flags.imagesDataset,
    voxelSize: flags.voxelSize ? parseVoxelSize(flags.voxelSize) : undefined,
    region: flags.region,
    window: flags.window && windowOf(flags.window),
    reviewed: flags.reviewed ?? [],
    margin: flags.margin,
    minimumVoxels: flags.minimumVoxels,
    backend: flags.backend,
    tell: (line) => process.stderr.write(`${line}\n`),
  });
  return { start, flags: fineTuneSettings(flags, network) };
}

function windowOf([low, high, ...more]: readonly number[]): [number, number] {
  if (high === undefined || more.length > 0) throw new Error("--window needs two numbers: low,high");
  return [low, high];
}

async function train(given: TrainFlags): Promise<void> {
  const tuned = given.fineTune !== undefined || given.edits !== undefined;
  const { start, flags } = tuned ? await fineTuneStart(given) : { start: undefined, flags: given };
  if (!tuned && flags.labels === undefined)
    throw new Error("give --labels, or --fine-tune and --edits to learn from corrections");
  const window = windowOf(flags.window ?? [0, 255]);
  const { trainInFolder } = await import("../training/train_node.js");
  const { package: folder, source = basename(flags.images) } = flags;
  await trainInFolder({
    data: {
      images: flags.images,
      labels: flags.labels ?? "",
      imagesDataset: flags.imagesDataset,
      labelsDataset: flags.labelsDataset,
      voxelSize: flags.voxelSize ? parseVoxelSize(flags.voxelSize) : undefined,
      trainVoxelSize: flags.trainVoxelSize,
      region: flags.region,
      window,
      ignore: flags.ignoreLabels ?? [],
      validation: flags.validation,
      validationOrder: flags.validationOrder,
      validationSlices: flags.validationSlices ?? Number.POSITIVE_INFINITY,
      seed: flags.seed ?? PRESETS[flags.preset].seed,
    },
    start,
    settings: (slices, microBatches) => resolveSettings(flags, slices, microBatches),
    backend: flags.backend,
    processes: flags.processes,
    folder: flags.out,
    resume: flags.resume ?? false,
    checkpointSteps: flags.checkpointSteps,
    checkpointMinutes: flags.checkpointMinutes,
    command: ["chondria", ...process.argv.slice(2).filter((word) => word !== "--resume")]
      .map(quoted)
      .join(" "),
    package: folder
      ? {
          folder,
          name: flags.name ?? basename(folder),
          description: flags.description ?? `Mitochondria in EM, trained on ${source}.`,
          source,
          license: flags.license,
        }
      : undefined,
  });
}

/** The largest divisor of `n` that is at most `limit`. */
function largestDivisor(n: number, limit: number): number {
  let divisor = Math.max(1, Math.min(n, limit));
  while (n % divisor !== 0) divisor--;
  return divisor;
}

/** A word as a shell reads it back. */
const quoted = (word: string) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
