import { type Command, InvalidArgumentError } from "commander";
import { parseVoxelSize } from "../volume/voxel_size.js";
import { findModelFolder } from "./find_model.js";

interface Flags {
  images: string;
  labels: string;
  imagesDataset?: string;
  labelsDataset?: string;
  voxelSize?: string;
  region?: string;
  ignoreLabels?: number[];
}

const numbers = (text: string): number[] => {
  const values = text.split(",").map(Number);
  if (!values.every(Number.isFinite)) throw new InvalidArgumentError(`"${text}" are not numbers`);
  return values;
};

/** `chondria model summarise`, under the `model` command. */
export function register(model: Command): void {
  model
    .command("summarise")
    .description(
      "put what adaptation needs of the training data (grey histogram, morphology) into a package, so that it can be adapted where the data cannot go",
    )
    .argument("<model>", "id or folder of the package")
    .requiredOption("--images <path>", "EM that the model was trained on")
    .requiredOption("--labels <path>", "its labels, mitochondria > 0")
    .option("--images-dataset <path>", "data set inside of an HDF5 file or a Zarr group")
    .option("--labels-dataset <path>", "data set inside of an HDF5 file or a Zarr group")
    .option("--voxel-size <size>", "of the data when it does not say, e.g. 5,5,5nm")
    .option("--region <x0:x1,y0:y1,z0:z1>", "part that the model was trained on, in voxels")
    .option("--ignore-labels <values>", "label values that are not mitochondria", numbers)
    .action(summarise);
}

async function summarise(model: string, flags: Flags): Promise<void> {
  const { readPackageFolder } = await import("../model/read_node.js");
  const { summarisePackage } = await import("../adaptation/summarise_node.js");
  const folder = await findModelFolder(model);
  const { id } = await readPackageFolder(folder);
  const { images, labels, imagesDataset, labelsDataset, region } = flags;
  const { prior, regions } = await summarisePackage(folder, {
    images,
    labels,
    imagesDataset,
    labelsDataset,
    region,
    voxelSize: flags.voxelSize ? parseVoxelSize(flags.voxelSize) : undefined,
    ignore: flags.ignoreLabels ?? [],
  });
  process.stdout.write(
    `${id}: ${regions === null ? "no region" : `${prior.regions} regions of mean solidity ${prior.solidity.toFixed(6)}`}; ` +
      `histogram and distributions are in the package\n`,
  );
}
