import { readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, extname, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { TableFormat } from "../export/types.js";
import type { VolumeKind, VolumeObject } from "../export/volume_objects.js";
import { FLAG_BORDER, type MeasureFrame, OBJECT_COLUMN_IDS } from "../morphology/object_types.js";
import { type Box, type Vec3, VolumeError, type VolumeSource } from "../volume/types.js";
import { formatVoxelSize, parseVoxelSize } from "../volume/voxel_size.js";
import { fraction, untilInterrupted } from "./inference_flags.js";
import { ProgressBar } from "./progress.js";

interface ObjectsFlags {
  kind?: VolumeKind;
  threshold: number;
  minimum: number;
  connectivity: string;
  fillHoles?: boolean;
  partTouching?: boolean;
  voxelSize?: string;
  dataset?: string;
  region?: string;
  out?: string;
  meshes?: string;
  meshFormat: "precomputed" | "ply";
  overwrite?: boolean;
}

const voxels = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError("Give a whole number of voxels.");
  return value;
};

export function register(program: Command): void {
  program
    .command("objects")
    .description("Measure every object of a volume of labels or probabilities; write a table, and meshes")
    .argument("<volume>", "labels, a mask, or probabilities as `chondria predict` writes them")
    .addOption(
      new Option(
        "--kind <kind>",
        "what the values mean: probability (0..255), mask (not 0 is foreground), labels (each value an object). Default: probability for uint8, else labels",
      ).choices(["probability", "mask", "labels"]),
    )
    .option("--threshold <p>", "foreground from this probability on", fraction, 0.5)
    .option("--minimum <voxels>", "leave out objects of fewer voxels", voxels, 0)
    .addOption(
      new Option("--connectivity <n>", "voxels touch by faces (6), edges (18) or corners (26)")
        .choices(["6", "18", "26"])
        .default("26"),
    )
    .option("--fill-holes", "fill background that an object encloses")
    .option("--part-touching", "part mitochondria that touch, at their necks (see docs/export.md)")
    .option(
      "--voxel-size <x,y,z>",
      "of a volume that does not say it, as in 5,5,5nm; else wins over what it says",
    )
    .option("--dataset <path>", "data set of an HDF5 file, or image inside of a Zarr group")
    .option("--region <x0:x1,y0:y1,z0:z1>", "use this part only, as if the volume ended there")
    .option("--out <file>", "table to write, a row an object: .csv or .parquet")
    .option("--meshes <folder>", "write a mesh of each object into this new folder")
    .addOption(
      new Option("--mesh-format <format>", "precomputed (for Neuroglancer) or ply")
        .choices(["precomputed", "ply"])
        .default("precomputed"),
    )
    .option("--overwrite", "replace outputs that exist")
    .action(objects);
}

