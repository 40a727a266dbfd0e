import type { Command } from "commander";
import { formatVoxelSize } from "../volume/voxel_size.js";
import { findModel } from "./find_model.js";
import { addInferenceFlags, type InferenceFlags, openInput, untilInterrupted } from "./inference_flags.js";
import { ProgressBar } from "./progress.js";

interface PredictFlags extends InferenceFlags {
  mask?: boolean;
  zarr: string;
  resume?: boolean;
  overwrite?: boolean;
}

export function register(program: Command): void {
  addInferenceFlags(
    program
      .command("predict")
      .description("Run a model over a volume and write its probabilities (0..255) as multiscale OME-Zarr")
      .argument("<model>", "id of a package in models/, its folder, or a .zip file")
      .argument("<volume>", "EM: a folder of slices, a TIFF or HDF5 file, an OME-Zarr or precomputed volume")
      .argument("<output>", "OME-Zarr folder to make, as in mitochondria.ome.zarr"),
  )
    .option("--mask", "write 1 where the probability reaches --threshold and 0 elsewhere, as labels")
    .option("--zarr <version>", "2 (OME-NGFF 0.4, read by everything) or 3 (0.5)", "2")
    .option("--resume", "go on with a prediction that was interrupted")
    .option("--overwrite", "replace an output that exists, or start an interrupted one over")
    .action(predict);
}

async function predict(
  modelName: string,
  volume: string,
  output: string,
  flags: PredictFlags,
): Promise<void> {
  if (flags.resume && flags.overwrite)
    throw new Error("--resume and --overwrite exclude each other: give one");
  if (flags.zarr !== "2" && flags.zarr !== "3") throw new Error(`--zarr ${flags.zarr}: give 2 or 3`);
  const model = await findModel(modelName);
  const { predictedVolume } = await import("../inference/predicted_volume.js");
  const { createPredictor } = await import("../inference/predictor.js");
  const { selectBackend } = await import("../kernels/backend_node.js");
  const { thresholdByte } = await import("../segmentation/label.js");
  const { importVolume } = await import("../volume/import_node.js");

  const input = await openInput(volume, model, flags);
  const { em, geometry, window } = input;
  const backend = await selectBackend(flags.backend);
  const predictor = await createPredictor(model, backend.name);
  const { signal, release } = untilInterrupted("stopped: what is written is kept, go on with --resume");
  const bar = new ProgressBar(`predicting (${backend.name})`);
  // Of all levels that are written; those below the first cost next to nothing.
  let written = 0;
  let before = 0;
  let total = 0;
  const predicted = predictedVolume(em, {
    // Everything that changes a voxel: a run that is resumed must not mix two of them.
    name: `${em.name} predicted by ${model.id} ${model.digest} window ${window} tta ${flags.tta} on ${backend.name}`,
    geometry,
    field: model.config.field,
    window,
    tta: flags.tta,
    predict: (request, options) => predictor.predict(request, options),
    onPart: (voxels) => {
      written += voxels;
      if (total > 0) bar.update(Math.min(written / total, 0.999), "", before / total);
    },
  });
  try {
    const {
      volume: made,
      resumedRows,
      rows,
    } = await importVolume({
      input: predicted,
      output,
      labels: flags.mask,
      binarise: flags.mask ? thresholdByte(flags.threshold) - 1 : undefined,
      zarr: flags.zarr === "3" ? 3 : 2,
      existing: flags.resume ? "resume" : flags.overwrite ? "overwrite" : "fail",
      signal,
      onProgress: (progress) => {
        written = progress.done;
        before = progress.before;
        total = progress.total;
        bar.update(written / total, `level ${progress.level}`, before / total);
      },
    });
    bar.end();
    if (resumedRows > 0) process.stderr.write(`${resumedRows} of ${rows} rows of chunks were there\n`);
    if (predicted.nonFinite() > 0)
      process.stderr.write(
        `the network gave no number for ${predicted.nonFinite()} pixels: taken as background\n`,
      );
    process.stdout.write(
      `${output}: ${flags.mask ? "mask" : "probabilities"} of ${em.name} by ${model.id}\n`,
    );
    for (const { size, voxelSize } of made.levels)
      process.stdout.write(`  ${size.join(" x ")} voxels of ${formatVoxelSize(voxelSize)}\n`);
  } finally {
    bar.end();
    release();
    predictor.dispose();
    await input.close();
  }
}
