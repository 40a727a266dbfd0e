import { readdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type AdaptationCheckpoint, decodeAdaptation, encodeAdaptation } from "../adaptation/checkpoint.js";
import { type AdaptationStep, type RunPoint, runAdaptation } from "../adaptation/engine.js";
import { adaptedContents, checkNeeds, settingsFor } from "../adaptation/package_adaptation.js";
import { STRATEGIES } from "../adaptation/registry.js";
import { totalStepsOf } from "../adaptation/settings.js";
import { sourceModelOf } from "../adaptation/source_model.js";
import { sourceSummaryOf } from "../adaptation/source_summary.js";
import { pickEpochs } from "../adaptation/stopping.js";
import type { Criterion, ScoredEpoch, StrategyId, StrategySettings } from "../adaptation/types.js";
import { chooseGeometry } from "../inference/geometry.js";
import type { BackendName } from "../inference/types.js";
import { type SelectedBackend, selectBackend } from "../kernels/backend_node.js";
import type { tf } from "../kernels/tf.js";
import { licenceOf } from "../model/licence.js";
import { MODEL_ID } from "../model/limits.js";
import { folderFiles, readPackageFolder } from "../model/read_node.js";
import type { ModelPackage } from "../model/types.js";
import { writePackage } from "../model/write_node.js";
import { writeAtomically } from "../training/run_node.js";
import { changedSettings } from "../training/settings.js";
import { formatRegion } from "../volume/region.js";
import { type Box, type Vec3, VolumeError, type VolumeSource } from "../volume/types.js";
import { loadImages } from "./load.js";
import { CHECKPOINT_FILE, lockRun, RUN_FILE, readJson, STATE_FILE, writeJson } from "./run_state_node.js";
import { TargetScorer } from "./score.js";
import { type Snapshot, snapshotWeights, takeSnapshot } from "./snapshot.js";
import { readSnapshot, removeSnapshot, writeSnapshot } from "./snapshot_node.js";

export interface AdaptPackageOptions {
  /** Folder of the package to start from. */
  readonly model: string;
  /** The EM to adapt to, cut to the part that is looked at. */
  readonly em: VolumeSource;
  /** What people call it; stands in the package. */
  readonly target: string;
  readonly window: readonly [number, number];
  readonly strategy: StrategyId;
  /** Of all stages; the strategy's own when left out. */
  readonly steps?: number;
  readonly seed: number;
  readonly backend: BackendName | "auto";
  /** Folder of the new package, models/<id>. */
  readonly out: string;
  /** Most slices that are predicted to score a snapshot. */
  readonly scoreSlices: number;
  readonly command: string;
  readonly signal: AbortSignal;
  readonly events?: {
    /** Something worth a line. */
    onNote?(text: string): void;
    onStep?(report: AdaptationStep, of: number, before: number): void;
  };
}

/** A scored snapshot; its weights lie in a folder until another one is chosen. */
interface Scored extends ScoredEpoch {
  readonly snapshot: string;
}

/** What goes on beside the checkpoint. */
interface State {
  /** Mean solidity of the model as it was. */
  readonly before: number;
  readonly scored: readonly Scored[];
}

/** Most pixels of the model's grid along an edge of what is scored. */
const SCORED_EDGE = 1024;
const CHECKPOINT_SECONDS = 120;

/** The scale that a model looks at, as a volume of its own. */
function atScale(em: VolumeSource, index: number): VolumeSource {
  return {
    name: em.name,
    dataType: em.dataType,
    scales: [em.scales[index]],
    read: (_scale, box, options) => em.read(index, box, options),
  };
}

/** The middle of a volume. */
function middle({ lower, upper }: Box, most: readonly [number, number, number]): Box {
  const ends = lower.map((from, axis) => {
    const length = Math.min(upper[axis] - from, Math.max(1, Math.round(most[axis])));
    const start = from + Math.floor((upper[axis] - from - length) / 2);
    return [start, start + length] as const;
  });
  return {
    lower: ends.map(([from]) => from) as unknown as Vec3,
    upper: ends.map(([, to]) => to) as unknown as Vec3,
  };
}

/** Where an adaptation keeps what it needs to go on, until its package is written. */
export const workFolder = (out: string): string => join(dirname(resolve(out)), `.${basename(out)}.adapting`);

/**
 * Adapts a package's network to unlabelled EM, without images of its source, and writes the result as a package. Goes on where it was
 * stopped. Of the scored snapshots the one is kept whose morphology is nearest to the source's, as far as the package says what that is:
 * the whole distribution, else mean solidity, else the last one is kept.
 * @returns the steps done when the signal stopped it, or null when the package is written.
 * @throws AdaptationError, ModelError, VolumeError; Error when the folder is taken or holds another unfinished adaptation.
 */
