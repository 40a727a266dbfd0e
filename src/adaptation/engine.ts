import type { tf } from "../kernels/tf.js";
import { Schedule } from "../training/schedules.js";
import { changedSettings } from "../training/settings.js";
import type { AdaptationCheckpoint, AdaptationProgress, NamedArrays } from "./checkpoint.js";
import { checkStrategySettings } from "./settings.js";
import {
  AdaptationError,
  type Stage,
  type StageSettings,
  type StepLosses,
  type Strategy,
  type StrategyRun,
  type StrategySettings,
} from "./types.js";
import { readVariables, variablesOf, writeVariables } from "./weights.js";

/** Where in a run something happened. */
export interface RunPoint {
  readonly stage: string;
  /** Steps of the stage done. */
  readonly step: number;
  /** Steps of all stages done. */
  readonly totalSteps: number;
}

export interface AdaptationStep extends RunPoint {
  readonly losses: StepLosses;
  readonly learningRate: number;
  /** That the step took. */
  readonly seconds: number;
}

export interface AdaptationValidation extends RunPoint {
  readonly loss: number;
  /** Whether it is the stage's least so far. */
  readonly best: boolean;
}

/** What the surroundings (Node, a browser worker, a test) do for a run. */
export interface AdaptationHost {
  onStage?(stage: string): void;
  onStep?(report: AdaptationStep): void;
  onValidation?(report: AdaptationValidation): void;
  /**
   * A snapshot to be scored; it is disposed when the promise settles. After a resume the points since the checkpoint come
   * again. May throw an AbortError, or the signal's reason, once `signal` fired: then it comes again when the run is resumed.
   */
  onScore?(snapshot: tf.LayersModel, at: RunPoint): Promise<void>;
  /** Asked after each step; true takes a checkpoint. */
  wantsCheckpoint?(totalSteps: number): boolean;
  save?(checkpoint: AdaptationCheckpoint): Promise<void>;
  /** Stops after the running step, with a checkpoint. */
  readonly signal?: AbortSignal;
}

export interface AdaptationJob {
  readonly strategy: Strategy;
  /** Started by `strategy`, with these settings; not disposed here. */
  readonly run: StrategyRun;
  readonly settings: StrategySettings;
  readonly checkpoint?: AdaptationCheckpoint;
}

export interface AdaptationOutcome {
  readonly stopped: "finished" | "interrupted";
  /** Steps of all stages done; fewer than the settings say where patience ended a stage. */
  readonly totalSteps: number;
}

/** Steps may take this long, together, before signals and messages are let in. */
const BREATH_MS = 10;

/** Leaves the microtasks: on WebAssembly a step is computed without ever doing so. */
const breathe = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

const freshPlateau = () => ({ best: Number.POSITIVE_INFINITY, waited: 0, scale: 1 });

/**
 * Runs the stages of a strategy one after the other. Deterministic: the same settings, data, backend and machine give the
 * same losses, however often the run was interrupted and resumed. The networks end as the last stage left them.
 *
 * @throws AdaptationError on settings that cannot be, a checkpoint of other settings or networks, a loss that is no number;
 *   and what the host and the strategy throw.
 */
export async function runAdaptation(
  job: AdaptationJob,
  host: AdaptationHost = {},
): Promise<AdaptationOutcome> {
  return new Engine(job, host).run();
}

class Engine {
  private readonly networks: Readonly<Record<string, tf.LayersModel>>;
  private progress: AdaptationProgress;
  private bestWeights: NamedArrays = {};
  private breathed = 0;

  constructor(
    private readonly job: AdaptationJob,
    private readonly host: AdaptationHost,
  ) {
    const { strategy, run, settings } = job;
    checkStrategySettings(strategy, settings);
    this.networks = run.networks;
    this.progress = this.firstOf(strategy.stages[0], 0);
  }

  async run(): Promise<AdaptationOutcome> {
    const { stages } = this.job.strategy;
    const { checkpoint } = this.job;
    const first = checkpoint ? this.restore(checkpoint) : 0;
    for (let i = first; i < stages.length; i++) {
      const resumed = checkpoint !== undefined && i === first;
      const finished = await this.runStage(stages[i], i === stages.length - 1, resumed);
      if (!finished) return { stopped: "interrupted", totalSteps: this.progress.totalSteps };
    }
    return { stopped: "finished", totalSteps: this.progress.totalSteps };
  }

  /** @returns false when the signal stopped it. */
  private async runStage(name: string, last: boolean, resumed: boolean): Promise<boolean> {
    const { run, settings, checkpoint } = this.job;
    const options = settings.stages[name];
    if (!resumed) {
      this.progress = this.firstOf(name, this.progress.totalSteps);
      this.bestWeights = {};
      await run.enter?.(name);
    }
    this.host.onStage?.(name);
    const stage = await run.begin(name);
    try {
      if (resumed && checkpoint) this.restoreSlots(stage, checkpoint.slots);
      const { plateau } = this.progress;
      // As the authors have it: the rate's patience is that of the stage, and Keras asks more of its improvements.
      const plateauPatience = options.patience > 0 ? options.patience : undefined;
      const { learningRate, steps } = options;
      const schedule = new Schedule(
        { name: options.schedule, learningRate, steps, plateauPatience, plateauDelta: 1e-4 },
        plateau,
      );
      for (;;) {
        if (performance.now() - this.breathed >= BREATH_MS) {
          await breathe();
          this.breathed = performance.now();
        }
        const ended = this.hasEnded(options);
        const { step, scored } = this.progress;
        const due = options.scoreEvery > 0 && step % options.scoreEvery === 0 && !(ended && last);
        const stopped =
          this.host.signal?.aborted || (due && step > 0 && scored < step && !(await this.score()));
        if (stopped) {
          await this.save(stage);
          return false;
        }
        if (ended) break;
        await this.step(stage, schedule, options);
        if (this.host.wantsCheckpoint?.(this.progress.totalSteps)) await this.save(stage);
      }
      return await this.finish(stage, options, last);
    } finally {
      stage.dispose();
    }
  }

