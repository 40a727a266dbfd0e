import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type AdaptationCheckpoint, decodeAdaptation, encodeAdaptation } from "../adaptation/checkpoint.js";
import {
  type AdaptationStep,
  type AdaptationValidation,
  type RunPoint,
  runAdaptation,
} from "../adaptation/engine.js";
import { totalStepsOf } from "../adaptation/settings.js";
import { araRuleOf, pickEpochs } from "../adaptation/stopping.js";
import type { SourceModel, StrategyRun, StrategySettings } from "../adaptation/types.js";
import { CRITERIA, type Criterion } from "../adaptation/types.js";
import type { SelectedBackend } from "../kernels/backend_node.js";
import type { tf } from "../kernels/tf.js";
import { writeAtomically } from "../training/run_node.js";
import { changedSettings } from "../training/settings.js";
import { type Experiment, ExperimentError } from "./experiment_file.js";
import { type Pair, regionText } from "./pair_node.js";
import type { PlannedRun } from "./plan.js";
import { writePrediction } from "./predictions_node.js";
import {
  asEpoch,
  type Machine,
  pickOf,
  RESULTS_FILE,
  type RunResult,
  type ScoredSnapshot,
} from "./results.js";
import {
  CHECKPOINT_FILE,
  RUN_FILE,
  RunLog,
  type RunState,
  readJson,
  STATE_FILE,
  writeJson,
} from "./run_state_node.js";
import { scoreSlices } from "./score_slices.js";
import { takeSnapshot } from "./snapshot.js";
import { removeSnapshot, writeSnapshot } from "./snapshot_node.js";

/** Lines of a log at most, so that a hundred thousand steps stay readable. */
const MOST_LINES = 20_000;

/** What a run reports while it goes. */
export interface RunEvents {
  onStep?(run: PlannedRun, step: AdaptationStep, of: number): void;
  onScore?(run: PlannedRun, scored: ScoredSnapshot): void;
}

export interface RunContext {
  readonly experiment: Experiment;
  /** Folder of the experiment's runs. */
  readonly out: string;
  readonly command: string;
  readonly backend: SelectedBackend;
  readonly machine: Machine;
  readonly signal: AbortSignal;
  readonly events: RunEvents;
}

/** What a run learns from. */
export interface RunInput {
  readonly pair: Pair;
  readonly settings: StrategySettings;
  readonly model: SourceModel | null;
  /** Where the source model is from. */
  readonly modelName: string | null;
}

/**
 * Makes one run: trains in its folder, from its checkpoint if there is one, scores its snapshots, and writes results.json
 * last, which says that it is done.
 * @returns null when the signal stopped it: the checkpoint is then written.
 */
export async function performRun(
  run: PlannedRun,
  input: RunInput,
  context: RunContext,
): Promise<RunResult | null> {
  const folder = join(context.out, run.id);
  const checkpoint = await readCheckpoint(join(folder, CHECKPOINT_FILE));
  if (checkpoint) await checkSettings(join(folder, RUN_FILE), input.settings);
  await writeJson(join(folder, RUN_FILE), {
    settings: input.settings,
    command: context.command,
    sourceModel: input.modelName,
  });
  const from = checkpoint?.progress.totalSteps ?? 0;
  const state = await readState(join(folder, STATE_FILE), checkpoint ? from : -1);
  const { source, images } = input.pair;
  const started = await run.strategy.start({
    source: { train: source.train, validation: source.validation },
    summary: source.summary,
    target: images,
    model: input.model,
    settings: input.settings,
  });
  const keeper = new RunKeeper(run, input, context, folder, state, await RunLog.open(folder, from), started);
  try {
    const { stopped } = await runAdaptation(
      { strategy: run.strategy, run: started, settings: input.settings, checkpoint },
      keeper.host(),
    );
    if (stopped === "interrupted") return null;
    return await keeper.finish();
  } finally {
    await keeper.close();
    started.dispose();
  }
}

