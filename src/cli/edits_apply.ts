import { type Command, InvalidArgumentError, Option } from "commander";
import type { EditedVolume, Operation } from "../proofreading/types.js";
import type { VolumeView } from "../proofreading/volume_view.js";
import type { Connectivity } from "../segmentation/types.js";
import { parseVoxelSize } from "../volume/voxel_size.js";
import { fraction, untilInterrupted } from "./inference_flags.js";
import { ProgressBar } from "./progress.js";

/** Flags of commands that read predictions under a log. */
export interface PredictionFlags {
  labels?: boolean;
  probability?: string;
  threshold?: number;
  connectivity?: string;
  minimumVoxels?: number;
  source?: string;
  voxelSize?: string;
  dataset?: string;
}

interface ApplyFlags extends PredictionFlags {
  out: string;
  dropRejected?: boolean;
  objects?: string;
  zarr: string;
  overwrite?: boolean;
  skipDamaged?: boolean;
}

/** What the viewer leaves out of a new layer. */
const MINIMUM_VOXELS = 100;

const count = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError("Give a whole number that is not negative.");
  return value;
};

export function addPredictionFlags(command: Command): Command {
  return command
    .option(
      "--labels",
      "the volume holds labels, also where they are 8-bit; else 8-bit values are probabilities",
    )
    .option(
      "--probability <volume>",
      "probabilities for splits and added objects, where the volume is labels",
    )
    .option(
      "--threshold <p>",
      "foreground from this probability on (default: that of the last edit)",
      fraction,
    )
    .addOption(
      new Option("--connectivity <n>", "neighbours of a voxel (default: that of the last edit)").choices([
        "6",
        "18",
        "26",
      ]),
    )
    .option(
      "--minimum-voxels <n>",
      `leave out smaller objects that nobody corrected (default: ${MINIMUM_VOXELS}, of labels 0)`,
      count,
    )
    .option("--source <url>", "edits of this volume only, where the log has several")
    .option("--voxel-size <x,y,z>", "of a volume that does not say it, as in 5,5,5nm")
    .option("--dataset <path>", "data set of an HDF5 file, or image inside of a Zarr group");
}

export function register(edits: Command): void {
  addPredictionFlags(
    edits
      .command("apply")
      .description("Write the corrected labels of a volume as multiscale OME-Zarr")
      .argument("<log>", "JSON Lines file of edits")
      .argument("<volume>", "predicted probabilities (as of chondria predict) or labels")
      .requiredOption("--out <folder>", "OME-Zarr to make, as in corrected.ome.zarr"),
  )
    .option("--drop-rejected", "leave out objects that were rejected")
    .option("--objects <file>", "write id, voxels, verdict, tags and comments of each object as JSON")
    .option("--zarr <version>", "2 (OME-NGFF 0.4, read by everything) or 3 (0.5)", "2")
    .option("--overwrite", "replace an output that exists")
    .option("--skip-damaged", "leave out lines of the log that cannot be read, and say which")
    .action(apply);
}

