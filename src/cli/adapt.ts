import { basename } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { StrategyId } from "../adaptation/types.js";
import type { BackendName } from "../inference/types.js";
import { findModelFolder } from "./find_model.js";
import { commandLine, type InferenceFlags, intensityWindow, openInput } from "./inference_flags.js";
import { ProgressBar } from "./progress.js";

/** Strategies that do without the images of the source: a package carries none. */
const WITHOUT_SOURCE = [
  "target-statistics",
  "target-statistics-matched",
  "self-training",
] as const satisfies readonly StrategyId[];

interface Flags extends Pick<InferenceFlags, "voxelSize" | "dataset" | "region" | "window"> {
  model: string;
  volume: string;
  strategy: (typeof WITHOUT_SOURCE)[number];
  out: string;
  name?: string;
  steps?: number;
  seed: number;
  scoreSlices: number;
  backend: BackendName | "auto";
}

const whole =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`Give a whole number of at least ${least}.`);
    return value;
  };

export function register(program: Command): void {
  program
    .command("adapt")
    .description(
      "Adapt a model package to an unlabelled volume, without its source's images; the same command goes on where it was stopped",
    )
    .requiredOption("--model <id|folder>", "package to start from: an id of models/, or its folder")
    .requiredOption(
      "--volume <path>",
      "EM: a folder of slices, a TIFF or HDF5 file, an OME-Zarr or precomputed volume",
    )
    .addOption(
      new Option("--strategy <name>", "how").choices(WITHOUT_SOURCE).default("target-statistics-matched"),
    )
    .requiredOption("--out <folder>", "of the new package, as in models/my-model")
    .option("--region <x0:x1,y0:y1,z0:z1>", "look at this part only, in voxels of the finest scale")
    .option(
      "--voxel-size <x,y,z>",
      "of a volume that does not say it, as in 5,5,5nm; else wins over what it says",
    )
    .option("--dataset <path>", "data set of an HDF5 file, or image inside of a Zarr group")
    .option(
      "--window <lower,upper>",
      "intensities that become 0 and 1 (default: the model's)",
      intensityWindow,
    )
    .option("--name <text>", "what the volume is called in the package (default: the path's last part)")
    .option("--steps <n>", "of all stages together (default: the strategy's)", whole(1))
    .option("--seed <n>", "of everything that is drawn", whole(0), 1)
    .option("--score-slices <n>", "slices that are predicted to score a snapshot", whole(1), 8)
    .addOption(
      new Option("--backend <name>", "compute engine")
        .choices(["auto", "tensorflow", "webgpu", "wasm"])
        .default("auto"),
    )
    .action(adapt);
}

async function adapt(flags: Flags): Promise<void> {
  const { adaptPackage } = await import("../experiment/adapt_package_node.js");
  const { readPackageFolder } = await import("../model/read_node.js");
  const folder = await findModelFolder(flags.model);
  const model = await readPackageFolder(folder);
  const input = await openInput(flags.volume, model, {
    ...flags,
    tta: "none",
    threshold: 0.5,
  });
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const bar = new ProgressBar(`adapting ${model.id}`);
  try {
    const steps = await adaptPackage({
      model: folder,
      em: input.em,
      target: flags.name ?? basename(flags.volume.replace(/[/\\]+$/, "")),
      window: input.window,
      strategy: flags.strategy,
      steps: flags.steps,
      seed: flags.seed,
      backend: flags.backend,
      out: flags.out,
      scoreSlices: flags.scoreSlices,
      command: commandLine(),
      signal: interrupt.signal,
      events: {
        onNote(text) {
          bar.end();
          process.stderr.write(`${text}\n`);
        },
        onStep: ({ totalSteps, losses }, of, before) =>
          bar.update(
            totalSteps / of,
            `step ${totalSteps} of ${of}, loss ${losses.loss.toFixed(4)}`,
            before / of,
          ),
      },
    });
    bar.end();
    if (steps !== null)
      process.stderr.write(`stopped after step ${steps}; the same command goes on from there\n`);
  } catch (error) {
    bar.end();
    if (interrupt.signal.aborted && (error as Error).name === "AbortError")
      throw new Error("stopped before the first step", { cause: error });
    throw error;
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    await input.close();
  }
}
