import { type Command, InvalidArgumentError, Option } from "commander";
import { chooseGeometry } from "../inference/geometry.js";
import type {
  BackendName,
  InferenceGeometry,
  IntensityWindow,
  TestTimeAugmentation,
} from "../inference/types.js";
import { defaultWindow } from "../inference/window.js";
import type { ModelPackage } from "../model/types.js";
import { openVolume } from "../volume/open_node.js";
import { cutRegion, parseRegion } from "../volume/region.js";
import { type Box, VolumeError, type VolumeSource } from "../volume/types.js";
import { parseVoxelSize } from "../volume/voxel_size.js";

/** Flags of the commands that run a model over a volume. */
export interface InferenceFlags {
  voxelSize?: string;
  dataset?: string;
  region?: string;
  window?: IntensityWindow;
  tta: TestTimeAugmentation;
  threshold: number;
  backend: BackendName | "auto";
}

export const fraction = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError("Give a number from 0 to 1.");
  return value;
};

export const intensityWindow = (text: string): IntensityWindow => {
  const [lower, upper, ...more] = text
    .split(",")
    .map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (!(upper > lower) || !Number.isFinite(upper - lower) || more.length > 0)
    throw new InvalidArgumentError("Give two numbers, the lower first, as in 0,255.");
  return [lower, upper];
};

export function addInferenceFlags(command: Command): Command {
  return command
    .option(
      "--voxel-size <x,y,z>",
      "of a volume that does not say it, as in 5,5,5nm; else wins over what it says",
    )
    .option("--dataset <path>", "data set of an HDF5 file, or image inside of a Zarr group")
    .option("--region <x0:x1,y0:y1,z0:z1>", "use this part only, as if the volume ended there")
    .option(
      "--window <lower,upper>",
      "intensities that become 0 and 1 (default: the model's)",
      intensityWindow,
    )
    .addOption(
      new Option("--tta <kind>", "test-time augmentation: mean over 1, 4 or 8 views")
        .choices(["none", "flip", "d4"])
        .default("none"),
    )
    .option("--threshold <p>", "foreground from this probability on", fraction, 0.5)
    .addOption(
      new Option("--backend <name>", "compute engine")
        .choices(["auto", "tensorflow", "webgpu", "wasm"])
        .default("auto"),
    );
}

export interface OpenedInput {
  readonly em: VolumeSource;
  readonly geometry: InferenceGeometry;
  readonly window: IntensityWindow;
  /** In voxels of the finest scale, when a part was asked for. */
  readonly region?: Box;
  close(): Promise<void>;
}

/** Opens the EM as the flags say and lays the model over it. @throws VolumeError, GeometryError. */
export async function openInput(
  path: string,
  model: ModelPackage,
  flags: InferenceFlags,
): Promise<OpenedInput> {
  const voxelSize = flags.voxelSize ? parseVoxelSize(flags.voxelSize) : undefined;
  const whole = await openVolume(path, { voxelSize, dataset: flags.dataset });
  const close = async () => whole.close?.();
  try {
    if (whole.dataType !== "uint8" && whole.dataType !== "uint16")
      throw new VolumeError(path, `holds ${whole.dataType} values; EM must be uint8 or uint16`);
    // Readers give 1 nm to what states nothing, a size that no EM of tissue has.
    if (!voxelSize && whole.scales[0].voxelSize.every((size) => size === 1))
      throw new VolumeError(path, "does not say how large a voxel is: give --voxel-size, as in 5,5,5nm");
    const region = flags.region ? parseRegion(flags.region, whole.scales[0].bounds) : undefined;
    const em = region ? cutRegion(whole, region) : whole;
    const geometry = chooseGeometry(em.scales, model.config.voxelSize);
    return {
      em,
      geometry,
      window: flags.window ?? defaultWindow(model.config.window, em.dataType),
      region,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** An AbortSignal that Ctrl-C and a polite kill set off. */
export function untilInterrupted(message: string): { signal: AbortSignal; release(): void } {
  const abort = new AbortController();
  const stop = () => abort.abort(new Error(message));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  return {
    signal: abort.signal,
    release: () => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
    },
  };
}

/** The present command line as a shell reads it back. */
export function commandLine(): string {
  const quoted = (word: string) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  return ["chondria", ...process.argv.slice(2)].map(quoted).join(" ");
}
