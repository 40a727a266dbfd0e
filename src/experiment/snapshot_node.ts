import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "../training/run_node.js";
import { ExperimentError } from "./experiment_file.js";
import type { Snapshot } from "./snapshot.js";

const MODEL = "model.json";
const WEIGHTS = "weights.bin";
const ABOUT = "snapshot.json";

/** Writes a snapshot to a folder; one that was cut short has no snapshot.json. */
export async function writeSnapshot(folder: string, snapshot: Snapshot): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeAtomically(join(folder, MODEL), snapshot.files.model);
  await writeAtomically(join(folder, WEIGHTS), snapshot.files.weights);
  const { id, field } = snapshot;
  await writeAtomically(join(folder, ABOUT), `${JSON.stringify({ id, field })}\n`);
}

/** @throws ExperimentError when it is not there or not whole. */
export async function readSnapshot(folder: string): Promise<Snapshot> {
  try {
    const { id, field } = JSON.parse(await readFile(join(folder, ABOUT), "utf8")) as Pick<
      Snapshot,
      "id" | "field"
    >;
    const model = new Uint8Array(await readFile(join(folder, MODEL)));
    const weights = new Uint8Array(await readFile(join(folder, WEIGHTS)));
    const json = JSON.parse(new TextDecoder().decode(model)) as {
      modelTopology: object;
      weightsManifest: { weights: Snapshot["weightSpecs"] }[];
    };
    return {
      id,
      field,
      topology: json.modelTopology,
      weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
      weightData: weights.buffer,
      files: { model, weights },
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ExperimentError(
      folder,
      `the snapshot cannot be read (${why}): delete the run's folder, to have it made again`,
      {
        cause,
      },
    );
  }
}

export async function removeSnapshot(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}
