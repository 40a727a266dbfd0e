import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { BackendName } from "../inference/types.js";
import { selectBackend } from "../kernels/backend_node.js";
import { buildAttentionUNet, type Network } from "../network/attention_unet.js";
import { Random } from "../network/random.js";
import { boxVolume } from "../volume/box.js";
import { openVolume } from "../volume/open_node.js";
import { formatRegion, parseRegion } from "../volume/region.js";
import { type Vec3, VolumeError } from "../volume/types.js";
import type { Checkpoint } from "./checkpoint.js";
import { type GradientSource, LocalGradients } from "./gradients.js";
import { runTraining, type TrainingOutcome, writeWeights } from "./loop.js";
import { type PackageDescription, packageTraining } from "./package_node.js";
import { writeReport } from "./report_node.js";
import { CHECKPOINT_FILE, openRunFolder, readCheckpoint, writeRunFile } from "./run_node.js";
import { shuffle } from "./sampler.js";
import { changedSettings, checkSettings, type TrainingSettings } from "./settings.js";
import { cropSlices, loadSlices, type Slices, splitSlices, thinSlices } from "./slices.js";

export interface TrainingDataOptions {
  readonly images: string;
  readonly labels: string;
  /** Paths of the data sets inside of HDF5 files or Zarr groups. */
  readonly imagesDataset?: string;
  readonly labelsDataset?: string;
  /** nm; for data that does not say it. */
  readonly voxelSize?: Vec3;
  /** In-plane edge of a training pixel, nm. */
  readonly trainVoxelSize: number;
  readonly region?: string;
  readonly window: readonly [number, number];
  readonly ignore: readonly number[];
  /** Fraction of the slices held out for validation. */
  readonly validation: number;
  readonly validationOrder: "last" | "random";
  /** Most slices that a validation looks at. */
  readonly validationSlices: number;
  /** Of the random validation order. */
  readonly seed: number;
}

export interface TrainingData {
  readonly all: Slices;
  readonly train: Slices;
  readonly validation: Slices;
  /** Edge lengths of the pixels and the slice distance, nm. */
  readonly voxelSize: Vec3;
}

export interface TrainOptions {
  readonly data: TrainingDataOptions;
  /** @param accumulate micro-batches a step where the user does not say. */
  readonly settings: (train: Slices, accumulate: number) => TrainingSettings;
  readonly backend: BackendName | "auto";
  /** Processes that compute gradients; default: one, or as many as there are cores on WebAssembly. */
  readonly processes?: number;
  readonly folder: string;
  readonly resume: boolean;
  readonly checkpointSteps: number;
  readonly checkpointMinutes: number;
  readonly command: string;
  /** Written when the training has ended. */
  readonly package?: Omit<PackageDescription, "command">;
  /** Instead of random weights and the labels of `data`: see `fine_tune_node.ts`. */
  readonly start?: TrainingStart;
}

/** A training that goes on from a network, on data of its own. */
export interface TrainingStart {
  /** Of the network of the settings, in its order. */
  readonly weights: readonly Float32Array[];
  readonly load: () => Promise<TrainingData>;
  /** Writes the package; the source is not what was trained on. */
  readonly package: (
    description: PackageDescription,
    outcome: TrainingOutcome,
    settings: TrainingSettings,
    selected: { criterion: string; step: number },
  ) => Promise<void>;
}

/** Most bytes of EM and labels kept in memory, and voxels of one slice while it is read. */
const MEMORY_BYTES = 4e9;
const SLICE_VOXELS = 2 ** 28;
/** Validation slices go through the network whole; of larger ones the middle does. */
const VALIDATION_EDGE = 1024;

/** Whole factors from the data's in-plane voxel size to the wanted one. @throws Error when none is near. */
export function averagingFactor(size: Vec3, wanted: number): [number, number] {
  return [size[0], size[1]].map((edge) => {
    const ratio = wanted / edge;
    const factor = Math.max(1, Math.round(ratio));
    if (Math.abs(Math.log(ratio / factor)) > Math.log(1.25)) {
      throw new Error(
        `a training voxel size of ${wanted} nm is not near a whole multiple of the data's ${edge} nm: take ${edge * factor}`,
      );
    }
    return factor;
  }) as [number, number];
}

/** Opens both volumes, checks that they fit, and reads the slices. */
export async function loadTrainingData(options: TrainingDataOptions): Promise<TrainingData> {
  const { voxelSize, window, ignore } = options;
  const em = await openVolume(options.images, { voxelSize, dataset: options.imagesDataset });
  const labels = await openVolume(options.labels, { voxelSize, dataset: options.labelsDataset });
  try {
    // The finest scale of both: coarse label scales are samples, not the fractions that are wanted here.
    const { bounds, voxelSize: size } = em.scales[0];
    const other = labels.scales[0].bounds;
    if (formatRegion(other) !== formatRegion(bounds)) {
      throw new VolumeError(
        labels.name,
        `has voxels ${formatRegion(other)}, but ${em.name} has ${formatRegion(bounds)}: give the labels of that EM`,
      );
    }
    // Readers give 1 nm to what states nothing, a size that no EM of tissue has.
    if (!voxelSize && size.every((edge) => edge === 1)) {
      throw new VolumeError(em.name, "does not say how large a voxel is: give --voxel-size, as in 5,5,5nm");
    }
    const box = options.region ? parseRegion(options.region, bounds) : bounds;
    const factor = averagingFactor(size, options.trainVoxelSize);
    const voxels = boxVolume(box);
    const sliceVoxels = voxels / (box.upper[2] - box.lower[2]);
    if ((2 * voxels) / (factor[0] * factor[1]) > MEMORY_BYTES || sliceVoxels > SLICE_VOXELS) {
      throw new VolumeError(em.name, `${formatRegion(box)} is too much to train on at once: give --region`);
    }
    const all = await loadSlices(em, labels, { box, factor, window, ignore });
    const order =
      options.validationOrder === "random"
        ? [...shuffle(all.em.length, new Random(options.seed))]
        : undefined;
    const { train, validation } = splitSlices(all, options.validation, order);
    return {
      all,
      train,
      validation: cropSlices(thinSlices(validation, options.validationSlices), VALIDATION_EDGE),
      voxelSize: [size[0] * factor[0], size[1] * factor[1], size[2]],
    };
  } finally {
    await em.close?.();
    await labels.close?.();
  }
}