export async function adaptPackage(options: AdaptPackageOptions): Promise<number | null> {
  const out = resolve(options.out);
  if (!MODEL_ID.test(basename(out)))
    throw new Error(`--out ${options.out}: its last part must be a model id: letters, digits, dots, - and _`);
  const there = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw new Error(`--out ${options.out} is not a folder`, { cause: error });
  });
  if (there !== null) throw new Error(`--out ${options.out} exists: give another folder, or delete it`);
  const work = workFolder(out);
  const unlock = await lockRun(work);
  if (!unlock) throw new Error(`${work} is in use: the same adaptation runs already`);
  try {
    const steps = await new PackageAdaptation(options, out, work).run();
    if (steps === null) await rm(work, { recursive: true, force: true });
    return steps;
  } finally {
    await unlock();
  }
}

class PackageAdaptation {
  private state: State = { before: 0, scored: [] };
  private criterion: Criterion = "last";
  private lastSave = performance.now();

  constructor(
    private readonly options: AdaptPackageOptions,
    private readonly out: string,
    private readonly work: string,
  ) {}

  async run(): Promise<number | null> {
    const { options } = this;
    const { seed, steps, signal, window } = options;
    const strategy = await STRATEGIES[options.strategy]();
    const model = await readPackageFolder(options.model);
    checkNeeds(strategy, model);
    const geometry = chooseGeometry(options.em.scales, model.config.voxelSize);
    const em = atScale(options.em, geometry.scale);
    const { regions } = model.config.sourceSummary ?? {};
    this.criterion = regions ? "distribution" : model.config.prior ? "solidity" : "last";
    const backend = await selectBackend(options.backend);
    const source = await sourceModelOf(model);
    this.note(
      `${strategy.title} of ${model.id} on ${em.name} ${formatRegion(em.scales[0].bounds)}, ${backend.description}`,
    );
    const target = [await loadImages(em, model.config.voxelSize, window, signal)];
    if (target[0].em.every((slice) => slice.every((value) => value === slice[0])))
      throw new VolumeError(em.name, "is of one grey value there: give another --region or --window");
    const settings = settingsFor(strategy, source.network, target, { steps, seed });
    await this.begin(model, settings);
    const checkpoint = await this.readCheckpoint();
    const from = checkpoint?.progress.totalSteps ?? 0;
    const scorer = await this.openScorer(em, model, geometry.ratio);
    await this.restoreState(checkpoint ? from : -1, model, scorer, backend);
    const run = await strategy.start({
      source: null,
      summary: sourceSummaryOf(model.config),
      target,
      model: source,
      settings,
    });
    const total = totalStepsOf(strategy, settings);
    try {
      const { stopped, totalSteps } = await runAdaptation(
        { strategy, run, settings, checkpoint },
        {
          signal,
          onStep: (report) => {
            const [failure] = backend.gpuErrors;
            if (failure !== undefined) throw new Error(`step ${report.totalSteps}: GPU: ${failure}`);
            options.events?.onStep?.(report, total, from);
          },
          onScore: (snapshot, at) => this.score(snapshot, at, scorer, backend),
          wantsCheckpoint: () => performance.now() - this.lastSave > 1000 * CHECKPOINT_SECONDS,
          save: (saved) => this.save(saved),
        },
      );
      if (stopped === "interrupted") return totalSteps;
    } finally {
      run.dispose();
    }
    await this.package(model, strategy, settings);
    return null;
  }

  private note(text: string): void {
    this.options.events?.onNote?.(text);
  }

  /** Says whose the folder is, or checks that it is ours. */
  private async begin(model: ModelPackage, settings: StrategySettings): Promise<void> {
    const { em, window, scoreSlices } = this.options;
    const identity = {
      model: `${model.id} ${model.digest}`,
      volume: `${em.name} ${formatRegion(em.scales[0].bounds)}`,
      window,
      scoreSlices,
      settings,
    };
    const path = join(this.work, RUN_FILE);
    const before = (await readJson(path)) as object | null;
    const changed = before && changedSettings(before, JSON.parse(JSON.stringify(identity)));
    if (changed)
      throw new Error(
        `${this.work} holds an unfinished adaptation of other settings (${changed}): give the same, give another --out, or delete it`,
      );
    if (!before) await writeJson(path, identity);
  }

