import { join } from "node:path";
import { sourceModelOf } from "../adaptation/source_model.js";
import type { SourceModel } from "../adaptation/types.js";
import { readPackageFolder } from "../model/read_node.js";
import { ExperimentError } from "./experiment_file.js";
import type { RunResult } from "./results.js";
import { readSnapshot } from "./snapshot_node.js";

/** The network of a source-only package. @throws ModelError; Error when it is another kind of network. */
export async function sourceModelOfPackage(folder: string): Promise<SourceModel> {
  return sourceModelOf(await readPackageFolder(folder));
}

/**
 * The network of a finished source-only run.
 * @param criterion which of its snapshots.
 * @throws ExperimentError when that was not kept.
 */
export async function sourceModelOfRun(
  out: string,
  run: RunResult,
  criterion: "last" | "validation",
): Promise<SourceModel> {
  const folder = join(out, run.id);
  const pick = run.picks[criterion];
  const kept = pick ? run.scored[pick.index].snapshot : null;
  if (kept === null)
    throw new ExperimentError(
      folder,
      `kept no snapshot chosen by ${criterion}: delete the folder, to have it made again`,
    );
  const snapshot = await readSnapshot(join(folder, kept));
  const { command, seed, settings } = run;
  return sourceModelOf({ ...snapshot, config: { training: { command, seed, settings } } });
}
