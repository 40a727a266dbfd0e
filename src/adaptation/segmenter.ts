import { tf } from "../kernels/tf.js";
import { type AttentionUNetOptions, buildAttentionUNet, type Network } from "../network/attention_unet.js";
import { mix, type Random } from "../network/random.js";
import type { AugmentationOptions } from "../training/augmentation.js";
import { LocalGradients, trainableVariables } from "../training/gradients.js";
import { writeWeights } from "../training/loop.js";
import type { LossFunction, LossName } from "../training/losses.js";
import { Optimiser, type OptimiserOptions } from "../training/optimisers.js";
import { type Batch, type Crops, PatchSampler } from "../training/sampler.js";
import { stepsPerEpoch } from "../training/settings.js";
import type { Slices } from "../training/slices.js";
import { validate } from "../training/validation.js";
import { type PatchMatching, patchMatcher } from "./patches.js";
import {
  AdaptationError,
  type DataSizes,
  type SourceModel,
  type Stage,
  type StageSettings,
  type StrategyId,
  type StrategySettings,
} from "./types.js";
import { variablesOf } from "./weights.js";

/** The authors' optimiser of the baseline, and the one that learns in fewer steps. */
export const SGD: OptimiserOptions = { name: "sgd", momentum: 0.99, weightDecay: 0 };
export const ADAM: OptimiserOptions = { name: "adam", momentum: 0.9, weightDecay: 0 };
export const ADAMW: OptimiserOptions = { name: "adamw", momentum: 0.9, weightDecay: 1e-2 };

/** Pixels that an edge of the network's input must be a multiple of. */
export const multipleOf = ({ filters }: AttentionUNetOptions): number => 2 ** (filters.length - 1);

/** Steps of one pass over the labelled source, in non-overlapping patches. */
export function sourceEpoch({ sourceSlices, sourceSize }: DataSizes, patch: number, batch: number): number {
  return stepsPerEpoch(sourceSlices, sourceSize[0], sourceSize[1], patch, batch);
}

/** @throws AdaptationError unless it is one of the losses there are. */
export function lossOf(strategy: StrategyId, name: string): LossName {
  if (name !== "bce" && name !== "bce+dice")
    throw new AdaptationError(strategy, `option loss must be bce or bce+dice, not ${name}`);
  return name;
}

/** What training a network on pairs of images and wanted outputs needs. */
export interface PairTraining {
  readonly network: Network;
  readonly settings: StrategySettings;
  readonly stage: StageSettings;
  /** @param first how many were drawn before, in this stage. */
  readonly sample: (count: number, first: number) => Batch;
  readonly loss: LossName | LossFunction;
  /** Names of layers that keep their weights. */
  readonly frozen?: ReadonlySet<string>;
  /** Tells the dropout masks of stages apart. */
  readonly salt?: number;
}

/** A stage that trains a network on pairs, one optimiser step a batch. */
export function pairStage(training: PairTraining): Stage {
  const { network, settings, stage, sample, loss, frozen, salt = 0 } = training;
  const optimiser = new Optimiser(trainableVariables(network.logits, frozen), stage.optimiser);
  const gradients = new LocalGradients(network, loss, frozen);
  const { seed, batch, accumulate } = settings;
  const each = batch / accumulate;
  return {
    optimisers: { segmenter: optimiser },
    async step(step, rate) {
      const batches = Array.from({ length: accumulate }, (_, i) => sample(each, step * batch + i * each));
      const result = await gradients.compute(batches, mix(mix(seed, salt), step));
      optimiser.apply(result.gradients, rate, step);
      tf.dispose(result.gradients);
      return { loss: result.loss };
    },
    dispose: () => optimiser.dispose(),
  };
}

/** What supervised training of the segmenting network needs. */
export interface SegmentationTraining extends Omit<PairTraining, "sample" | "loss"> {
  readonly train: Slices;
  readonly validation: Slices;
  readonly loss: LossName;
  readonly augmentation: AugmentationOptions;
  readonly crops: Crops;
  readonly matching?: PatchMatching;
  readonly random: Random;
}

/** A stage that trains a segmenting network on labelled slices. */
export function segmentationStage(training: SegmentationTraining): Stage {
  const { network, settings, train, validation, augmentation, crops, matching, random } = training;
  const change = matching && patchMatcher(matching);
  const sampler = new PatchSampler(train, settings.patch, augmentation, crops, settings.seed, random, change);
  const multiple = multipleOf(settings.network);
  return {
    ...pairStage({ ...training, sample: (count, first) => sampler.sample(count, first) }),
    validate:
      validation.em.length > 0 ? async () => (await validate(network, validation, multiple)).loss : undefined,
  };
}

/** Gives `to`, of the same layers (but for those without weights), the weights of `from`. */
export function copyWeights(from: tf.LayersModel, to: tf.LayersModel): void {
  const values = variablesOf(from);
  const variables = variablesOf(to);
  if (values.length !== variables.length) throw new Error("the weights are those of another network");
  variables.forEach((variable, i) => {
    variable.assign(values[i]);
  });
}

/**
 * Builds the segmenting network; from the weights of a trained one if `model` is given.
 * @throws AdaptationError when that is another network.
 */
export function startSegmenter(
  strategy: StrategyId,
  options: AttentionUNetOptions,
  model: SourceModel | null,
): Network {
  const network = buildAttentionUNet(options);
  if (!model) return network;
  try {
    writeWeights(network.model, model.weights);
  } catch (cause) {
    network.model.dispose();
    const { filters, normalisation } = model.network;
    throw new AdaptationError(
      strategy,
      `the source model (filters ${filters.join(",")}, normalisation ${normalisation}) does not fit the settings: set network to the source model's`,
      { cause },
    );
  }
  return network;
}