async function checkSettings(path: string, settings: StrategySettings): Promise<void> {
  const before = (await readJson(path)) as { settings?: StrategySettings } | null;
  if (!before?.settings) return;
  const changed = changedSettings(before.settings, JSON.parse(JSON.stringify(settings)));
  if (changed !== "")
    throw new ExperimentError(
      path,
      `the run was begun with other settings (${changed}): give another --out, or delete its folder`,
    );
}

async function readCheckpoint(path: string): Promise<AdaptationCheckpoint | undefined> {
  try {
    return decodeAdaptation(await readFile(path), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** What is known of the run up to the step it goes on from. */
async function readState(path: string, from: number): Promise<RunState> {
  const state = (await readJson(path)) as RunState | null;
  if (!state || !Array.isArray(state.scored))
    return { started: new Date().toISOString(), trainingSeconds: 0, scoringSeconds: 0, scored: [] };
  return { ...state, scored: state.scored.filter((entry) => entry.totalSteps <= from) };
}

/** Keeps a run's files while it is trained. */
class RunKeeper {
  private readonly total: number;
  private lastSave = performance.now();
  private scoredSince = false;

  constructor(
    private readonly run: PlannedRun,
    private readonly input: RunInput,
    private readonly context: RunContext,
    private readonly folder: string,
    private readonly state: RunState,
    private readonly log: RunLog,
    private readonly started: StrategyRun,
  ) {
    this.total = totalStepsOf(run.strategy, input.settings);
  }

  host() {
    const { context, log, state } = this;
    const each = Math.max(1, Math.ceil(this.total / MOST_LINES));
    return {
      signal: context.signal,
      onStep: (report: AdaptationStep) => {
        const [failure] = context.backend.gpuErrors;
        if (failure !== undefined) throw new Error(`${this.run.id}, step ${report.totalSteps}: ${failure}`);
        state.trainingSeconds += report.seconds;
        if (report.totalSteps % each === 0) log.add({ kind: "step", ...report });
        context.events.onStep?.(this.run, report, this.total);
      },
      onValidation: (report: AdaptationValidation) => log.add({ kind: "validation", ...report }),
      onScore: (snapshot: tf.LayersModel, at: RunPoint) => this.score(snapshot, at),
      wantsCheckpoint: () =>
        this.scoredSince || performance.now() - this.lastSave > context.experiment.checkpointMinutes * 60_000,
      save: async (checkpoint: AdaptationCheckpoint) => {
        await log.flush();
        await writeJson(join(this.folder, STATE_FILE), state);
        await writeAtomically(join(this.folder, CHECKPOINT_FILE), encodeAdaptation(checkpoint));
        // Not before: a run that goes on from an older checkpoint scores again what came after it, and may choose anew.
        await this.prune();
        this.lastSave = performance.now();
        this.scoredSince = false;
      },
    };
  }

  private async score(model: tf.LayersModel, at: RunPoint): Promise<void> {
    const { context, state, folder, input } = this;
    const { threshold, tta, validationSlices } = context.experiment;
    const began = performance.now();
    const name = `${String(at.totalSteps).padStart(7, "0")}-${at.stage}`;
    const snapshot = await takeSnapshot(model, `${this.run.id}, step ${at.totalSteps}`);
    const options = { threshold, tta, backend: context.backend.name, signal: context.signal };
    const target = await input.pair.scorer.score(snapshot, options);
    const { validation } = this.started;
    const prediction = join("predictions", `${name}.gz`);
    const kept = join("snapshots", name);
    const entry: ScoredSnapshot = {
      ...at,
      solidity: target.solidity,
      ara: target.ara,
      distribution: target.distribution,
      validation: validation ? await scoreSlices(snapshot, validation, validationSlices, options) : null,
      targetIou: target.iou?.iouPerSlice ?? null,
      targetIouVolume: target.iou?.iouVolume ?? null,
      precision: target.iou?.precision ?? null,
      recall: target.iou?.recall ?? null,
      regions: target.sample.area.length,
      nonFinite: target.nonFinite,
      seconds: Math.round((performance.now() - began) / 10) / 100,
      prediction,
      snapshot: kept,
    };
    await writePrediction(join(folder, prediction), target.prediction);
    await writeSnapshot(join(folder, kept), snapshot);
    // A point that comes again after a resume takes the place of its first time.
    state.scored = [...state.scored.filter((old) => old.totalSteps < at.totalSteps), entry];
    state.scoringSeconds += (performance.now() - began) / 1000;
    await writeJson(join(folder, STATE_FILE), state);
    this.log.add({ kind: "score", ...entry });
    await this.log.flush();
    this.scoredSince = true;
    context.events.onScore?.(this.run, entry);
  }

  /** Removes what no criterion would choose any more: a criterion never goes back to what it has passed over. */
  private async prune(): Promise<void> {
    const { state, folder } = this;
    const { snapshots, predictions } = this.context.experiment.keep;
    const chosen = new Set(Object.values(this.picks()));
    for (const [index, entry] of state.scored.entries()) {
      if (chosen.has(index)) continue;
      if (snapshots === "picks" && entry.snapshot !== null) {
        await removeSnapshot(join(folder, entry.snapshot));
        state.scored[index] = { ...state.scored[index], snapshot: null };
      }
      if (predictions === "picks" && entry.prediction !== null) {
        await rm(join(folder, entry.prediction), { force: true });
        state.scored[index] = { ...state.scored[index], prediction: null };
      }
    }
  }

  private picks() {
    const { prior } = this.input.pair.source.summary;
    return pickEpochs(
      this.state.scored.map(asEpoch),
      { solidity: prior.solidity, ara: prior.ara },
      araRuleOf(this.run.strategy.id),
    );
  }

  async finish(): Promise<RunResult> {
    await this.prune();
    const { run, input, context, state, folder } = this;
    const { pair, settings, modelName } = input;
    const { source, scorer } = pair;
    const indices = this.picks();
    const picks = Object.fromEntries(
      CRITERIA.map((criterion) => [criterion, pickOf(state.scored, indices[criterion])]),
    ) as Record<Criterion, ReturnType<typeof pickOf>>;
    const picture = scorer.gridSize;
    const round = (seconds: number) => Math.round(seconds * 10) / 10;
    const result: RunResult = {
      format: "chondria-run-1",
      id: run.id,
      source: {
        name: source.name,
        title: source.title,
        slices: source.train.em.length + source.validation.em.length,
        size: [source.train.width, source.train.height],
      },
      target: {
        name: pair.targetName,
        title: pair.targetTitle,
        slices: scorer.slices,
        size: [picture[0], picture[1]],
      },
      region: regionText(pair),
      strategy: run.strategy.id,
      name: run.entry.name,
      title: run.strategy.title,
      protocol: run.protocol,
      seed: run.seed,
      settings: JSON.parse(JSON.stringify(settings)) as Record<string, unknown>,
      sourceModel: modelName,
      modelVoxelSize: [...source.voxelSize],
      gridVoxelSize: [...scorer.gridVoxelSize],
      threshold: context.experiment.threshold,
      tta: context.experiment.tta,
      priors: { solidity: source.summary.prior.solidity, ara: source.summary.prior.ara },
      scored: state.scored,
      picks,
      command: context.command,
      machine: context.machine,
      started: state.started,
      finished: new Date().toISOString(),
      trainingSeconds: round(state.trainingSeconds),
      scoringSeconds: round(state.scoringSeconds),
    };
    await this.log.flush();
    await writeJson(join(folder, RESULTS_FILE), result);
    for (const file of [CHECKPOINT_FILE, STATE_FILE]) await rm(join(folder, file), { force: true });
    return result;
  }

  close(): Promise<void> {
    return this.log.flush();
  }
}
