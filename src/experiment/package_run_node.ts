import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Criterion } from "../adaptation/types.js";
import { readPackageFolder } from "../model/read_node.js";
import { packageNetwork } from "../training/package_node.js";
import { ExperimentError } from "./experiment_file.js";
import type { Source } from "./load.js";
import type { RunResult } from "./results.js";
import { snapshotWeights } from "./snapshot.js";
import { readSnapshot } from "./snapshot_node.js";

/** As packages and reports name a criterion. */
export const CRITERION_NAMES: Readonly<Record<Criterion, string>> = {
  solidity: "solidity",
  ara: "ARA",
  distribution: "distribution of morphology",
  validation: "best source validation",
  last: "last step",
  oracle: "target labels (oracle)",
};

/**
 * Writes the snapshot that a criterion chose of a finished run as a model package: with the run's settings, the command,
 * what was scored, and what it needs to say of its source.
 * @param folder models/<id>.
 * @param source read only when the package is to be written.
 * @returns false when the folder holds this very package already, or the criterion chose nothing.
 * @throws ExperimentError when the snapshot was not kept; ModelError.
 */
export async function packageRun(
  folder: string,
  run: RunResult,
  out: string,
  { criterion, license }: { readonly criterion: Criterion; readonly license?: string },
  source: () => Promise<Source>,
): Promise<boolean> {
  const pick = run.picks[criterion];
  if (!pick || (await isPackaged(folder, run, pick.totalSteps, criterion))) return false;
  const kept = run.scored[pick.index].snapshot;
  if (kept === null)
    throw new ExperimentError(
      join(out, run.id),
      `kept no snapshot chosen by ${criterion}: set keep.snapshots to all`,
    );
  const snapshot = await readSnapshot(join(out, run.id, kept));
  const from = await source();
  const chosen = `step ${pick.step} of stage ${pick.stage}, chosen by ${CRITERION_NAMES[criterion]}`;
  const adapted = run.strategy !== "source-only";
  const score = {
    data: run.target.title,
    iouPerSlice: round(pick.targetIou ?? 0),
    iouVolume: round(pick.targetIouVolume ?? 0),
    tta: run.tta,
    command: run.command,
  };
  await packageNetwork(
    {
      folder,
      name: `${run.source.title.split(",")[0]} to ${run.target.title.split(",")[0]}, ${run.title}`.slice(
        0,
        128,
      ),
      description:
        `Mitochondria in EM: ${run.title}, from the labels of ${run.source.title}` +
        `${adapted ? ` to the unlabelled ${run.target.title}` : ""}; ${chosen}.`,
      source: run.source.title,
      target: adapted ? run.target.title : null,
      strategy: run.strategy,
      license,
      command: run.command,
    },
    { topology: snapshot.topology, weights: await snapshotWeights(snapshot), field: snapshot.field },
    {
      voxelSize: from.voxelSize,
      window: from.window,
      prior: from.summary.prior,
      statistics: from.statistics,
    },
    {
      seed: run.seed,
      settings: run.sourceModel === null ? run.settings : { ...run.settings, sourceModel: run.sourceModel },
    },
    { criterion: CRITERION_NAMES[criterion], step: pick.totalSteps },
    pick.targetIou === null ? [] : [score],
  );
  return true;
}

const round = (value: number) => Math.round(value * 1e6) / 1e6;

/** Whether a folder holds the package of this run and choice: then it is left as it is. */
async function isPackaged(
  folder: string,
  run: RunResult,
  step: number,
  criterion: Criterion,
): Promise<boolean> {
  if (!existsSync(join(folder, "rdf.yaml"))) return false;
  const { config } = await readPackageFolder(folder);
  const { selection, training, strategy } = config;
  const { sourceModel: _, ...settings } = training.settings;
  return (
    strategy === run.strategy &&
    selection.step === step &&
    selection.criterion === CRITERION_NAMES[criterion] &&
    training.seed === run.seed &&
    JSON.stringify(settings) === JSON.stringify(run.settings)
  );
}
