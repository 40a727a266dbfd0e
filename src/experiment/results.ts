import * as v from "valibot";
import { CRITERIA, type Criterion, type ScoredEpoch, STRATEGY_IDS } from "../adaptation/types.js";
import { firstIssue } from "../model/schema.js";
import { ExperimentError } from "./experiment_file.js";

/*
 * results.json, of a run and of a whole experiment. Paths count from the folder of the file. IoU is foreground IoU per slice,
 * averaged, at the labels' resolution; steps count from 1.
 */

const text = v.string();
const finite = v.pipe(v.number(), v.finite());
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const unit = v.pipe(finite, v.minValue(0), v.maxValue(1));
const triple = v.strictTuple([finite, finite, finite]);
const pair = v.strictTuple([count, count]);

const scored = v.strictObject({
  stage: text,
  /** Steps of the stage, and of all stages, done. */
  step: count,
  totalSteps: count,
  /** Means over the regions of the predicted target; 0 when it has none. */
  solidity: unit,
  ara: v.pipe(finite, v.minValue(0)),
  /** Distance of the region morphology to the source's, 0..1; null when it was not measured. */
  distribution: v.nullable(finite),
  /** IoU on the source's validation slices. */
  validation: v.nullable(unit),
  /** IoU on the target's labels; null without labels. */
  targetIou: v.nullable(unit),
  targetIouVolume: v.nullable(unit),
  precision: v.nullable(unit),
  recall: v.nullable(unit),
  regions: count,
  /** Pixels for which the network gave no number. */
  nonFinite: count,
  /** Seconds that scoring took. */
  seconds: finite,
  /** gzip of the probabilities 0..255 on the measured grid, `grid` pixels a slice; null when not kept. */
  prediction: v.nullable(text),
  /** Folder with model.json and weights.bin; null when not kept. */
  snapshot: v.nullable(text),
});

const domain = v.strictObject({
  name: text,
  title: text,
  /** Slices and their size on the model's grid. */
  slices: count,
  size: pair,
});

const pick = v.strictObject({
  /** Into `scored`. */
  index: count,
  stage: text,
  step: count,
  totalSteps: count,
  targetIou: v.nullable(unit),
  targetIouVolume: v.nullable(unit),
});

export const machineSchema = v.strictObject({
  cpu: text,
  cores: count,
  memoryGb: finite,
  system: text,
  node: text,
  /** As src/kernels names it. */
  engine: text,
});

const criteria = v.picklist(CRITERIA);

export const runSchema = v.strictObject({
  format: v.literal("chondria-run-1"),
  /** Folder of the run inside of the experiment's. */
  id: text,
  source: domain,
  /** `size` and `slices` of what is scored, on the grid on which morphology is measured. */
  target: domain,
  /** Part of the target's volume that is scored, in its voxels. */
  region: text,
  strategy: v.picklist(STRATEGY_IDS),
  /** As the experiment names it; several may be of one strategy. */
  name: text,
  title: text,
  protocol: v.picklist(["paper", "reduced"]),
  seed: count,
  /** StrategySettings. */
  settings: v.record(text, v.unknown()),
  /** What a source model was taken from, where the strategy starts from one. */
  sourceModel: v.nullable(text),
  /** nm of the model's grid and of the grid on which morphology is measured. */
  modelVoxelSize: triple,
  gridVoxelSize: triple,
  threshold: unit,
  tta: text,
  /** Of the source's labels. */
  priors: v.strictObject({ solidity: unit, ara: finite }),
  scored: v.array(scored),
  /** What each criterion chose; null where it had nothing to choose by. */
  picks: v.record(criteria, v.nullable(pick)),
  command: text,
  machine: machineSchema,
  started: text,
  finished: text,
  /** Of training without scoring, and of scoring, over all sittings. */
  trainingSeconds: finite,
  scoringSeconds: finite,
});

export type ScoredSnapshot = v.InferOutput<typeof scored>;
export type RunResult = v.InferOutput<typeof runSchema>;
export type RunPick = v.InferOutput<typeof pick>;
export type Machine = v.InferOutput<typeof machineSchema>;

export const experimentSchema = v.strictObject({
  format: v.literal("chondria-experiment-1"),
  name: text,
  /** The experiment's YAML, whole. */
  file: text,
  command: text,
  updated: text,
  /** Runs that are finished, and how many there are to be. */
  planned: count,
  runs: v.array(runSchema),
});
export type ExperimentResult = v.InferOutput<typeof experimentSchema>;

export const RESULTS_FILE = "results.json";

/** @throws ExperimentError naming the file and the field. */
export function parseResults<S extends v.GenericSchema>(
  schema: S,
  json: string,
  file: string,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new ExperimentError(file, "is not JSON: delete it, and the run that wrote it is made again", {
      cause,
    });
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (!result.success) throw new ExperimentError(file, firstIssue(result.issues));
  return result.output;
}

/** The part of a scored snapshot that criteria look at. */
export function asEpoch(entry: ScoredSnapshot): ScoredEpoch {
  const { stage, step, totalSteps, solidity, ara, distribution, validation, targetIou } = entry;
  return { stage, step, totalSteps, solidity, ara, distribution, validation, targetIou };
}

export function pickOf(scored: readonly ScoredSnapshot[], index: number | null): RunPick | null {
  if (index === null) return null;
  const { stage, step, totalSteps, targetIou, targetIouVolume } = scored[index];
  return { index, stage, step, totalSteps, targetIou, targetIouVolume };
}

export interface Statistic {
  readonly mean: number;
  /** Population standard deviation, as the paper's (np.std). */
  readonly deviation: number;
  readonly n: number;
}

/** null without values. */
export function statistic(values: readonly number[]): Statistic | null {
  const n = values.length;
  if (n === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n;
  return { mean, deviation: Math.sqrt(variance), n };
}

/** One row of a comparison: what a criterion reached with a strategy on a pair, over its repetitions. */
export interface Summary {
  readonly source: string;
  readonly target: string;
  /** Name of the strategy in the experiment. */
  readonly name: string;
  readonly criterion: Criterion;
  readonly iou: Statistic;
}

/** Target IoU by pair, strategy and criterion, in the order of the runs; runs without target labels are left out. */
export function summarise(runs: readonly RunResult[]): Summary[] {
  const groups = new Map<string, RunResult[]>();
  for (const run of runs) {
    const key = JSON.stringify([run.source.name, run.target.name, run.name]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  const rows: Summary[] = [];
  for (const group of groups.values())
    for (const criterion of CRITERIA) {
      const values = group.flatMap((run) => run.picks[criterion]?.targetIou ?? []);
      const iou = statistic(values);
      const [{ source, target, name }] = group;
      if (iou) rows.push({ source: source.name, target: target.name, name, criterion, iou });
    }
  return rows;
}
