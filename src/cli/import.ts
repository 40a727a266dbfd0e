import { type Command, InvalidArgumentError, Option } from "commander";
import { type ImportOptions, importVolume } from "../volume/import_node.js";
import type { Vec3 } from "../volume/types.js";
import { formatVoxelSize, parseVoxelSize } from "../volume/voxel_size.js";
import { ProgressBar } from "./progress.js";

interface Flags {
  voxelSize: string;
  labels?: boolean;
  dataset?: string;
  channel?: number;
  region?: string;
  binarise?: number | true;
  zarr: "2" | "3";
  chunk?: Vec3;
  memory: number;
  resume?: boolean;
  overwrite?: boolean;
}

const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError("Give a number that is not negative.");
  }
  return value;
};

const positive = (text: string): number => {
  const value = number(text);
  if (value === 0) throw new InvalidArgumentError("Give a number above 0.");
  return value;
};

const chunk = (text: string): Vec3 => {
  const values = text.split(",").map(Number);
  if (values.length !== 3 || !values.every((value) => Number.isSafeInteger(value) && value > 0)) {
    throw new InvalidArgumentError("Give three whole numbers x,y,z, as in 64,64,64.");
  }
  return [values[0], values[1], values[2]];
};

export function register(program: Command): void {
  program
    .command("import")
    .description(
      "Make a multiscale OME-Zarr of a folder of PNG or TIFF slices, a multi-page TIFF or an HDF5 file",
    )
    .argument("<input>", "folder of slices (in the order of their numbers), .tif, .h5")
    .argument("<output>", "OME-Zarr folder to make, as in volume.ome.zarr")
    .requiredOption(
      "--voxel-size <x,y,z>",
      "edge lengths of a voxel, as in 5,5,5nm or 4.6,4.6,50nm (nm, um, angstrom)",
    )
    .option("--labels", "the values are labels: never averaged, and the first of several channels is taken")
    .option("--dataset <path>", "data set of an HDF5 file, needed when it has several")
    .option("--channel <n>", "take this channel of colour slices (0 is red)", number)
    .option("--region <x0:x1,y0:y1,z0:z1>", "import this part only; :,:,0:60 is the first 60 slices")
    .option(
      "--binarise [above]",
      "labels: make 1 of every value above this one (0 if not given), 0 of the rest",
      number,
    )
    .addOption(
      new Option("--zarr <version>", "2 (OME-NGFF 0.4, read by everything) or 3 (0.5)")
        .choices(["2", "3"])
        .default("2"),
    )
    .option("--chunk <x,y,z>", "chunk size in voxels (default: about a cube of 2^18 voxels)", chunk)
    .option("--memory <MB>", "most memory for the slices that are held at once", positive, 512)
    .option("--resume", "go on with an import that was interrupted")
    .option("--overwrite", "replace an output that exists, or start an interrupted import over")
    .action(run);
}

async function run(input: string, output: string, flags: Flags): Promise<void> {
  if (flags.resume && flags.overwrite)
    throw new Error("--resume and --overwrite exclude each other: give one");
  const abort = new AbortController();
  const stop = () => abort.abort(new Error(`stopped: what is written is kept, go on with --resume`));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const bar = new ProgressBar("importing");
  const options: ImportOptions = {
    input,
    output,
    voxelSize: parseVoxelSize(flags.voxelSize),
    labels: flags.labels,
    dataset: flags.dataset,
    channel: flags.channel,
    region: flags.region,
    binarise: flags.binarise === true ? 0 : flags.binarise,
    zarr: flags.zarr === "3" ? 3 : 2,
    chunkSize: flags.chunk,
    slabBytes: flags.memory * 1e6,
    existing: flags.resume ? "resume" : flags.overwrite ? "overwrite" : "fail",
    signal: abort.signal,
    onWarning: (message) => process.stderr.write(`chondria: warning: ${message}\n`),
    onProgress: ({ done, total, before, level }) =>
      bar.update(done / total, `level ${level}`, before / total),
  };
  try {
    const { volume, resumedRows, rows } = await importVolume(options);
    bar.end();
    if (resumedRows > 0) {
      process.stderr.write(
        resumedRows === rows
          ? "was complete already\n"
          : `${resumedRows} of ${rows} rows of chunks were there\n`,
      );
    }
    process.stdout.write(
      `${output}: ${volume.dataType}${volume.labels ? " labels" : ""}, ${volume.levels.length} levels\n`,
    );
    for (const { size, voxelSize } of volume.levels) {
      process.stdout.write(`  ${size.join(" x ")} voxels of ${formatVoxelSize(voxelSize)}\n`);
    }
  } catch (error) {
    bar.end();
    throw error;
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}
