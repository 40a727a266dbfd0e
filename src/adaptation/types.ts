import type { tf } from "../kernels/tf.js";
import type { MorphologyPrior, RegionDistribution } from "../morphology/types.js";
import type { AttentionUNetOptions } from "../network/attention_unet.js";
import type { Random } from "../network/random.js";
import type { Optimiser, OptimiserOptions } from "../training/optimisers.js";
import type { ScheduleName } from "../training/schedules.js";
import type { Slices } from "../training/slices.js";

export const STRATEGY_IDS = [
  "source-only",
  "histogram-matching",
  "histogram-matching-online",
  "cut",
  "fastcut",
  "self-supervised",
  "attention-y-net",
  "y-net",
  "damt-net",
  "target-statistics",
  "target-statistics-matched",
  "style-randomisation",
  "self-training",
] as const;
export type StrategyId = (typeof STRATEGY_IDS)[number];

/** What a strategy cannot do without. */
export type Need = "source-images" | "source-model" | "source-histogram" | "target-images";

/** Unlabelled EM on the model's grid: one row-major array a slice, 0..255 after the intensity window. */
export interface Images {
  readonly width: number;
  readonly height: number;
  readonly em: readonly Uint8Array[];
}

/** What is known of a source without its images: travels in model packages. */
export interface SourceSummary {
  /** Pixels of each grey value 0..255 on the model's grid; length 256. */
  readonly histogram: readonly number[];
  readonly prior: MorphologyPrior;
  /** For the "distribution" criterion; absent where it was not measured. */
  readonly regions?: RegionDistribution;
}

/** A trained source-only network. */
export interface SourceModel {
  readonly network: AttentionUNetOptions;
  /** In the order of `buildAttentionUNet(network).model`. */
  readonly weights: readonly Float32Array[];
}

export interface StageSettings {
  /** Optimiser steps. */
  readonly steps: number;
  readonly learningRate: number;
  readonly schedule: ScheduleName;
  readonly optimiser: OptimiserOptions;
  /** Steps between validations on the source; 0: none. */
  readonly validateEvery: number;
  /** Validations without a better loss before the stage ends, its best weights restored; 0: runs to its end, keeping the last. */
  readonly patience: number;
  /** Steps between scored snapshots of the segmenter; 0: the stage is not scored. The last step of the last stage always is. */
  readonly scoreEvery: number;
}

/** Everything that, with the data, determines a run: plain JSON, kept in checkpoints, results and packages. */
export interface StrategySettings {
  readonly strategy: StrategyId;
  readonly seed: number;
  /** Of the segmenting network; multi-task networks take its filters, normalisation and dropout. */
  readonly network: AttentionUNetOptions;
  /** Edge of square patches, pixels of the model's grid. */
  readonly patch: number;
  /** Patches a step, over all micro-batches. */
  readonly batch: number;
  readonly accumulate: number;
  /** By the names of the strategy's stages. */
  readonly stages: Readonly<Record<string, StageSettings>>;
  /** What only this strategy knows (generator width, loss weights, ...); unknown names are refused. */
  readonly options: Readonly<Record<string, number | string | boolean>>;
}

/** Sizes that turn the authors' epochs into steps. */
export interface DataSizes {
  /** Labelled source slices to train on, and all slices of the target's stacks. */
  readonly sourceSlices: number;
  readonly sourceSize: readonly [width: number, height: number];
  readonly targetSlices: number;
  readonly targetSize: readonly [width: number, height: number];
}

export interface StrategyInput {
  /** Labelled source; null where its images are not to be had. */
  readonly source: { readonly train: Slices; readonly validation: Slices } | null;
  /** null only where nothing is known of the source. */
  readonly summary: SourceSummary | null;
  /** Unlabelled stacks of the target (train and test: the paper's setting is transductive). */
  readonly target: readonly Images[];
  readonly model: SourceModel | null;
  readonly settings: StrategySettings;
}

/** `loss` is what is minimised (of the generator, for adversarial ones); the others are its parts, for the log. */
export interface StepLosses {
  readonly loss: number;
  readonly [part: string]: number;
}

/** A stage under way. */
export interface Stage {
  /** By name; their slots go into checkpoints. */
  readonly optimisers: Readonly<Record<string, Optimiser>>;
  /**
   * One optimiser step.
   * @param step 0-based within the stage. @param rate of the stage's schedule.
   */
  step(step: number, rate: number): Promise<StepLosses>;
  /** The loss on source validation data that patience and reduce-on-plateau look at. */
  validate?(): Promise<number>;
  /** Frees optimisers and what the stage made; not the networks. */
  dispose(): void;
}

/** A strategy at work on its data. */
export interface StrategyRun {
  /** Every network with weights that change, by name; all their weights go into checkpoints. */
  readonly networks: Readonly<Record<string, tf.LayersModel>>;
  /** Every draw made by a step comes from here: its state goes into checkpoints. */
  readonly random: Random;
  /**
   * Makes a stage ready. Called when it begins and again when it is resumed: draws only from generators seeded by
   * `settings.seed`, never from `random`, and does not change weights (but see `enter`).
   */
  begin(stage: string): Promise<Stage>;
  /** Called once before the first step of a stage, not on resume: for work that changes weights (copying, re-estimating). */
  enter?(stage: string): Promise<void>;
  /**
   * What segments raw target images as the training stands: a new flat functional model [N, H, W, 1] in 0..1 -> probability
   * [N, H, W, 1], without dropout, normalisation frozen, made of layers that a model package may hold. The caller disposes it.
   */
  snapshot(): Promise<tf.LayersModel>;
  /** Source slices on which "best source validation" is measured with a snapshot (matched, where training is); null without a source. */
  readonly validation: Slices | null;
  dispose(): void;
}

/** One file each in this folder. */
export interface Strategy {
  readonly id: StrategyId;
  /** As people read it: "CUT style transfer". */
  readonly title: string;
  /** One sentence for reports, the viewer and the README. */
  readonly summary: string;
  readonly needs: readonly Need[];
  /** In their order. */
  readonly stages: readonly string[];
  /** The authors' settings ("paper") or ones that learn within minutes to an hour on two cores ("reduced"). */
  defaults(protocol: "paper" | "reduced", sizes: DataSizes): StrategySettings;
  /** @throws AdaptationError when something that the strategy needs is missing or does not fit. */
  start(input: StrategyInput): Promise<StrategyRun>;
}

/** What is wrong with the settings or the data of an adaptation: names the strategy. */
export class AdaptationError extends Error {
  override name = "AdaptationError";
  constructor(
    readonly strategy: StrategyId,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(`${strategy}: ${message}`, options);
  }
}

/** Criteria of model selection; all but "oracle" do without target labels. */
export const CRITERIA = ["solidity", "ara", "distribution", "validation", "last", "oracle"] as const;
export type Criterion = (typeof CRITERIA)[number];

/** One scored snapshot of a run. */
export interface ScoredEpoch {
  readonly stage: string;
  /** Steps of the stage done. */
  readonly step: number;
  /** Steps of all stages done. */
  readonly totalSteps: number;
  /** Mean solidity and ARA of the prediction of the target; 0 when it has no region. */
  readonly solidity: number;
  readonly ara: number;
  /** Distance of the distribution of region morphology to the source's; null where it was not measured. */
  readonly distribution: number | null;
  /** IoU per slice on source validation data; null without a source. */
  readonly validation: number | null;
  /** IoU per slice on the labelled target; null without labels. Looked at by the oracle and by people alone. */
  readonly targetIou: number | null;
}

export interface CriterionPriors {
  readonly solidity: number;
  readonly ara: number;
}
