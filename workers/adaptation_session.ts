import { runAdaptation } from "../src/adaptation/engine.js";
import { checkNeeds, settingsFor } from "../src/adaptation/package_adaptation.js";
import { totalStepsOf } from "../src/adaptation/settings.js";
import { sourceModelOf } from "../src/adaptation/source_model.js";
import { sourceSummaryOf } from "../src/adaptation/source_summary.js";
import { pickEpochs } from "../src/adaptation/stopping.js";
import { stackBox, stackImages } from "../src/adaptation/target_patches.js";
import type {
  Criterion,
  Images,
  ScoredEpoch,
  Strategy,
  StrategyId,
  StrategySettings,
} from "../src/adaptation/types.js";
import { type Snapshot, takeSnapshot } from "../src/experiment/snapshot.js";
import type { BackendName } from "../src/inference/types.js";
import type { tf } from "../src/kernels/tf.js";
import type { ModelPackage } from "../src/model/types.js";
import type { Box } from "../src/volume/types.js";
import type { AdaptationRequest, ScoredPoint } from "./adaptation_api.js";
import type { AdaptationProgress } from "./adaptation_progress.js";
import { type Preview, TargetScorer } from "./adaptation_scorer.js";

/** What an adaptation needs of the thread that it runs in. */
export interface AdaptationHost {
  readonly backend: BackendName;
  readonly progress: AdaptationProgress;
  strategy(id: StrategyId): Promise<Strategy>;
  /** See `PatchesApi`. */
  gather(box: Box, signal: AbortSignal): Promise<Uint8Array | Uint16Array>;
  onPreview(kind: "before" | "now", preview: Preview): void;
  /** Asked after each step; an answer (an uncaught GPU error) fails the adaptation. */
  failure?(): string | undefined;
  /** Ends after the running step, with the best so far. */
  readonly stop: AbortSignal;
  /** Ends with an AbortError. */
  readonly cancel: AbortSignal;
}

/** The adapted network that was chosen, and how the choice was made. */
export interface Adapted {
  /** Of the strategy. */
  readonly title: string;
  readonly snapshot: Snapshot;
  readonly settings: StrategySettings;
  readonly kept: ScoredPoint;
  readonly before: ScoredPoint;
  readonly criterion: Criterion;
  readonly prior: number | null;
  readonly stopped: "finished" | "interrupted";
}

/** Voxels read at once where a slice has fewer. */
const READ_VOXELS = 2 ** 20;
/** Scores of a run, and blocks that are scored each time: both cost minutes on a browser's CPU. */
const SCORES: Readonly<Record<BackendName, number>> = { webgpu: 12, tensorflow: 12, wasm: 6 };
const BLOCKS: Readonly<Record<BackendName, number>> = { webgpu: 4, tensorflow: 4, wasm: 1 };

/**
 * Adapts a package's network to unlabelled EM of a target: reads the EM, scores the network as it is, runs the strategy
 * with the engine that the command line uses, and keeps the scored snapshot whose morphology is nearest to the source's.
 * @throws AdaptationError when the strategy cannot run on what there is; AbortError; what gathering and the engine throw.
 */
export async function adapt(
  model: ModelPackage,
  request: AdaptationRequest,
  host: AdaptationHost,
): Promise<Adapted> {
  const { progress, cancel, stop } = host;
  const strategy = await host.strategy(request.strategy);
  checkNeeds(strategy, model);
  const target = await readTarget(request, host);
  const source = await sourceModelOf(model);
  cancel.throwIfAborted();
  const settings = settingsFor(strategy, source.network, target, {
    ...request,
    scores: SCORES[host.backend],
  });
  const stages = strategy.stages.map((name) => settings.stages[name]);
  const scores = stages.reduce(
    (sum, { steps, scoreEvery }) => sum + (scoreEvery > 0 ? Math.ceil(steps / scoreEvery) : 0),
    0,
  );
  progress.planned(totalStepsOf(strategy, settings), Math.max(1, scores));
  const choice = new Choice(model);
  const scorer = new TargetScorer(target, BLOCKS[host.backend], choice.regions, host.backend);

  progress.enter("scoring");
  const start = await scorer.score({ ...model, field: model.config.field }, AbortSignal.any([cancel, stop]));
  const before: ScoredPoint = withoutPreview(start, 0);
  host.onPreview("before", start.preview);
  host.onPreview("now", start.preview);
  progress.scored(before, undefined);

  const summary = sourceSummaryOf(model.config);
  const run = await strategy.start({ source: null, summary, target, model: source, settings });
  const score = async (snapshot: tf.LayersModel, stage: string, step: number, totalSteps: number) => {
    progress.enter("scoring");
    const taken = await takeSnapshot(snapshot, model.id);
    const result = await scorer.score(taken, cancel);
    host.onPreview("now", result.preview);
    const point = withoutPreview(result, totalSteps);
    choice.add({ stage, step, point, snapshot: taken });
    progress.scored(point, choice.kept?.point.step);
    progress.enter("adapting");
  };
  try {
    progress.enter("adapting");
    const { stopped, totalSteps } = await runAdaptation(
      { strategy, run, settings },
      {
        signal: AbortSignal.any([cancel, stop]),
        onStage: (name) => progress.entered(name),
        onStep: (report) => {
          const failure = host.failure?.();
          if (failure !== undefined) throw new Error(`step ${report.totalSteps}: GPU: ${failure}`);
          progress.stepped(report.totalSteps, report.losses, report.seconds);
        },
        onScore: (snapshot, at) => score(snapshot, at.stage, at.step, at.totalSteps),
      },
    );
    cancel.throwIfAborted();
    if (choice.kept === undefined) {
      if (totalSteps === 0) throw new DOMException("stopped before the first step", "AbortError");
      const snapshot = await run.snapshot();
      try {
        await score(snapshot, strategy.stages[0], totalSteps, totalSteps);
      } finally {
        snapshot.dispose();
      }
    }
    const { snapshot, point } = choice.kept!;
    const { criterion, prior } = choice;
    return { title: strategy.title, snapshot, settings, kept: point, before, criterion, prior, stopped };
  } finally {
    run.dispose();
  }
}