function checkResumable(
  checkpoint: Checkpoint | null,
  settings: TrainingSettings,
  options: TrainOptions,
): void {
  if (!checkpoint) return;
  const file = join(options.folder, CHECKPOINT_FILE);
  if (!options.resume) throw new Error(`${file} exists: give --resume to go on from it, or another --out`);
  // Keeping the last weights asks nothing of the steps already made: a finished run can be packaged anew.
  const select = settings.select === "last" ? "last" : checkpoint.settings.select;
  const changed = changedSettings({ ...checkpoint.settings, select }, settings);
  if (changed !== "")
    throw new Error(`${file} is of other settings (${changed}): give the same, or another --out`);
}

async function startGradients(
  processes: number,
  network: Network,
  settings: TrainingSettings,
  backend: BackendName,
): Promise<GradientSource> {
  if (processes <= 1) return new LocalGradients(network, settings.loss);
  const { ProcessGradients } = await import("./processes_node.js");
  return ProcessGradients.start(processes, network, {
    network: settings.network,
    loss: settings.loss,
    backend,
  });
}

/** Trains in a run folder, from its checkpoint if there is one and `resume` is set, and packages the result. */
export async function trainInFolder(options: TrainOptions): Promise<void> {
  const { folder } = options;
  const checkpoint = await readCheckpoint(folder);
  const data = await (options.start?.load() ?? loadTrainingData(options.data));
  const backend = await selectBackend(options.backend);
  const processes = options.processes ?? (backend.name === "wasm" ? availableParallelism() : 1);
  const settings = options.settings(data.train, checkpoint?.settings.accumulate ?? processes);
  checkSettings(settings);
  checkResumable(checkpoint, settings, options);
  const network = buildAttentionUNet(settings.network);
  if (options.start) writeWeights(network.model, options.start.weights);
  const used = Math.min(processes, settings.accumulate);
  process.stderr.write(
    `${data.train.em.length} slices to train on, ${data.validation.em.length} to validate, ` +
      `${data.all.width} x ${data.all.height} pixels of ${data.voxelSize[0]} nm; ` +
      `${network.model.countParams()} parameters; ${backend.description}, ${used} process${used > 1 ? "es" : ""}\n`,
  );
  await writeRunFile(folder, { command: options.command, backend, settings, data: options.data });
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const host = await openRunFolder({
    folder,
    totalSteps: settings.steps,
    startStep: checkpoint?.progress.step ?? 0,
    checkpointSteps: options.checkpointSteps,
    checkpointMinutes: options.checkpointMinutes,
    signal: interrupt.signal,
  });
  const gradients = await startGradients(used, network, settings, backend.name);
  try {
    const outcome = await runTraining(
      {
        network,
        train: data.train,
        validation: data.validation,
        settings,
        checkpoint: checkpoint ?? undefined,
        gradients,
      },
      {
        ...host,
        onStep(report) {
          if (backend.gpuErrors.length > 0) throw new Error(`step ${report.step}: ${backend.gpuErrors[0]}`);
          host.onStep?.(report);
        },
      },
    );
    await host.finish();
    const summary = outcomeText(outcome);
    process.stderr.write(`${summary}\n`);
    const multiple = 2 ** (settings.network.filters.length - 1);
    await writeReport(folder, summary, network, data.validation, multiple, {
      Settings: settings,
      Data: { ...options.data, voxelSize: data.voxelSize, slices: data.all.em.length },
      Run: { command: options.command, engine: backend.description, processes: used },
    });
    if (outcome.stopped !== "interrupted") await packageOutcome(options, outcome, settings, data);
  } finally {
    await host.finish();
    await gradients.dispose();
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

function outcomeText({ progress: { best, step }, stopped }: TrainingOutcome): string {
  if (stopped === "interrupted") return `stopped after step ${step}; go on with --resume`;
  const why = stopped === "patience" ? " (no better for long)" : "";
  return `trained ${step} steps${why}${best ? `; best at step ${best.step}: IoU per slice ${best.iouPerSlice.toFixed(4)}` : ""}`;
}

async function packageOutcome(
  options: TrainOptions,
  outcome: TrainingOutcome,
  settings: TrainingSettings,
  data: TrainingData,
): Promise<void> {
  if (!options.package) return;
  const { best, step } = outcome.progress;
  const selection =
    settings.select === "last" || !best
      ? { criterion: "last step", step }
      : {
          criterion: `validation ${settings.select === "loss" ? "loss" : "IoU per slice"}`,
          step: best.step,
        };
  const description = { ...options.package, command: options.command };
  if (options.start) await options.start.package(description, outcome, settings, selection);
  else
    await packageTraining(
      description,
      outcome.weights,
      settings,
      data.all,
      data.voxelSize,
      options.data.window,
      selection,
    );
  process.stderr.write(`packaged as ${options.package.folder}\n`);
}
