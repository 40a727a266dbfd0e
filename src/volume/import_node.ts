import { createHash } from "node:crypto";
import { basename, resolve, sep } from "node:path";
import { binarised } from "./binarise.js";
import { boxSize, boxVolume } from "./box.js";
import { chooseChunkSize } from "./chunk_shape.js";
import { planPyramid } from "./downsample.js";
import { claimOutput, type ExistingOutput, type OutputClaim } from "./import_journal_node.js";
import {
  fingerprintInput,
  type ImportSourceOptions,
  openImportSource,
  resolvedPath,
} from "./import_source_node.js";
import { OmeZarrWriter } from "./ome_zarr_write_node.js";
import { cutRegion, formatRegion, parseRegion } from "./region.js";
import { type Box, type Vec3, VolumeError, type VolumeSource } from "./types.js";
import { itemBytes, type VolumeDescription, type ZarrVersion } from "./zarr_documents.js";

export interface ImportOptions extends ImportSourceOptions {
  /** A path (see `openImportSource`), or an open volume, of which the finest scale is imported; it is left open. */
  readonly input: string | VolumeSource;
  /** Folder of the OME-Zarr that is made. */
  readonly output: string;
  /** Part of the input, as text ("x0:x1,y0:y1,z0:z1") or box; the output keeps its place in space. */
  readonly region?: string | Box;
  /** Make labels of what is above this value (1) and what is not (0). */
  readonly binarise?: number;
  readonly zarr?: ZarrVersion;
  readonly chunkSize?: Vec3;
  /** What to do when the output, or an unfinished one, is there. */
  readonly existing?: ExistingOutput;
  /** Most bytes of one row of chunks across z, which are held at once; chunks are made flatter to stay below. */
  readonly slabBytes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImportProgress) => void;
}

export interface ImportProgress {
  /** Voxels written, of all levels, with those of an earlier run. */
  readonly done: number;
  /** Those of an earlier run alone. */
  readonly before: number;
  readonly total: number;
  /** Level that was worked on last. */
  readonly level: number;
}

export interface ImportResult {
  readonly output: string;
  readonly volume: VolumeDescription;
  /** Rows of chunks that an earlier, interrupted run had written. */
  readonly resumedRows: number;
  readonly rows: number;
}

/**
 * Import a volume as multiscale OME-Zarr. Everything is written to `<output>.partial` and renamed when it is whole, so
 * that a half-written volume never has the output's name. A journal in there counts the finished rows of chunks; with
 * `existing: "resume"` an interrupted import goes on behind them, and gives the bytes of an uninterrupted one.
 *
 * Memory: one row of chunks across z (at most `slabBytes`, if the slices allow it at all) and a few chunks.
 *
 * @throws VolumeError for anything wrong with input or output; what is written so far is kept for a resume.
 */
export async function importVolume(options: ImportOptions): Promise<ImportResult> {
  const output = resolve(options.output);
  if (typeof options.input !== "string")
    return importSource(options, options.input, output, options.input.name);
  await rejectOverlap(options.input, output);
  const source = await openImportSource(options.input, options);
  try {
    return await importSource(options, source, output, await fingerprintInput(options.input));
  } finally {
    await source.close?.();
  }
}

async function importSource(
  options: ImportOptions,
  opened: VolumeSource,
  output: string,
  identity: string,
): Promise<ImportResult> {
  const source = prepare(opened, options);
  const volume = describe(source, options, basename(opened.name), identity);
  const { fingerprint } = volume.provenance as { fingerprint: string };
  const writer = new OmeZarrWriter(`${output}.partial`, volume);
  const rows = volume.levels.flatMap((_, level) =>
    Array.from({ length: writer.grid(level)[2] }, (_, row) => ({ level, row })),
  );
  const claim = await claimOutput(output, { existing: options.existing, fingerprint, total: rows.length });
  const result: ImportResult = { output, volume, resumedRows: claim.done, rows: rows.length };
  if (claim.complete) return result;
  try {
    await writeRows(writer, rows, source, options, claim);
    await writer.finish();
    await claim.publish();
    return result;
  } finally {
    await claim.release();
  }
}