/** @throws Error that names the flag or the file. */
async function checkOutputs({ out, meshes, overwrite }: ObjectsFlags): Promise<TableFormat | undefined> {
  if (out === undefined && meshes === undefined)
    throw new Error("nothing to write: give --out <file.csv or file.parquet>, --meshes <folder>, or both");
  for (const path of [out, meshes])
    if (path !== undefined && !overwrite && (await exists(path)))
      throw new Error(`${path}: is there already: choose another name, or give --overwrite`);
  if (out === undefined) return undefined;
  const type = extname(out).toLowerCase();
  if (type !== ".csv" && type !== ".parquet")
    throw new Error(`--out ${out}: give a name that ends in .csv or .parquet`);
  return type === ".csv" ? "csv" : "parquet";
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

async function openObjectVolume(path: string, flags: ObjectsFlags): Promise<VolumeSource> {
  const { openVolume } = await import("../volume/open_node.js");
  const { cutRegion, parseRegion } = await import("../volume/region.js");
  const voxelSize = flags.voxelSize ? parseVoxelSize(flags.voxelSize) : undefined;
  const whole = await openVolume(path, { voxelSize, dataset: flags.dataset });
  try {
    // Readers give 1 nm to what states nothing, a size that no EM of tissue has.
    if (!voxelSize && whole.scales[0].voxelSize.every((size) => size === 1))
      throw new VolumeError(path, "does not say how large a voxel is: give --voxel-size, as in 5,5,5nm");
    if (flags.region === undefined) return whole;
    const cut = cutRegion(whole, parseRegion(flags.region, whole.scales[0].bounds));
    return { ...cut, read: cut.read.bind(cut), close: async () => whole.close?.() };
  } catch (error) {
    await whole.close?.();
    throw error;
  }
}

async function objects(path: string, flags: ObjectsFlags): Promise<void> {
  const format = await checkOutputs(flags);
  const { chooseSliceAxis } = await import("../inference/geometry.js");
  const { volumeObjects } = await import("../export/volume_objects.js");
  const volume = await openObjectVolume(path, flags);
  const { signal, release } = untilInterrupted("stopped: nothing was written");
  const kind = flags.kind ?? (volume.dataType === "uint8" ? "probability" : "labels");
  const { voxelSize } = volume.scales[0];
  const frame: MeasureFrame = { voxelSize, sliceAxis: chooseSliceAxis(voxelSize) };
  const bar = new ProgressBar("labelling");
  try {
    const labelled = await volumeObjects(volume, {
      kind,
      threshold: flags.threshold,
      minimumVoxels: flags.minimum,
      connectivity: Number(flags.connectivity) as 6 | 18 | 26,
      sliceAxis: frame.sliceAxis,
      signal,
      onProgress: ({ done, total }) => bar.update(done / total),
    });
    bar.end();
    const found = await refined(labelled, flags, voxelSize, signal);
    process.stdout.write(`${path}: ${found.length} objects, voxels of ${formatVoxelSize(voxelSize)}\n`);
    if (found.length === 0)
      process.stderr.write(
        kind === "probability"
          ? "no object: is it a mask (--kind mask) or labels (--kind labels), or is --threshold too high?\n"
          : "no object: no value differs from 0, or all objects are smaller than --minimum\n",
      );
    const about = aboutOf(path, volume, kind, flags);
    if (format !== undefined)
      await writeObjectTable(flags.out!, format, found, frame, volume.scales[0].bounds, about, signal);
    if (flags.meshes !== undefined) await writeObjectMeshes(flags.meshes, flags, found, frame, signal);
  } finally {
    bar.end();
    release();
    await volume.close?.();
  }
}

/** Holes filled and touching objects parted, if that was asked for. */
async function refined(
  found: VolumeObject[],
  { fillHoles = false, partTouching = false, minimum }: ObjectsFlags,
  voxelSize: Vec3,
  signal: AbortSignal,
): Promise<VolumeObject[]> {
  if (!fillHoles && !partTouching) return found;
  const { refineObjects } = await import("../export/refine_objects.js");
  const bar = new ProgressBar("refining");
  try {
    const { objects, filledVoxels, parted, tooLarge } = await refineObjects(found, {
      holes: fillHoles,
      parts: partTouching,
      voxelSize,
      minimumVoxels: minimum,
      signal,
      onProgress: ({ done, total }) => bar.update(done / total),
    });
    bar.end();
    if (fillHoles) process.stdout.write(`holes of ${filledVoxels} voxels filled\n`);
    if (partTouching)
      process.stdout.write(`${parted} objects parted, ${found.length} became ${objects.length}\n`);
    if (tooLarge.length > 0)
      process.stderr.write(`too large for that, and left as they are: objects ${tooLarge.join(", ")}\n`);
    return objects;
  } finally {
    bar.end();
  }
}

function aboutOf(path: string, { scales }: VolumeSource, kind: VolumeKind, flags: ObjectsFlags) {
  return {
    volume: path,
    kind,
    ...(kind === "probability" && { threshold: String(flags.threshold) }),
    ...(kind !== "labels" && { connectivity: flags.connectivity }),
    minimumVoxels: String(flags.minimum),
    ...(flags.fillHoles && { holes: "filled" }),
    ...(flags.partTouching && { touching: "parted" }),
    ...(flags.region !== undefined && { region: flags.region }),
    voxelSize: `${scales[0].voxelSize.join(" x ")} nm`,
  };
}

async function writeObjectTable(
  out: string,
  format: TableFormat,
  found: readonly VolumeObject[],
  frame: MeasureFrame,
  bounds: Box,
  about: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const { measureObject, measuredFlag } = await import("../morphology/object_properties.js");
  const { OBJECT_COLUMNS } = await import("../morphology/object_columns.js");
  const { ObjectTable } = await import("../morphology/object_table.js");
  const { objectExport } = await import("../export/object_columns.js");
  const { writeTable } = await import("../export/table_file.js");
  const { FolderSink } = await import("../export/folder_sink_node.js");
  const table = new ObjectTable();
  const bar = new ProgressBar("measuring");
  const none = new Float64Array(0);
  for (let i = 0; i < found.length; ++i) {
    // Lets Ctrl-C in.
    await new Promise((resume) => setImmediate(resume));
    signal.throwIfAborted();
    const values = measureObject(found[i].pieces(), frame);
    const flags = Uint8Array.of(measuredFlag(values) | (touchesBorder(values, bounds) ? FLAG_BORDER : 0));
    table.apply({ ids: Float64Array.of(found[i].id), values, flags, gone: none });
    bar.update((i + 1) / found.length);
  }
  bar.end();
  const path = resolve(out);
  await writeTable(
    new FolderSink(dirname(path)),
    basename(path),
    objectExport(table, OBJECT_COLUMNS, about),
    format,
  );
  process.stdout.write(`${out}: ${table.size} rows\n`);
}

/** @param values a row of the object table: its bounding box tells. */
function touchesBorder(values: Float64Array, { lower, upper }: Box): boolean {
  const first = OBJECT_COLUMN_IDS.indexOf("lowerX");
  const last = OBJECT_COLUMN_IDS.indexOf("upperX");
  return [0, 1, 2].some(
    (axis) => values[first + axis] === lower[axis] || values[last + axis] === upper[axis],
  );
}

/** A folder is replaced only when all that it holds are meshes: a mistyped name must not cost anything else. */
async function removeMeshes(folder: string): Promise<void> {
  if (!(await exists(folder))) return;
  const names = await readdir(folder);
  const other = names.find((name) => !/^(info|\d+\.mesh|\d+:0|\d+\.ply)$/.test(name));
  if (other !== undefined)
    throw new Error(`${folder}: holds ${other}, which is no mesh: choose another folder, or empty it first`);
  await rm(folder, { recursive: true });
}

async function writeObjectMeshes(
  folder: string,
  { meshFormat, overwrite }: ObjectsFlags,
  found: readonly VolumeObject[],
  { voxelSize }: MeasureFrame,
  signal: AbortSignal,
): Promise<void> {
  const { objectMesh } = await import("../mesh/object_mesh.js");
  const { writeMeshes } = await import("../export/mesh_export.js");
  const { FolderSink } = await import("../export/folder_sink_node.js");
  const byId = new Map(found.map((object) => [object.id, object]));
  const bar = new ProgressBar("meshing");
  // Under another name until all are there.
  const partial = `${resolve(folder)}.partial`;
  await rm(partial, { recursive: true, force: true });
  try {
    const { written, coarse } = await writeMeshes({
      sink: new FolderSink(partial),
      folder: "",
      format: meshFormat,
      ids: found.map(({ id }) => id),
      mesh: async (id) => {
        await new Promise((resume) => setImmediate(resume));
        return objectMesh(byId.get(id)!.pieces(), { voxelSize, signal });
      },
      voxelSize,
      onProgress: ({ done, total }) => bar.update(done / total),
      signal,
    });
    bar.end();
    if (overwrite) await removeMeshes(resolve(folder));
    if (written > 0 || meshFormat === "precomputed") await rename(partial, resolve(folder));
    process.stdout.write(`${folder}: ${written} meshes\n`);
    if (coarse.length > 0)
      process.stderr.write(
        `${coarse.length} objects are so large that their meshes are coarser than the voxels\n`,
      );
  } catch (error) {
    bar.end();
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}
