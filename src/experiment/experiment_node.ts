import { mkdir, readFile } from "node:fs/promises";
import { availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { basename, join, resolve } from "node:path";
import { STRATEGIES } from "../adaptation/registry.js";
import type { SourceModel, Strategy, StrategyId, StrategySettings } from "../adaptation/types.js";
import type { BackendName } from "../inference/types.js";
import { type SelectedBackend, selectBackend } from "../kernels/backend_node.js";
import { besideFile } from "./datasets_node.js";
import { type Experiment, ExperimentError, parseExperiment } from "./experiment_file.js";
import { packageRun } from "./package_run_node.js";
import { loadPair, type Pair, type PairContext, writePictures } from "./pair_node.js";
import { type PlannedRun, planRuns, startsFromModel } from "./plan.js";
import {
  type ExperimentResult,
  type Machine,
  parseResults,
  RESULTS_FILE,
  type RunResult,
  runSchema,
} from "./results.js";
import { performRun, type RunContext, type RunEvents } from "./run_node.js";
import { lockRun, writeJson } from "./run_state_node.js";
import { withOverrides } from "./settings.js";
import { sourceModelOfPackage, sourceModelOfRun } from "./source_model_node.js";

export interface ExperimentOptions {
  /** The YAML. */
  readonly file: string;
  /** Default: runs/<name of the experiment>. */
  readonly out?: string;
  /** Wins over the file's. */
  readonly dataRoot?: string;
  readonly backend?: BackendName | "auto";
  /** Makes only runs whose id holds one of these texts, and what they start from. */
  readonly only?: readonly string[];
  readonly command: string;
  /** Stops after the running step; the next call goes on there. */
  readonly signal: AbortSignal;
  readonly events?: ExperimentEvents;
}

export interface ExperimentEvents extends RunEvents {
  onPlan?(runs: readonly PlannedRun[], done: number, out: string, engine: string): void;
  onBegin?(run: PlannedRun, settings: StrategySettings, pair: Pair): void;
  onEnd?(run: PlannedRun, result: RunResult): void;
  onSkip?(run: PlannedRun, why: string): void;
  onPackage?(run: PlannedRun, folder: string): void;
}

/** Reads an experiment and its strategies, and plans its runs. @throws ExperimentError. */
export async function readExperiment(
  file: string,
): Promise<{ experiment: Experiment; yaml: string; runs: PlannedRun[] }> {
  let yaml: string;
  try {
    yaml = await readFile(file, "utf8");
  } catch (cause) {
    throw new ExperimentError(file, `cannot be read: ${(cause as Error).message}`, { cause });
  }
  const experiment = parseExperiment(yaml, file);
  const strategies = new Map<StrategyId, Strategy>();
  for (const { id } of experiment.strategies) strategies.set(id, await STRATEGIES[id]());
  return { experiment, yaml, runs: planRuns(experiment, strategies, file) };
}

/**
 * Makes the runs of an experiment that are not done yet; what was interrupted goes on from its last checkpoint.
 * @returns the finished runs; all of them unless the signal stopped it or another process has some.
 * @throws ExperimentError, VolumeError, AdaptationError, ModelError naming what is wrong.
 */
export async function runExperiment(options: ExperimentOptions): Promise<ExperimentResult> {
  const { file, signal, events = {} } = options;
  const { experiment, yaml, runs } = await readExperiment(file);
  const out = resolve(options.out ?? join("runs", experiment.name));
  const backend = await selectBackend(options.backend ?? experiment.backend);
  const runner = new Runner(
    { experiment, out, command: options.command, backend, machine: machineOf(backend), signal, events },
    { file, experiment, dataRoot: options.dataRoot },
    runs,
    yaml,
  );
  return runner.all(options.only, events);
}

function machineOf({ description }: SelectedBackend): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e8) / 10,
    system: `${platform()} ${release()} ${process.arch}`,
    node: process.version,
    engine: description,
  };
}

