import { writeFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { EvaluationResult } from "../evaluation/evaluate.js";
import type { Network } from "../inference/predict_box.js";
import type { InferenceGeometry, ReceptiveField } from "../inference/types.js";
import type { ModelPackage } from "../model/types.js";
import { formatRegion } from "../volume/region.js";
import { formatVoxelSize, parseVoxelSize } from "../volume/voxel_size.js";
import { findModel, findModelFolder } from "./find_model.js";
import {
  addInferenceFlags,
  commandLine,
  fraction,
  type InferenceFlags,
  openInput,
  untilInterrupted,
} from "./inference_flags.js";
import { ProgressBar } from "./progress.js";

interface EvaluateFlags extends InferenceFlags {
  labelsDataset?: string;
  ignoreLabel: number[];
  tiling: "exact" | "overlap";
  tile: number;
  overlap: number;
  json?: string | true;
  record?: string;
}

const values = (text: string): number[] => {
  const list = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (!list.every(Number.isSafeInteger))
    throw new InvalidArgumentError("Give whole numbers, as in 2 or 2,3.");
  return list;
};
const pixels = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("Give a whole number above 0.");
  return value;
};

export function register(program: Command): void {
  addInferenceFlags(
    program
      .command("evaluate")
      .description("Compare a model's prediction with labels: foreground IoU per slice and over the volume")
      .argument("<model>", "id of a package in models/, its folder, or a .zip file")
      .argument("<volume>", "EM: a folder of slices, a TIFF or HDF5 file, an OME-Zarr or precomputed volume")
      .argument("<labels>", "labels of the same voxels; mitochondria are what is not 0"),
  )
    .option("--labels-dataset <path>", "data set of the labels, where it is not --dataset")
    .option(
      "--ignore-label <values>",
      "label values whose voxels count neither way (2 in Kasthuri++)",
      values,
      [],
    )
    .addOption(
      new Option(
        "--tiling <kind>",
        "exact: as the viewer, every voxel sees all of its surroundings; overlap: the mean of overlapping windows, for comparison with patch-based pipelines",
      )
        .choices(["exact", "overlap"])
        .default("exact"),
    )
    .option("--tile <pixels>", "edge of an overlapping window, in model pixels", pixels, 256)
    .option("--overlap <part>", "of a window that the next one shares", fraction, 0.5)
    .option("--json [file]", "write everything as JSON to a file, or in place of the table")
    .option("--record <data set>", "add the score to the package under this name")
    .action(evaluate);
}

async function evaluate(
  modelName: string,
  volume: string,
  labelsPath: string,
  flags: EvaluateFlags,
): Promise<void> {
  // A score goes into a folder: a package in a .zip file is refused before the work, not after it.
  const folder = flags.record === undefined ? null : await findModelFolder(modelName);
  const model = await findModel(modelName);
  const { openVolume } = await import("../volume/open_node.js");
  const { cutRegion } = await import("../volume/region.js");
  const { checkLabels, evaluatePrediction } = await import("../evaluation/evaluate.js");
  const { predictedVolume } = await import("../inference/predicted_volume.js");
  const { predictBox } = await import("../inference/predict_box.js");
  const { createNetwork, MAX_TILE_PIXELS } = await import("../inference/predictor.js");
  const { selectBackend } = await import("../kernels/backend_node.js");

  const input = await openInput(volume, model, flags);
  const { em, geometry, window, region } = input;
  const whole = await openVolume(labelsPath, {
    voxelSize: flags.voxelSize ? parseVoxelSize(flags.voxelSize) : em.scales[0].voxelSize,
    dataset: flags.labelsDataset ?? flags.dataset,
  });
  const labels = region ? cutRegion(whole, region) : whole;
  checkLabels(em, labels);
  const backend = await selectBackend(flags.backend);
  const network = await createNetwork(model, backend.name);
  const { signal, release } = untilInterrupted("stopped");
  const bar = new ProgressBar(`evaluating ${model.id}`);
  try {
    const { field, run, maxTilePixels } = await tiling(flags, model, network.run, MAX_TILE_PIXELS);
    const predicted = predictedVolume(em, {
      name: `${model.id} on ${em.name}`,
      geometry,
      field,
      window,
      tta: flags.tta,
      wholeSlices: flags.tiling === "overlap",
      predict: (request, options) => predictBox(request, field, run, { maxTilePixels, batch: 1, ...options }),
    });
    const started = performance.now();
    const result = await evaluatePrediction(predicted, labels, {
      threshold: flags.threshold,
      ignore: flags.ignoreLabel,
      sliceAxis: geometry.sliceAxis,
      morphologyVoxelSize: model.config.prior?.voxelSize ?? model.config.voxelSize,
      signal,
      onProgress: (slices, total) => bar.update(slices / total, `slice ${slices} of ${total}`),
    });
    bar.end();
    const report = {
      command: commandLine(),
      model: {
        id: model.id,
        digest: model.digest,
        strategy: model.config.strategy,
        source: model.config.source,
      },
      volume: em.name,
      labels: labels.name,
      region: formatRegion(em.scales[0].bounds),
      voxelSize: em.scales[0].voxelSize,
      scale: geometry.scale,
      ratio: geometry.ratio,
      sliceAxis: "xyz"[geometry.sliceAxis],
      window,
      threshold: flags.threshold,
      tta: flags.tta,
      tiling:
        flags.tiling === "exact"
          ? { kind: "exact", halo: field.halo }
          : { kind: "overlap", tile: flags.tile, overlap: flags.overlap },
      ignoredLabels: flags.ignoreLabel,
      backend: backend.description,
      seconds: Math.round((performance.now() - started) / 100) / 10,
      nonFinitePixels: predicted.nonFinite(),
      prior: model.config.prior,
      ...result,
    };
    if (typeof flags.json === "string") await writeFile(flags.json, `${JSON.stringify(report, null, 2)}\n`);
    process.stdout.write(
      flags.json === true ? `${JSON.stringify(report)}\n` : table(report, geometry, result, model),
    );
    if (folder !== null) await record(folder, flags, result);
  } finally {
    bar.end();
    release();
    network.dispose();
    await input.close();
    await whole.close?.();
  }
}

