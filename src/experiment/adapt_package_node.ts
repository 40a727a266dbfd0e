import { readdir } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { AdaptationCheckpoint } from "../adaptation/checkpoint.js";
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
import { formatRegion } from "../volume/region.js";
import { type Box, type Vec3, VolumeError, type VolumeSource } from "../volume/types.js";
import { AdaptationFolder, workFolder } from "./adapt_folder_node.js";
import { loadImages } from "./load.js";
import { TargetScorer } from "./score.js";
import { snapshotWeights, takeSnapshot } from "./snapshot.js";

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
  const folder = await AdaptationFolder.take(workFolder(out));
  try {
    const steps = await new PackageAdaptation(options, out, folder).run();
    if (steps === null) await folder.remove();
    return steps;
  } finally {
    await folder.release();
  }
}

class PackageAdaptation {
  private criterion: Criterion = "last";
  private chosen: ScoredEpoch | null = null;
  private lastSave = performance.now();
  private scoredSince = false;

  constructor(
    private readonly options: AdaptPackageOptions,
    private readonly out: string,
    private readonly folder: AdaptationFolder,
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
    this.note(`${strategy.title} of ${model.id} on ${em.name}, ${backend.description}`);
    const target = [await loadImages(em, model.config.voxelSize, window, signal)];
    if (target[0].em.every((slice) => slice.every((value) => value === slice[0])))
      throw new VolumeError(em.name, "is of one grey value there: give another --region or --window");
    const settings = settingsFor(strategy, source.network, target, { steps, seed });
    const checkpoint = await this.folder.begin({
      model: `${model.id} ${model.digest}`,
      volume: `${em.name} ${formatRegion(em.scales[0].bounds)}`,
      window,
      scoreSlices: options.scoreSlices,
      settings,
    });
    const from = checkpoint?.progress.totalSteps ?? 0;
    const scorer = await this.openScorer(em, model, geometry.ratio);
    if (checkpoint) this.note(`going on from step ${from}`);
    else await this.scoreBefore(model, scorer, backend);
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
          onScore: (snapshot, at) => this.score(model, snapshot, at, scorer, backend),
          wantsCheckpoint: () =>
            this.scoredSince || performance.now() - this.lastSave > 1000 * CHECKPOINT_SECONDS,
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

  private async scoreBefore(
    model: ModelPackage,
    scorer: TargetScorer,
    backend: SelectedBackend,
  ): Promise<void> {
    const { field, prior } = model.config;
    const { solidity } = await scorer.score({ ...model, field }, this.scoring(backend));
    const source = prior ? ` (${prior.solidity.toFixed(4)} in ${prior.source})` : "";
    this.note(`before: solidity ${solidity.toFixed(4)}${source}`);
    this.folder.before = solidity;
  }

  private scoring({ name }: SelectedBackend) {
    return { threshold: 0.5, tta: "none", backend: name, signal: this.options.signal } as const;
  }

  private async score(
    model: ModelPackage,
    network: tf.LayersModel,
    at: RunPoint,
    scorer: TargetScorer,
    backend: SelectedBackend,
  ): Promise<void> {
    const snapshot = await takeSnapshot(network, `${basename(this.out)}, step ${at.totalSteps}`);
    const { solidity, ara, distribution } = await scorer.score(snapshot, this.scoring(backend));
    const entry = { ...at, solidity, ara, distribution, validation: null, targetIou: null };
    await this.folder.add(entry, snapshot);
    const away = distribution === null ? "" : `, distance to the source ${distribution.toFixed(4)}`;
    this.note(`step ${at.totalSteps}: solidity ${solidity.toFixed(4)}${away}`);
    this.scoredSince = true;
    this.chosen = this.pick(model);
  }

  private async save(checkpoint: AdaptationCheckpoint): Promise<void> {
    await this.folder.save(checkpoint);
    // Not before: what goes on from an older checkpoint scores again what came after it, and may choose anew.
    if (this.chosen) await this.folder.keepOnly(this.chosen);
    this.lastSave = performance.now();
    this.scoredSince = false;
  }

  /** The snapshot that the criterion chooses. */
  private pick(model: ModelPackage): ScoredEpoch {
    const { solidity = 0, ara = 0 } = model.config.prior ?? {};
    const { scored } = this.folder;
    return scored[pickEpochs(scored, { solidity, ara })[this.criterion] ?? scored.length - 1];
  }

  private async package(
    model: ModelPackage,
    strategy: { readonly id: StrategyId; readonly title: string },
    settings: StrategySettings,
  ): Promise<void> {
    const { options, criterion, folder } = this;
    const chosen = this.pick(model);
    const snapshot = await folder.snapshot(chosen);
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
        solidity: { before: folder.before, after: chosen.solidity },
      },
      { license: await licenceOf(folderFiles(options.model)) },
    );
    await writePackage(this.out, contents);
    this.note(`step ${chosen.totalSteps} is kept (${criterion}): ${this.out}`);
  }
}
