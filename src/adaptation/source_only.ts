import { NORMALISED_NETWORK, PAPER_NETWORK } from "../network/attention_unet.js";
import { inferenceCopy } from "../network/graft.js";
import { Random } from "../network/random.js";
import type { Slices } from "../training/slices.js";
import { PAPER_AUGMENTATION, type PatchMatching, REDUCED_AUGMENTATION } from "./patches.js";
import { ADAMW, lossOf, SGD, segmentationStage, sourceEpoch, startSegmenter } from "./segmenter.js";
import { readOptions } from "./settings.js";
import {
  AdaptationError,
  type DataSizes,
  type Strategy,
  type StrategyId,
  type StrategyInput,
  type StrategyRun,
  type StrategySettings,
} from "./types.js";

/** Options of strategies that train the segmenting network on the source in one stage. */
export const SUPERVISED_OPTIONS = {
  /** "bce" (the paper's) or "bce+dice". */
  loss: "bce",
  /** Any rotation (the paper's), or quarter turns and a little contrast. */
  rotation: true,
  /** Patches from the cells of a grid (the paper's), or from anywhere. */
  grid: true,
  /** Start from the source model instead of random weights. */
  initial: false,
};

/** The baseline's settings: BiaPy's attention_unet_2d template, which the authors name; or ones for minutes. */
export function supervisedDefaults(
  strategy: StrategyId,
  protocol: "paper" | "reduced",
  sizes: DataSizes,
): StrategySettings {
  if (protocol === "reduced") {
    return {
      strategy,
      seed: 1,
      network: NORMALISED_NETWORK,
      patch: 192,
      batch: 4,
      accumulate: 1,
      stages: {
        train: {
          steps: 600,
          learningRate: 1e-3,
          schedule: "cosine",
          optimiser: ADAMW,
          validateEvery: 0,
          patience: 0,
          scoreEvery: 60,
        },
      },
      options: { loss: "bce+dice", rotation: false, grid: false, initial: false },
    };
  }
  const epoch = sourceEpoch(sizes, 256, 6);
  return {
    strategy,
    seed: 1,
    network: PAPER_NETWORK,
    patch: 256,
    batch: 6,
    accumulate: 1,
    stages: {
      train: {
        steps: 360 * epoch,
        learningRate: 2e-3,
        schedule: "constant",
        optimiser: SGD,
        validateEvery: epoch,
        patience: 50,
        scoreEvery: 12 * epoch,
      },
    },
    options: { ...SUPERVISED_OPTIONS },
  };
}

/**
 * A run that trains the segmenting network on `data` in one stage, "train".
 * @throws AdaptationError on unknown options, or a source model that is missing or does not fit.
 */
export function superviseOn(
  strategy: StrategyId,
  input: StrategyInput,
  data: { readonly train: Slices; readonly validation: Slices; readonly matching?: PatchMatching },
): StrategyRun {
  const { settings } = input;
  const options = readOptions(strategy, settings.options, SUPERVISED_OPTIONS);
  const loss = lossOf(strategy, options.loss);
  if (data.train.em.length === 0)
    throw new AdaptationError(strategy, "there are no source slices to train on");
  if (options.initial && !input.model)
    throw new AdaptationError(strategy, "option initial needs a source model, and there is none");
  const network = startSegmenter(strategy, settings.network, options.initial ? input.model : null);
  const random = new Random(settings.seed);
  return {
    networks: { segmenter: network.model },
    random,
    begin: async (stage) =>
      segmentationStage({
        network,
        settings,
        stage: settings.stages[stage],
        train: data.train,
        validation: data.validation,
        matching: data.matching,
        loss,
        augmentation: options.rotation ? PAPER_AUGMENTATION : REDUCED_AUGMENTATION,
        crops: options.grid ? "grid" : "random",
        random,
      }),
    snapshot: async () => inferenceCopy(network.model),
    validation: data.validation.em.length > 0 ? data.validation : null,
    dispose: () => network.model.dispose(),
  };
}

export const sourceOnly: Strategy = {
  id: "source-only",
  title: "Source only",
  summary: "Trains on the labelled source alone: the baseline without adaptation.",
  needs: ["source-images"],
  stages: ["train"],
  defaults: (protocol, sizes) => supervisedDefaults("source-only", protocol, sizes),
  async start(input) {
    if (!input.source) throw new AdaptationError("source-only", "needs the labelled source");
    return superviseOn("source-only", input, input.source);
  },
};
