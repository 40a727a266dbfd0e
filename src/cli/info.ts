import type { Command } from "commander";
import { boxSize } from "../volume/box.js";
import { openVolume } from "../volume/open_node.js";
import { formatRegion } from "../volume/region.js";
import type { Box, Vec3, VolumeScale, VolumeSource } from "../volume/types.js";
import { formatVoxelSize, parseVoxelSize } from "../volume/voxel_size.js";

interface InfoFlags {
  voxelSize?: Vec3;
  dataset?: string;
  json?: boolean;
}

export function register(program: Command): void {
  program
    .command("info")
    .description("Describe a volume: scales, voxel sizes, type, and the intensities of a sample")
    .argument(
      "<volume>",
      "a folder of slices, a TIFF or HDF5 file, an OME-Zarr or precomputed volume, or an address",
    )
    .option(
      "--voxel-size <size>",
      "voxel size where the volume does not say it, as in 5,5,5nm",
      parseVoxelSize,
    )
    .option("--dataset <path>", "data set inside of an HDF5 file, or image inside of a Zarr group")
    .option("--json", "print JSON")
    .action(info);
}

async function info(input: string, { json, ...options }: InfoFlags): Promise<void> {
  const volume = await openVolume(input, options);
  try {
    const sample = await summarise(volume);
    const { name, dataType, scales } = volume;
    process.stdout.write(
      json
        ? `${JSON.stringify({ name, dataType, scales, sample }, null, 2)}\n`
        : `${name}\n${dataType}, ${scales.length} ${scales.length === 1 ? "scale" : "scales"}\n${table(scales)}${describe(sample)}\n`,
    );
  } finally {
    await volume.close?.();
  }
}

interface Sample {
  readonly box: Box;
  readonly minimum: string;
  readonly maximum: string;
  /** Values below which 1 % and 99 % of the voxels lie: what to give as --window. */
  readonly percentiles: readonly [low: string, high: string];
  readonly distinct: number;
}

/** Largest sample along x, y and z. */
const SAMPLE: Vec3 = [256, 256, 8];

/** Voxels of the middle of the finest scale. */
async function summarise(volume: VolumeSource): Promise<Sample> {
  const { lower, upper } = volume.scales[0].bounds;
  const from = (i: number) => Math.max(lower[i], Math.floor((lower[i] + upper[i] - SAMPLE[i]) / 2));
  const to = (i: number) => Math.min(upper[i], from(i) + SAMPLE[i]);
  const box: Box = { lower: [from(0), from(1), from(2)], upper: [to(0), to(1), to(2)] };
  // Typed arrays sort by value, bigints as well.
  const sorted = (await volume.read(0, box)).slice().sort();
  const at = (fraction: number) => String(sorted[Math.round(fraction * (sorted.length - 1))]);
  let distinct = 1;
  for (let i = 1; i < sorted.length; i++) if (sorted[i] !== sorted[i - 1]) distinct++;
  return { box, minimum: at(0), maximum: at(1), percentiles: [at(0.01), at(0.99)], distinct };
}

function describe({ box, minimum, maximum, percentiles, distinct }: Sample): string {
  return (
    `Middle (${formatRegion(box)}): values ${minimum} to ${maximum}, ` +
    `1 % to 99 % are ${percentiles[0]} to ${percentiles[1]}, ${distinct} different ones`
  );
}

/** Scales as columns that line up. */
function table(scales: readonly VolumeScale[]): string {
  const rows = [
    ["scale", "voxels", "from", "voxel size", "stored in chunks of"],
    ...scales.map(({ bounds, voxelSize, chunkSize }, i) => [
      String(i),
      boxSize(bounds).join(" x "),
      bounds.lower.join(","),
      // What readers give to files that state nothing.
      voxelSize.every((size) => size === 1) ? "not stated" : formatVoxelSize(voxelSize),
      chunkSize.join(" x "),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row: string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd();
  return `${rows.map(line).join("\n")}\n`;
}