async function apply(logPath: string, volume: string, flags: ApplyFlags): Promise<void> {
  if (flags.zarr !== "2" && flags.zarr !== "3") throw new Error(`--zarr ${flags.zarr}: give 2 or 3`);
  const { correctedVolume } = await import("../proofreading/corrected_volume.js");
  const { historyLine } = await import("../proofreading/describe.js");
  const { readLogFile } = await import("../proofreading/log_file_node.js");
  const { Replay } = await import("../proofreading/replay.js");
  const { importVolume } = await import("../volume/import_node.js");
  const { writeWhole } = await import("../volume/ome_zarr_write_node.js");

  const read = await readLogFile(logPath, flags.skipDamaged);
  warnOf(logPath, read);
  const { signal, release } = untilInterrupted("stopped: nothing is written");
  const bar = new ProgressBar("applying edits");
  try {
    await withView(volume, read.operations, flags, signal, async (view, name) => {
      const replay = await Replay.of(view, read.operations, signal);
      for (const { operation, message } of replay.conflicts()) {
        const entry = replay.log.get(operation);
        process.stdout.write(`${message}:\n  ${entry ? historyLine(entry) : operation}\n`);
      }
      const made = correctedVolume(replay.corrections, view, {
        name: `${name} corrected by ${logPath}`,
        dropRejected: flags.dropRejected,
        signal,
        onSlice: (done, total) => bar.update((done / total) * 0.5, "numbering"),
      });
      await importVolume({
        input: made.source,
        output: flags.out,
        labels: true,
        zarr: flags.zarr === "3" ? 3 : 2,
        existing: flags.overwrite ? "overwrite" : "fail",
        // Ids take twice the bytes of labels while a row of chunks is made.
        slabBytes: 128 * 2 ** 20,
        signal,
        onProgress: ({ done, total }) => bar.update(0.5 + done / total / 2, "writing"),
      });
      bar.end();
      if (flags.objects !== undefined) {
        const objects = made.ids.slice(1).map((id, i) => {
          const { verdict, tags, comments } = replay.corrections.get(id);
          return {
            label: i + 1,
            voxels: made.voxels[i + 1],
            verdict: verdict?.verdict ?? null,
            tags,
            comments,
          };
        });
        await writeWhole(flags.objects, `${JSON.stringify(objects, null, 2)}\n`);
      }
      const conflicts = replay.conflicts().length;
      process.stdout.write(
        `${flags.out}: ${made.ids.length - 1} objects, ${replay.log.size} operations, ${conflicts} conflicts\n`,
      );
    });
  } finally {
    bar.end();
    release();
  }
}

/** Opens predictions as the flags and the log say, and closes them after the work. */
export async function withView<Result>(
  path: string,
  operations: readonly Operation[],
  flags: PredictionFlags,
  signal: AbortSignal,
  work: (view: VolumeView, name: string) => Promise<Result>,
): Promise<Result> {
  const { openVolumeView } = await import("../proofreading/volume_view.js");
  const { compareOperations } = await import("../proofreading/log.js");
  const { openVolume } = await import("../volume/open_node.js");
  const volume = editedVolume(operations, flags.source);
  const last = [...operations].sort(compareOperations).at(-1)?.settings;
  const voxelSize = flags.voxelSize ? parseVoxelSize(flags.voxelSize) : undefined;
  const source = await openVolume(path, { voxelSize, dataset: flags.dataset });
  const probability =
    flags.probability === undefined ? undefined : await openVolume(flags.probability, { voxelSize });
  const bar = new ProgressBar("reading predictions");
  try {
    const kind = flags.labels || source.dataType !== "uint8" ? "labels" : "probability";
    const view = await openVolumeView(source, {
      kind,
      probability,
      volume,
      settings: {
        threshold: flags.threshold ?? last?.threshold ?? 0.5,
        connectivity: flags.connectivity
          ? (Number(flags.connectivity) as Connectivity)
          : (last?.connectivity ?? 26),
        minimumVoxels: flags.minimumVoxels ?? (kind === "labels" ? 0 : MINIMUM_VOXELS),
      },
      signal,
      onSlice: (done, total) => bar.update(done / total),
    });
    bar.end();
    return await work(view, source.name);
  } finally {
    bar.end();
    await source.close?.();
    await probability?.close?.();
  }
}

/** The volume that a log is of. @throws Error when it has several and none was named. */
function editedVolume(operations: readonly Operation[], url?: string): EditedVolume | undefined {
  const volumes = new Map(operations.map(({ volume }) => [`${volume.url} scale ${volume.scale}`, volume]));
  const found = [...volumes.values()].filter((volume) => url === undefined || volume.url === url);
  if (found.length > 1)
    throw new Error(
      `the log has edits of several volumes, name one by --source: ${[...volumes.keys()].join(", ")}`,
    );
  if (url !== undefined && found.length === 0)
    throw new Error(`--source ${url}: the log has edits of ${[...volumes.keys()].join(", ") || "nothing"}`);
  return found[0];
}

/** Says on stderr what of a log could not be read. */
export function warnOf(
  path: string,
  { damage, truncated }: { damage: readonly string[]; truncated: boolean },
): void {
  for (const line of damage) process.stderr.write(`chondria: left out: ${line}\n`);
  if (truncated)
    process.stderr.write(`chondria: ${path}: the last line ends in the middle, that operation is lost\n`);
}