/** A run that is done; null otherwise. @throws ExperimentError when its results are damaged. */
export async function readRun(out: string, id: string): Promise<RunResult | null> {
  const path = join(out, id, RESULTS_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  return parseResults(runSchema, text, path);
}

class Runner {
  /** One pair in memory: the runs of a pair come one after the other. */
  private loaded: { id: string; pair: Pair } | null = null;

  constructor(
    private readonly context: RunContext,
    private readonly data: PairContext,
    private readonly runs: readonly PlannedRun[],
    private readonly yaml: string,
  ) {}

  async all(only: readonly string[] | undefined, events: ExperimentEvents): Promise<ExperimentResult> {
    const { out, backend, signal } = this.context;
    const wanted = this.chosen(only);
    const done = new Set<string>();
    for (const { id } of wanted) if (await readRun(out, id)) done.add(id);
    await mkdir(out, { recursive: true });
    events.onPlan?.(wanted, done.size, out, backend.description);
    await this.writeResults();
    for (const run of wanted) {
      if (signal.aborted) break;
      if (!done.has(run.id)) await this.one(run, events);
      else await this.package(run, await readRun(out, run.id), events);
    }
    return this.writeResults();
  }

  private chosen(only: readonly string[] | undefined): PlannedRun[] {
    if (!only || only.length === 0) return [...this.runs];
    const named = this.runs.filter(({ id }) => only.some((text) => id.includes(text)));
    if (named.length === 0)
      throw new ExperimentError(
        this.data.file,
        `no run is called ${only.join(" or ")}; they are ${this.runs.map(({ id }) => id).join(", ")}`,
      );
    const needed = new Set(
      named.flatMap(({ id, startsFrom }) => (startsFrom === null ? [id] : [id, startsFrom])),
    );
    return this.runs.filter(({ id }) => needed.has(id));
  }

  private async one(run: PlannedRun, events: ExperimentEvents): Promise<void> {
    const { out, signal } = this.context;
    const unlock = await lockRun(join(out, run.id));
    if (!unlock) {
      events.onSkip?.(run, "another process is at it");
      return;
    }
    try {
      const pair = await this.pair(run);
      const settings = this.settings(run, pair);
      const model = await this.sourceModel(run);
      events.onBegin?.(run, settings, pair);
      const result = await performRun(
        run,
        { pair, settings, model: model?.model ?? null, modelName: model?.name ?? null },
        this.context,
      );
      if (!result) return;
      events.onEnd?.(run, result);
      await this.package(run, result, events);
      await this.writeResults();
    } catch (error) {
      if (signal.aborted && (error as Error | null)?.name === "AbortError") return;
      throw error;
    } finally {
      await unlock();
    }
  }

  private async pair(run: PlannedRun): Promise<Pair> {
    if (this.loaded?.id !== run.pairId) {
      this.loaded = null;
      const pair = await loadPair(run.pair, this.data, this.context.signal);
      await writePictures(join(this.context.out, run.pairId), pair.scorer);
      this.loaded = { id: run.pairId, pair };
    }
    return this.loaded.pair;
  }

  private settings({ strategy, entry, protocol, seed }: PlannedRun, { sizes }: Pair): StrategySettings {
    const { experiment } = this.context;
    const defaults = strategy.defaults(protocol, sizes);
    const layers = experiment.settings ? [experiment.settings, entry] : [entry];
    const settings = withOverrides(defaults, layers, this.data.file, entry.name);
    return { ...settings, seed, network: { ...settings.network, seed } };
  }

  private async sourceModel(run: PlannedRun): Promise<{ model: SourceModel; name: string } | null> {
    const { experiment, out } = this.context;
    if (!startsFromModel(run.strategy, run.entry, run.protocol)) return null;
    const { source } = run.pair;
    if (run.startsFrom === null) {
      const folder = besideFile(this.data.file, experiment.sourceModels[source]);
      return { model: await sourceModelOfPackage(folder), name: basename(folder) };
    }
    const from = await readRun(out, run.startsFrom);
    if (!from)
      throw new ExperimentError(join(out, run.startsFrom), `is not done yet, and ${run.id} starts from it`);
    return {
      model: await sourceModelOfRun(out, from, experiment.sourceModelCriterion),
      name: run.startsFrom,
    };
  }

  private async package(run: PlannedRun, result: RunResult | null, events: ExperimentEvents): Promise<void> {
    const { experiment, out } = this.context;
    const wanted = experiment.package;
    if (!wanted || !result || run.seed !== (wanted.seed ?? experiment.seeds[0])) return;
    if (wanted.strategies && !wanted.strategies.includes(run.entry.name)) return;
    const folder = besideFile(
      this.data.file,
      wanted.folder.replace(/\{(source|target|strategy|seed)\}/g, (_, key: string) =>
        key === "seed"
          ? String(run.seed)
          : (key === "strategy" ? run.entry.name : run.pair[key as "source" | "target"]).replace(
              /[^A-Za-z0-9._-]+/g,
              "",
            ),
      ),
    );
    const written = await packageRun(folder, result, out, wanted, async () => (await this.pair(run)).source);
    if (written) events.onPackage?.(run, folder);
  }

  /** Writes results.json of the experiment from the runs that are done. */
  private async writeResults(): Promise<ExperimentResult> {
    const { experiment, out, command } = this.context;
    const runs: RunResult[] = [];
    for (const { id } of this.runs) {
      const run = await readRun(out, id);
      if (run) runs.push(run);
    }
    const result: ExperimentResult = {
      format: "chondria-experiment-1",
      name: experiment.name,
      file: this.yaml,
      command,
      updated: new Date().toISOString(),
      planned: this.runs.length,
      runs,
    };
    await writeJson(join(out, RESULTS_FILE), result);
    return result;
  }
}