  private async readCheckpoint(): Promise<AdaptationCheckpoint | undefined> {
    const path = join(this.work, CHECKPOINT_FILE);
    try {
      const checkpoint = decodeAdaptation(await readFile(path), path);
      this.note(`going on from step ${checkpoint.progress.totalSteps}`);
      return checkpoint;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  private async openScorer(
    em: VolumeSource,
    { config }: ModelPackage,
    ratio: readonly [number, number],
  ): Promise<TargetScorer> {
    const { window, scoreSlices, target, signal } = this.options;
    const [{ bounds, voxelSize }] = em.scales;
    const region = middle(bounds, [SCORED_EDGE * ratio[0], SCORED_EDGE * ratio[1], scoreSlices]);
    const part = { title: target, em, labels: null };
    return TargetScorer.load(
      {
        name: target,
        title: target,
        train: part,
        test: part,
        voxelSize,
        modelVoxelSize: config.voxelSize,
        factor: [1, 1],
        window,
        ignore: [],
        outside: null,
        close: async () => {},
      },
      region,
      config.voxelSize,
      config.sourceSummary?.regions ?? null,
      signal,
    );
  }

  /** @param from step of the checkpoint; scores after it come again. -1: there is none. */
  private async restoreState(
    from: number,
    model: ModelPackage,
    scorer: TargetScorer,
    backend: SelectedBackend,
  ): Promise<void> {
    const state = (await readJson(join(this.work, STATE_FILE))) as State | null;
    if (state && from >= 0) {
      this.state = { ...state, scored: state.scored.filter(({ totalSteps }) => totalSteps <= from) };
      return;
    }
    const { solidity } = await scorer.score({ ...model, field: model.config.field }, this.scoring(backend));
    this.note(`before: solidity ${solidity.toFixed(4)}${this.priorText(model)}`);
    this.state = { before: solidity, scored: [] };
  }

  private priorText({ config }: ModelPackage): string {
    return config.prior ? ` (${config.prior.solidity.toFixed(4)} in ${config.prior.source})` : "";
  }

  private scoring({ name }: SelectedBackend) {
    return { threshold: 0.5, tta: "none", backend: name, signal: this.options.signal } as const;
  }

  private async score(
    model: tf.LayersModel,
    at: RunPoint,
    scorer: TargetScorer,
    backend: SelectedBackend,
  ): Promise<void> {
    const snapshot = await takeSnapshot(model, `${basename(this.out)}, step ${at.totalSteps}`);
    const { solidity, ara, distribution } = await scorer.score(snapshot, this.scoring(backend));
    const folder = join("snapshots", String(at.totalSteps));
    await writeSnapshot(join(this.work, folder), snapshot);
    const entry: Scored = {
      ...at,
      solidity,
      ara,
      distribution,
      validation: null,
      targetIou: null,
      snapshot: folder,
    };
    const earlier = this.state.scored.filter(({ totalSteps }) => totalSteps < at.totalSteps);
    this.state = { ...this.state, scored: [...earlier, entry] };
    const away = distribution === null ? "" : `, distance to the source ${distribution.toFixed(4)}`;
    this.note(`step ${at.totalSteps}: solidity ${solidity.toFixed(4)}${away}`);
  }

  private async save(checkpoint: AdaptationCheckpoint): Promise<void> {
    await writeJson(join(this.work, STATE_FILE), this.state);
    await writeAtomically(join(this.work, CHECKPOINT_FILE), encodeAdaptation(checkpoint));
    this.lastSave = performance.now();
  }

  /** The index of the snapshot that the criterion chooses. */
  private pick(model: ModelPackage): number {
    const { solidity = 0, ara = 0 } = model.config.prior ?? {};
    const picks = pickEpochs(this.state.scored, { solidity, ara });
    return picks[this.criterion] ?? this.state.scored.length - 1;
  }

  private async package(
    model: ModelPackage,
    strategy: { readonly id: StrategyId; readonly title: string },
    settings: StrategySettings,
  ): Promise<void> {
    const { options, criterion } = this;
    const chosen = this.state.scored[this.pick(model)];
    const snapshot: Snapshot = await readSnapshot(join(this.work, chosen.snapshot));
    const contents = adaptedContents(
      model,
      {
        topology: snapshot.topology,
        weights: await snapshotWeights(snapshot),
        field: snapshot.field,
        strategy,
        target: options.target,
        where: "by chondria adapt",
        window: options.em.dataType === "uint8" ? options.window : model.config.window,
        selection: { criterion, step: chosen.totalSteps },
        training: {
          command: options.command,
          seed: settings.seed,
          settings: { ...settings, adaptedFrom: { id: model.id, digest: model.digest } },
        },
        solidity: { before: this.state.before, after: chosen.solidity },
      },
      { license: await licenceOf(folderFiles(options.model)) },
    );
    await writePackage(this.out, contents);
    for (const { snapshot: folder } of this.state.scored) await removeSnapshot(join(this.work, folder));
    this.note(`step ${chosen.totalSteps} is kept (${criterion}): ${this.out}`);
  }
}