/** Reads the stacks slice by slice, so that no more than a few megabytes of raw voxels are held. */
async function readTarget(
  { stacks, geometry, window }: AdaptationRequest,
  { gather, progress, cancel, stop }: AdaptationHost,
): Promise<Images[]> {
  const total = stacks.reduce((sum, { slices }) => sum + slices[1] - slices[0], 0);
  progress.reading(0, total);
  progress.enter("reading");
  const either = AbortSignal.any([cancel, stop]);
  const target: Images[] = [];
  let read = 0;
  for (const stack of stacks) {
    const one = stackBox(geometry, stack, [stack.slices[0], stack.slices[0] + 1]);
    const pixels = one.upper.reduce((product, upper, axis) => product * (upper - one.lower[axis]), 1);
    const thick = Math.max(1, Math.floor(READ_VOXELS / pixels));
    const images: Uint8Array[] = [];
    for (let from = stack.slices[0]; from < stack.slices[1]; from += thick) {
      const slices = [from, Math.min(from + thick, stack.slices[1])] as const;
      either.throwIfAborted();
      const em = await gather(stackBox(geometry, stack, slices), either);
      images.push(...stackImages(geometry, stack, em, window, slices).em);
      read += slices[1] - slices[0];
      progress.reading(read, total);
    }
    const [width, height] = [stack.columns, stack.rows].map(([from, to]) => to - from);
    target.push({ width, height, em: images });
  }
  if (target.every(({ em }) => em.every((slice) => slice.every((value) => value === slice[0]))))
    throw new Error("the EM there is of one grey value: move to where there is tissue");
  return target;
}

interface Candidate {
  readonly stage: string;
  readonly step: number;
  readonly point: ScoredPoint;
  readonly snapshot: Snapshot;
}

/**
 * Keeps the snapshot that the criterion chooses of those scored so far: the whole distribution of region morphology where
 * the package carries the source's, else solidity, else the last one.
 */
class Choice {
  readonly criterion: Criterion;
  /** Of the source's chunks, since chunks are scored. */
  readonly prior: number | null;
  readonly regions;
  private readonly priors;
  private readonly epochs: ScoredEpoch[] = [];
  kept: Candidate | undefined;

  constructor({ config }: ModelPackage) {
    const measured = config.prior?.chunks?.summary ?? config.prior;
    this.regions = config.sourceSummary?.regions ?? null;
    this.prior = measured?.solidity ?? null;
    this.priors = { solidity: measured?.solidity ?? 0, ara: measured?.ara ?? 0 };
    this.criterion = this.regions !== null ? "distribution" : measured !== null ? "solidity" : "last";
  }

  add(candidate: Candidate): void {
    const { stage, step, point } = candidate;
    const { solidity, ara, distribution } = point;
    this.epochs.push({
      stage,
      step,
      totalSteps: point.step,
      solidity,
      ara,
      distribution,
      validation: null,
      targetIou: null,
    });
    if (pickEpochs(this.epochs, this.priors)[this.criterion] === this.epochs.length - 1)
      this.kept = candidate;
  }
}

function withoutPreview(
  { solidity, ara, distribution, regions, fraction }: Omit<ScoredPoint, "step">,
  step: number,
): ScoredPoint {
  return { step, solidity, ara, distribution, regions, fraction };
}