  private hasEnded({ steps, patience }: StageSettings): boolean {
    return this.progress.step >= steps || (patience > 0 && this.progress.waited >= patience);
  }

  private async step(stage: Stage, schedule: Schedule, options: StageSettings): Promise<void> {
    const { progress } = this;
    const rate = schedule.rate(progress.step);
    const began = performance.now();
    const losses = await stage.step(progress.step, rate);
    for (const [part, value] of Object.entries(losses)) {
      if (!Number.isFinite(value))
        throw this.error(`${part} became ${value} at ${this.where()}: lower the learning rate (${rate})`);
    }
    progress.step++;
    progress.totalSteps++;
    const seconds = (performance.now() - began) / 1000;
    this.host.onStep?.({ ...this.point(), losses, learningRate: rate, seconds });
    const { validateEvery } = options;
    if (stage.validate && validateEvery > 0) {
      const due = progress.step % validateEvery === 0 || progress.step === options.steps;
      if (due) await this.validate(await stage.validate(), schedule, options);
    }
  }

  private async validate(loss: number, schedule: Schedule, { patience }: StageSettings): Promise<void> {
    if (!Number.isFinite(loss)) throw this.error(`the validation loss became ${loss} at ${this.where()}`);
    const { progress } = this;
    const best = !progress.best || loss < progress.best.loss;
    if (best) {
      progress.best = { loss, step: progress.step };
      progress.waited = 0;
      if (patience > 0) this.bestWeights = await this.readNetworks();
    } else progress.waited++;
    schedule.validated(loss);
    this.host.onValidation?.({ ...this.point(), loss, best });
  }

  /** Saves, then restores the best weights, then scores the last stage. @returns false when the signal stopped it. */
  private async finish(stage: Stage, { patience }: StageSettings, last: boolean): Promise<boolean> {
    // Before the best weights are back: a run resumed here finds the stage as it ended, and does the rest again.
    if (last) await this.save(stage);
    if (patience > 0 && this.progress.best) this.writeNetworks(this.bestWeights);
    return !last || (await this.score());
  }

  /** @returns false when the host gave up because of the signal. */
  private async score(): Promise<boolean> {
    if (!this.host.onScore) return true;
    const snapshot = await this.job.run.snapshot();
    try {
      await this.host.onScore(snapshot, this.point());
      this.progress.scored = this.progress.step;
      return true;
    } catch (error) {
      const { signal } = this.host;
      const gaveUp = error === signal?.reason || (error as Error | null)?.name === "AbortError";
      if (signal?.aborted && gaveUp) return false;
      throw error;
    } finally {
      snapshot.dispose();
    }
  }

  private async save(stage: Stage): Promise<void> {
    if (!this.host.save) return;
    const slots: Record<string, Float32Array[]> = {};
    for (const [name, optimiser] of Object.entries(stage.optimisers))
      slots[name] = await readVariables(optimiser.slots);
    await this.host.save({
      settings: this.job.settings,
      progress: structuredClone({ ...this.progress, random: this.job.run.random.state }),
      weights: await this.readNetworks(),
      bestWeights: this.bestWeights,
      slots,
    });
  }

  /** @returns the index of the stage to go on with. */
  private restore({ settings, progress, weights, bestWeights }: AdaptationCheckpoint): number {
    const { strategy, run } = this.job;
    const changed = changedSettings(settings, this.job.settings);
    if (changed !== "") throw this.error(`the checkpoint is of other settings (${changed})`);
    const index = strategy.stages.indexOf(progress.stage);
    if (index < 0) throw this.error(`the checkpoint is in a stage ${progress.stage}, which it does not have`);
    this.writeNetworks(weights);
    run.random.restore(progress.random);
    this.progress = structuredClone(progress);
    this.bestWeights = bestWeights;
    return index;
  }

  private restoreSlots(stage: Stage, slots: NamedArrays): void {
    for (const [name, optimiser] of Object.entries(stage.optimisers)) {
      if (!Object.hasOwn(slots, name)) throw this.error(`the checkpoint has no optimiser ${name}`);
      optimiser.restore(slots[name]);
    }
  }

  private async readNetworks(): Promise<NamedArrays> {
    const arrays: Record<string, Float32Array[]> = {};
    for (const [name, model] of Object.entries(this.networks))
      arrays[name] = await readVariables(variablesOf(model));
    return arrays;
  }

  private writeNetworks(arrays: NamedArrays): void {
    for (const [name, model] of Object.entries(this.networks)) {
      if (!Object.hasOwn(arrays, name)) throw this.error(`the checkpoint has no network ${name}`);
      try {
        writeVariables(variablesOf(model), arrays[name]);
      } catch (cause) {
        throw this.error(`the checkpoint's network ${name} is another one`, cause);
      }
    }
  }

  private firstOf(stage: string, totalSteps: number): AdaptationProgress {
    const { state } = this.job.run.random;
    return {
      stage,
      step: 0,
      totalSteps,
      random: state,
      plateau: freshPlateau(),
      best: null,
      waited: 0,
      scored: 0,
    };
  }

  private point(): RunPoint {
    const { stage, step, totalSteps } = this.progress;
    return { stage, step, totalSteps };
  }

  private where(): string {
    return `step ${this.progress.step} of stage ${this.progress.stage}`;
  }

  private error(message: string, cause?: unknown): AdaptationError {
    return new AdaptationError(this.job.strategy.id, message, { cause });
  }
}
