import { type Command, InvalidArgumentError } from "commander";
import { openPhantom } from "../phantom/store.js";
import { phantomPresets } from "../phantom/style.js";
import { importVolume } from "../volume/import_node.js";
import type { Box, Vec3 } from "../volume/types.js";
import { ProgressBar } from "./progress.js";

interface Flags {
  style: string;
  seed: string;
  size: Vec3;
  offset: Vec3;
  labels?: string;
  resume?: boolean;
  overwrite?: boolean;
}

const triple =
  (least: number) =>
  (text: string): Vec3 => {
    const values = text.split(",").map(Number);
    if (values.length !== 3 || !values.every((value) => Number.isSafeInteger(value) && value >= least)) {
      throw new InvalidArgumentError("Give three whole numbers x,y,z, as in 1024,1024,64.");
    }
    return [values[0], values[1], values[2]];
  };

export function register(program: Command): void {
  program
    .command("phantom")
    .description("Write a part of the synthetic EM volume, and the exact mitochondria, as OME-Zarr")
    .argument("<output>", "OME-Zarr folder to make, as in phantom.ome.zarr")
    .option(
      "--style <style>",
      `${Object.keys(phantomPresets).join(", ")}, with overrides as in fib,noise=12,blur=6`,
      "fib",
    )
    .option("--seed <n>", "another seed is another tissue", "1")
    .option("--size <x,y,z>", "voxels", triple(1), [1024, 1024, 64] as Vec3)
    .option("--offset <x,y,z>", "first voxel", triple(0), [20480, 20480, 1024] as Vec3)
    .option("--labels <output>", "write the mitochondria to this OME-Zarr folder")
    .option("--resume", "go on with an interrupted run")
    .option("--overwrite", "replace what is there")
    .action(async (output: string, flags: Flags) => {
      const { offset, size } = flags;
      const region: Box = {
        lower: offset,
        upper: [offset[0] + size[0], offset[1] + size[1], offset[2] + size[2]],
      };
      await write("em", output, region, flags);
      if (flags.labels !== undefined) await write("labels", flags.labels, region, flags);
    });
}

async function write(kind: "em" | "labels", output: string, region: Box, flags: Flags): Promise<void> {
  const bar = new ProgressBar(output);
  try {
    await importVolume({
      input: openPhantom(`phantom://${flags.style}/${flags.seed}/${kind}`),
      output,
      region,
      labels: kind === "labels",
      existing: flags.overwrite ? "overwrite" : flags.resume ? "resume" : undefined,
      onProgress: ({ done, before, total }) => bar.update(done / total, "", before / total),
    });
  } finally {
    bar.end();
  }
}