/** How slices are given to the network: in windows with the whole receptive field, or overlapping and averaged. */
async function tiling(
  flags: EvaluateFlags,
  model: ModelPackage,
  run: Network,
  maxTilePixels: number,
): Promise<{ field: ReceptiveField; run: Network; maxTilePixels: number }> {
  const { field } = model.config;
  if (flags.tiling === "exact") return { field, run, maxTilePixels };
  if (flags.tile % field.multiple !== 0)
    throw new Error(`--tile ${flags.tile}: must be a multiple of the network's ${field.multiple}`);
  const { overlapNetwork } = await import("../inference/overlap.js");
  return {
    field: { halo: 0, multiple: 1 },
    run: overlapNetwork(run, flags.tile, flags.overlap),
    maxTilePixels: Number.POSITIVE_INFINITY,
  };
}

async function record(folder: string, flags: EvaluateFlags, result: EvaluationResult): Promise<void> {
  const { recordScore } = await import("../model/write_node.js");
  const round = (value: number) => Math.round(value * 1e6) / 1e6;
  await recordScore(folder, {
    data: flags.record ?? "",
    iouPerSlice: round(result.iouPerSlice),
    iouVolume: round(result.iouVolume),
    tta: flags.tta,
    command: commandLine(),
  });
}

function table(
  report: {
    region: string;
    voxelSize: readonly [number, number, number];
    seconds: number;
    backend: string;
  } & Record<"window" | "tta" | "threshold" | "tiling" | "nonFinitePixels" | "volume", unknown>,
  geometry: InferenceGeometry,
  result: EvaluationResult,
  model: ModelPackage,
): string {
  const rows: [string, string][] = [
    ["model", `${model.id} (${model.config.strategy}, ${model.config.source})`],
    ["volume", `${report.volume}`],
    ["region", `${report.region}, ${formatVoxelSize(report.voxelSize)}`],
    [
      "read at",
      `scale ${geometry.scale}, ${geometry.ratio.map((r) => +r.toFixed(3)).join(" x ")} voxels a model pixel, slices across ${"xyz"[geometry.sliceAxis]}`,
    ],
    [
      "settings",
      `window ${report.window}, tta ${report.tta}, threshold ${report.threshold}, tiling ${JSON.stringify(report.tiling)}`,
    ],
    ["engine", `${report.backend}, ${report.seconds} s`],
    [
      "IoU per slice",
      `${result.iouPerSlice.toFixed(4)}   (mean over ${result.slices.length} slices, an empty one counts 0)`,
    ],
    ["IoU of volume", result.iouVolume.toFixed(4)],
    ["precision", result.precision.toFixed(4)],
    ["recall", result.recall.toFixed(4)],
    ["Dice", result.dice.toFixed(4)],
  ];
  const { prediction, labels, voxelSize } = result.morphology;
  const prior = model.config.prior;
  const lines = rows.map(([name, value]) => `${name.padEnd(14)} ${value}`);
  const columns = ["objects", "fraction", "solidity", "ARA", "eccentricity"] as const;
  const cells = (m: typeof prediction) =>
    [
      m.objects.toString(),
      m.fraction.toFixed(4),
      m.solidity.toFixed(4),
      m.ara.toFixed(5),
      m.eccentricity.toFixed(4),
    ]
      .map((cell) => cell.padStart(13))
      .join("");
  lines.push(
    "",
    `morphology at ${formatVoxelSize(voxelSize)}`.padEnd(14),
    " ".repeat(14) + columns.map((name) => name.padStart(13)).join(""),
    `prediction    ${cells(prediction)}`,
    `labels        ${cells(labels)}`,
    prior === null
      ? "source prior  not known: the model came without one"
      : `source prior  ${cells(prior)}   (${prior.source}, ${formatVoxelSize(prior.voxelSize)})`,
  );
  if (report.nonFinitePixels !== 0)
    lines.push("", `the network gave no number for ${report.nonFinitePixels} pixels: taken as background`);
  return `${lines.join("\n")}\n`;
}