async function writeRows(
  writer: OmeZarrWriter,
  rows: readonly { level: number; row: number }[],
  source: VolumeSource,
  { signal, onProgress }: ImportOptions,
  claim: OutputClaim,
): Promise<void> {
  const voxels = rows.map(({ level, row }) => boxVolume(writer.rowBox(level, row)));
  const total = voxels.reduce((a, b) => a + b);
  const before = voxels.slice(0, claim.done).reduce((a, b) => a + b, 0);
  let done = before;
  const origin = source.scales[0].bounds.lower;
  const shifted = (corner: Vec3): Vec3 => [
    corner[0] + origin[0],
    corner[1] + origin[1],
    corner[2] + origin[2],
  ];
  for (let i = claim.done; i < rows.length; ++i) {
    const { level, row } = rows[i];
    signal?.throwIfAborted();
    if (level === 0) {
      const { lower, upper } = writer.rowBox(0, row);
      const slab = await source.read(0, { lower: shifted(lower), upper: shifted(upper) }, { signal });
      await writer.writeRow(row, slab, signal);
    } else {
      await writer.downsampleRow(level, row, signal);
    }
    await claim.advance(i + 1);
    done += voxels[i];
    onProgress?.({ done, before, total, level });
  }
}

/** The source with region and threshold applied. */
function prepare(opened: VolumeSource, { region, binarise, labels }: ImportOptions): VolumeSource {
  const box = typeof region === "string" ? parseRegion(region, opened.scales[0].bounds) : region;
  const cut = box ? cutRegion(opened, box) : opened;
  if (binarise === undefined) {
    if (!labels && opened.dataType !== "uint8" && opened.dataType !== "uint16") {
      throw new VolumeError(
        opened.name,
        `holds ${opened.dataType} values, which EM never is: add --labels if these are labels, else convert it to uint8 or uint16`,
      );
    }
    return cut;
  }
  if (!labels) throw new VolumeError(opened.name, "is thresholded only as labels: add --labels");
  return binarised(cut, binarise);
}

function describe(
  source: VolumeSource,
  options: ImportOptions,
  name: string,
  identity: string,
): VolumeDescription {
  const { labels = false, zarr = 2, channel, dataset, binarise } = options;
  const [{ bounds, voxelSize: stated }] = source.scales;
  const voxelSize = options.voxelSize ?? stated;
  if (!voxelSize.every((length) => Number.isFinite(length) && length > 0)) {
    throw new VolumeError(source.name, `${voxelSize} is no voxel size: give three lengths above 0`);
  }
  const size = boxSize(bounds);
  const chunkSize =
    options.chunkSize ?? chooseChunkSize(size, voxelSize, itemBytes(source.dataType), options.slabBytes);
  if (
    !chunkSize.every((length) => Number.isSafeInteger(length) && length > 0) ||
    chunkSize.reduce((a, b) => a * b) > 2 ** 27
  ) {
    throw new VolumeError(
      source.name,
      `cannot be cut in chunks of ${chunkSize}: give three whole numbers, together at most 2^27 voxels`,
    );
  }
  const settings = {
    voxelSize,
    size,
    origin: bounds.lower,
    chunkSize,
    zarr,
    labels,
    channel,
    dataset,
    binarise,
    dataType: source.dataType,
  };
  const fingerprint = createHash("sha256")
    .update(JSON.stringify([identity, settings]))
    .digest("hex");
  return {
    zarr,
    name,
    dataType: source.dataType,
    labels,
    levels: planPyramid(size, voxelSize, chunkSize),
    chunkSize,
    origin: bounds.lower,
    provenance: {
      kind: labels ? "labels" : "image",
      source: name,
      region: formatRegion(bounds),
      fingerprint,
    },
  };
}

/** Replacing the output must not delete what it is made from. */
async function rejectOverlap(input: string, output: string): Promise<void> {
  const from = await resolvedPath(resolve(input));
  const to = await resolvedPath(output);
  if (from === to || from.startsWith(to + sep)) {
    throw new VolumeError(input, `lies inside of the output ${output}: choose another output`);
  }
}
