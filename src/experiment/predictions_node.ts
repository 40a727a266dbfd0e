import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { encode } from "fast-png";
import { writeAtomically } from "../training/run_node.js";
import { decodePng } from "../volume/png_node.js";
import { ExperimentError } from "./experiment_file.js";
import type { StoredPrediction } from "./score.js";

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** One gzip file of a prediction's slices, one after the other, rows first: 0..255. */
export async function writePrediction(path: string, { slices }: StoredPrediction): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeAtomically(path, await compress(Buffer.concat(slices), { level: 6 }));
}

/** @throws ExperimentError when the file does not hold slices of this size. */
export async function readPrediction(
  path: string,
  width: number,
  height: number,
  slices: number,
): Promise<StoredPrediction> {
  const length = width * height;
  try {
    const data = await decompress(await readFile(path), { maxOutputLength: length * slices + 1 });
    if (data.length !== length * slices)
      throw new Error(`${data.length} bytes are not ${slices} slices of ${width} x ${height}`);
    return {
      width,
      height,
      slices: Array.from({ length: slices }, (_, i) => data.subarray(i * length, (i + 1) * length)),
    };
  } catch (cause) {
    throw new ExperimentError(path, cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

export async function writeGrey(
  path: string,
  width: number,
  height: number,
  data: Uint8Array,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeAtomically(path, encode({ width, height, channels: 1, depth: 8, data }));
}

/** @throws VolumeError for a damaged picture. */
export async function readGrey(path: string): Promise<{ width: number; height: number; data: Uint8Array }> {
  const { width, height, data } = decodePng(path, await readFile(path));
  return { width, height, data: data as Uint8Array };
}
