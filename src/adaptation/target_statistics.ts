import { tf } from "../kernels/tf.js";
import { NORMALISED_NETWORK } from "../network/attention_unet.js";
import { inferenceCopy } from "../network/graft.js";
import { Random } from "../network/random.js";
import type { Slices } from "../training/slices.js";
import { histogramOf } from "../training/source_statistics.js";
import { behindCurve, curveAt, curveThrough, type GreyCurve } from "./grey_table.js";
import { matchingTable, matchingTemplate, matchSlices } from "./histogram.js";
import { targetTemplate } from "./histogram_matching.js";
import { type ImageBatch, UnlabelledPatches } from "./patches.js";
import { ADAM, startSegmenter } from "./segmenter.js";
import { readOptions } from "./settings.js";
import {
  AdaptationError,
  type Images,
  type Stage,
  type Strategy,
  type StrategyId,
  type StrategyInput,
  type StrategyRun,
  type StrategySettings,
} from "./types.js";

const PLAIN = { d4: true, rotation: 0, jitter: 0, noise: 0, blur: 0 };

/** A batch-normalisation layer as far as it is changed here; tfjs's types hide it. */
interface MovingLayer extends tf.layers.Layer {
  momentum: number;
}

/** Mean binary entropy (nats) of probabilities: how undecided the network is. */
function meanEntropy(probability: tf.Tensor): tf.Scalar {
  const entropy = (p: tf.Tensor) => tf.mul(p, tf.log(tf.clipByValue(p, 1e-7, 1)));
  return tf.neg(tf.mean(tf.add(entropy(probability), entropy(tf.sub(1, probability))))) as tf.Scalar;
}

/**
 * One forward pass in training mode, dropout off, that takes its share in a plain average of batch statistics.
 * @param passes of this average, this one included: the first forgets what was there.
 * @returns the mean entropy of the prediction.
 */
async function estimate(
  model: tf.LayersModel,
  { em, count, size }: ImageBatch,
  passes: number,
): Promise<number> {
  for (const layer of model.layers)
    if (layer.getClassName() === "BatchNormalization") (layer as MovingLayer).momentum = 1 - 1 / passes;
  const entropy = tf.tidy(() => {
    const x = tf.tensor4d(em, [count, size, size, 1]);
    return meanEntropy(model.apply(x, { training: true }) as tf.Tensor);
  });
  const [value] = await entropy.data();
  entropy.dispose();
  return value;
}

/**
 * Replaces the statistics of a model's batch normalisations by those of random patches of the target.
 * @param model [N, H, W, 1] in 0..1 -> probabilities; without dropout.
 */
export async function reestimateStatistics(
  model: tf.LayersModel,
  target: readonly Images[],
  options: {
    readonly patch: number;
    readonly seed: number;
    readonly batches?: number;
    readonly batch?: number;
  },
): Promise<void> {
  const { patch, seed, batches = 16, batch = 4 } = options;
  const patches = new UnlabelledPatches(target, { size: patch, augmentation: PLAIN }, new Random(seed));
  for (let i = 1; i <= batches; i++) await estimate(model, patches.sample(batch), i);
}

/**
 * The grey values of the target's stacks, all their pixels together, towards the source's: one curve for every image, so that it
 * can be part of the model.
 */
function curveToSource(strategy: StrategyId, { summary, target }: StrategyInput): GreyCurve {
  if (!summary) throw new AdaptationError(strategy, "needs the histogram of the source");
  const histogram = histogramOf(target.flatMap((stack) => stack.em));
  try {
    return curveThrough(matchingTable(histogram, matchingTemplate(summary.histogram)), histogram);
  } catch (cause) {
    throw new AdaptationError(strategy, "the histogram of the source is not one", { cause });
  }
}

/** The snapshot of the matched variant brings target grey values to the source's: it has to see source slices that look like the target. */
function validationFor(strategy: StrategyId, input: StrategyInput, matched: boolean): Slices | null {
  const slices = input.source?.validation;
  if (!slices || slices.em.length === 0) return null;
  return matched ? matchSlices(slices, targetTemplate(strategy, input)) : slices;
}

/**
 * The source model with the means and variances of its batch normalisations re-estimated on the target (AdaBN: Li et al., "Revisiting
 * batch normalization for practical domain adaptation", 2016): step k is a forward pass of a batch in training mode, dropout off,
 * that moves them by momentum 1 - 1/k, so that they end as plain averages over the batches. No weight is trained.
 */
async function start(strategy: StrategyId, input: StrategyInput, matched: boolean): Promise<StrategyRun> {
  const { model, settings, target } = input;
  readOptions(strategy, settings.options, {});
  if (!model) throw new AdaptationError(strategy, "needs a trained source model");
  if (settings.network.normalisation !== "batch")
    throw new AdaptationError(
      strategy,
      "the source model has no normalisation layers, so there is nothing to estimate: take a normalised one",
    );
  if (target.every((stack) => stack.em.length === 0))
    throw new AdaptationError(strategy, "needs images of the target");
  const curve = matched ? curveToSource(strategy, input) : null;
  const { network: options, patch, batch, accumulate, seed } = settings;
  const network = startSegmenter(strategy, { ...options, dropout: "none" }, model);
  const random = new Random(seed);
  const patches = new UnlabelledPatches(target, { size: patch, augmentation: PLAIN }, random);
  const stage: Stage = {
    optimisers: {},
    async step(step) {
      let loss = 0;
      for (let i = 0; i < accumulate; i++) {
        const drawn = patches.sample(batch / accumulate);
        const seen = curve ? { ...drawn, em: drawn.em.map((value) => curveAt(curve, value)) } : drawn;
        loss += (await estimate(network.model, seen, step * accumulate + i + 1)) / accumulate;
      }
      return { loss };
    },
    dispose() {},
  };
  return {
    networks: { segmenter: network.model },
    random,
    begin: async () => stage,
    snapshot: async () => (curve ? behindCurve(curve, network.model) : inferenceCopy(network.model)),
    validation: validationFor(strategy, input, matched),
    dispose: () => network.model.dispose(),
  };
}

/** 200 patches: means over millions of pixels a feature map. Nothing is learnt, so there is no rate and nothing to choose. */
function defaults(strategy: StrategyId): StrategySettings {
  return {
    strategy,
    seed: 1,
    network: NORMALISED_NETWORK,
    patch: 192,
    batch: 4,
    accumulate: 1,
    stages: {
      estimate: {
        steps: 50,
        learningRate: 1,
        schedule: "constant",
        optimiser: ADAM,
        validateEvery: 0,
        patience: 0,
        scoreEvery: 0,
      },
    },
    options: {},
  };
}

export const targetStatistics: Strategy = {
  id: "target-statistics",
  title: "Target statistics",
  summary:
    "Takes the source model and re-estimates the statistics of its normalisation layers on the target.",
  needs: ["source-model", "target-images"],
  stages: ["estimate"],
  defaults: () => defaults("target-statistics"),
  start: (input) => start("target-statistics", input, false),
};

export const targetStatisticsMatched: Strategy = {
  id: "target-statistics-matched",
  title: "Target statistics, grey values matched",
  summary:
    "Gives the target the source's histogram, then re-estimates the statistics of the source model's normalisation layers on it.",
  needs: ["source-model", "source-histogram", "target-images"],
  stages: ["estimate"],
  defaults: () => defaults("target-statistics-matched"),
  start: (input) => start("target-statistics-matched", input, true),
};
