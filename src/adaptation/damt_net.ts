import { tf } from "../kernels/tf.js";
import { type AttentionUNetOptions, NORMALISED_NETWORK } from "../network/attention_unet.js";
import { buildFeatureDiscriminator, buildLabelDiscriminator } from "../network/damt_discriminators.js";
import { buildDamtNet, type DamtNetwork } from "../network/damt_net.js";
import { freeze } from "../network/freeze.js";
import { graft } from "../network/graft.js";
import { mix, Random } from "../network/random.js";
import { imageInput, type Node } from "../network/unet_blocks.js";
import { trainableVariables } from "../training/gradients.js";
import { type LossName, segmentationLoss } from "../training/losses.js";
import { Optimiser, type OptimiserOptions } from "../training/optimisers.js";
import type { Slices } from "../training/slices.js";
import { logitDifference } from "./adversarial_losses.js";
import { DamtCrops, FULL_RANGE, frozenPatches, type GreyRange, greyRange } from "./damt_data.js";
import { type DamtNetworks, type DamtPart, damtGradients } from "./damt_step.js";
import { matchSlices } from "./histogram.js";
import { targetTemplate } from "./histogram_matching.js";
import { PatchSet } from "./multi_task_batches.js";
import { averageLoss } from "./multi_task_step.js";
import { lossOf } from "./segmenter.js";
import { readOptions } from "./settings.js";
import {
  AdaptationError,
  type DataSizes,
  type Images,
  type Stage,
  type Strategy,
  type StrategyInput,
  type StrategyRun,
  type StrategySettings,
} from "./types.js";

const ID = "damt-net";
const LEVELS = 5;

const OPTIONS = {
  /** Weights of the losses, against 1 of the segmentation. */
  reconstruction: 5e-4,
  label: 1e-3,
  feature: 1e-3,
  /** "bce" (the authors': cross-entropy of two classes) or "bce+dice". */
  loss: "bce",
  /** Learning rate of both discriminators, while the stage's is that of the network. */
  discriminatorRate: 1e-4,
  /** All rates are multiplied by `decay` every so many steps. */
  decay: 0.9,
  networkDecayEvery: 6000,
  discriminatorDecayEvery: 3000,
  /** Feature maps of the label discriminator's first layer. */
  labelBase: 64,
  /** Pools the feature discriminator's maps to 8 x 8 before its dense layers: 1.0 instead of 56.7 million weights at 512. */
  pooled: false,
  /** Fraction of crops that are augmented. */
  augmented: 0.25,
  /** Stretch each data set's grey values from 0 to 1, instead of dividing by 255. */
  stretch: true,
  /** Target patches that normalisation is frozen on in snapshots. */
  frozenPatches: 8,
};

/** Held-out patches that a validation looks at. */
const VALIDATION_PATCHES = 32;

class DamtNetRun implements StrategyRun {
  readonly networks: Readonly<Record<DamtPart, tf.LayersModel>>;
  readonly random: Random;
  readonly validation: Slices | null;
  private readonly options: ReturnType<typeof readOptions<typeof OPTIONS>>;
  private readonly settings: StrategySettings;
  private readonly source: NonNullable<StrategyInput["source"]>;
  private readonly target: readonly Images[];
  private readonly loss: LossName;
  private readonly ranges: { readonly source: GreyRange; readonly target: GreyRange };
  private readonly network: DamtNetwork;

  constructor(input: StrategyInput) {
    const { settings, source, target } = input;
    this.settings = settings;
    this.options = readOptions(ID, settings.options, OPTIONS);
    this.loss = lossOf(ID, this.options.loss);
    if (!source || source.train.em.length === 0)
      throw new AdaptationError(ID, "needs slices of the labelled source to train on");
    this.source = source;
    this.target = target.filter((stack) => stack.em.length > 0);
    if (this.target.length === 0) throw new AdaptationError(ID, "needs images of the target");
    checkSizes(settings, this.options);
    try {
      const { stretch } = this.options;
      this.ranges = {
        source: stretch ? greyRange([...source.train.em, ...source.validation.em]) : FULL_RANGE,
        target: stretch ? greyRange(this.target.flatMap((stack) => stack.em)) : FULL_RANGE,
      };
    } catch (cause) {
      throw new AdaptationError(ID, (cause as Error).message, { cause });
    }
    const { validation } = source;
    this.validation = validation.em.length > 0 ? matchSlices(validation, targetTemplate(ID, input)) : null;
    this.random = new Random(settings.seed);
    const { seed, filters } = settings.network;
    const base = filters[0];
    const { labelBase, pooled } = this.options;
    this.network = buildDamtNet({ base, seed });
    this.networks = {
      network: this.network.training,
      label: buildLabelDiscriminator({ base: labelBase, seed: seed + 1 }),
      feature: buildFeatureDiscriminator({ channels: base, size: settings.patch, pooled, seed: seed + 2 }),
    };
  }

  async begin(name: string): Promise<Stage> {
    const { settings, options, source, target, ranges, random, loss, networks } = this;
    const { patch, batch, accumulate } = settings;
    const { optimiser, learningRate } = settings.stages[name];
    const variables = {
      network: trainableVariables(networks.network),
      label: trainableVariables(networks.label),
      feature: trainableVariables(networks.feature),
    };
    const optimisers = {
      network: new Optimiser(variables.network, optimiser),
      label: new Optimiser(variables.label, optimiser),
      feature: new Optimiser(variables.feature, optimiser),
    };
    const all: DamtNetworks = { ...networks, variables };
    const crops = new DamtCrops(source.train, target, ranges, patch, options.augmented, random);
    const each = batch / accumulate / 2;
    return {
      optimisers,
      async step(step, rate) {
        const batches = Array.from({ length: accumulate }, () => crops.sample(each));
        const { losses, gradients } = await damtGradients(all, batches, patch, options, loss);
        const decayed = (every: number) => options.decay ** Math.floor(step / every);
        const networkRate = rate * decayed(options.networkDecayEvery);
        // Where the stage's schedule lowers its rate, it lowers the discriminators' alike.
        const scale = rate / learningRate;
        const discriminatorRate =
          options.discriminatorRate * scale * decayed(options.discriminatorDecayEvery);
        optimisers.network.apply(gradients.network, networkRate, step);
        optimisers.label.apply(gradients.label, discriminatorRate, step);
        optimisers.feature.apply(gradients.feature, discriminatorRate, step);
        tf.dispose([gradients.network, gradients.label, gradients.feature]);
        return losses;
      },
      validate: source.validation.em.length > 0 ? this.validator(source.validation) : undefined,
      dispose() {
        for (const each of Object.values(optimisers)) each.dispose();
      },
    };
  }

  /** Loss on held-out patches of the source, stretched as it is in training. */
  private validator(slices: Slices): () => Promise<number> {
    const { patch, seed } = this.settings;
    const held = PatchSet.draw(slices, VALIDATION_PATCHES, patch, true, new Random(mix(seed, 100)), 1.1);
    const [low, high] = this.ranges.source;
    return () =>
      averageLoss([held], ({ em, labels, count, size }) => {
        const shape: [number, number, number, number] = [count, size, size, 1];
        const x = tf.tensor4d(
          em.map((value) => (255 * value - low) / (high - low)),
          shape,
        );
        const [logits] = this.network.training.apply(x) as tf.Tensor[];
        return segmentationLoss(
          this.loss,
          tf.tensor4d(labels as Float32Array, shape),
          logitDifference(logits),
        );
      });
  }

  async snapshot(): Promise<tf.LayersModel> {
    const { patch, seed } = this.settings;
    const [low, high] = this.ranges.target;
    const patches = frozenPatches(this.target, this.ranges.target, patch, this.options.frozenPatches, seed);
    const frozen = freeze(this.network.segmenter, patches);
    tf.dispose(patches);
    if (low === 0 && high === 255) return frozen;
    const input = imageInput();
    const scale = 255 / (high - low);
    const stretch = tf.layers.rescaling({ name: "stretch", scale, offset: -low / (high - low) });
    const outputs = graft(frozen, stretch.apply(input) as Node);
    frozen.dispose();
    return tf.model({ inputs: input, outputs, name: frozen.name });
  }

  dispose(): void {
    for (const model of Object.values(this.networks)) model.dispose();
  }
}

/** @throws AdaptationError when the network's levels, the patch or the batch do not fit the discriminators. */
function checkSizes({ network, patch, batch, accumulate }: StrategySettings, options: typeof OPTIONS): void {
  const { filters } = network;
  if (filters.length !== LEVELS || filters.some((count, i) => count !== filters[0] * 2 ** i))
    throw new AdaptationError(
      ID,
      `network.filters must be ${LEVELS} levels, each with twice the maps of the one before, not ${filters.join(",")}`,
    );
  const multiple = options.pooled && patch > 64 ? 64 : 32;
  if (patch % multiple !== 0)
    throw new AdaptationError(ID, `patch must be a multiple of ${multiple}, not ${patch}`);
  if (batch % (2 * accumulate) !== 0)
    throw new AdaptationError(
      ID,
      `half of each micro-batch is of the source: batch must be a multiple of ${2 * accumulate}`,
    );
  for (const name of ["networkDecayEvery", "discriminatorDecayEvery", "frozenPatches"] as const)
    if (!(options[name] >= 1)) throw new AdaptationError(ID, `option ${name} must be at least 1`);
}

const EPOCHS = 60;

/** An epoch of the authors' driver: as many steps as half of all slices. */
const epochOf = ({ sourceSlices, targetSlices }: DataSizes) => Math.ceil((sourceSlices + targetSlices) / 2);

const ADAM: OptimiserOptions = { name: "adam", momentum: 0.9, weightDecay: 0, beta1: 0.9, beta2: 0.99 };

const networkOf = (base: number): AttentionUNetOptions => ({
  ...NORMALISED_NETWORK,
  filters: Array.from({ length: LEVELS }, (_, level) => base * 2 ** level),
  dropout: "none",
  dropoutRates: [0, 0, 0, 0, 0],
});

/**
 * DAMT-Net (Peng, Yi & Yuan, IEEE JSTSP 14(6), 2020; github.com/Aituni/DAMT-Net at d8c1740) as the authors of the comparison drive it
 * (EM_domain_adaptation/DAMT-Net/LongTrainTest_all_DAMT.py): everything jointly from scratch for 60 epochs, one source and one target
 * crop a step, two discriminators that tell the domains apart by the mask and by the last feature map.
 *
 * Different:
 * - Grey values. There each image is stretched between its own least and largest value. A snapshot must act on raw EM in 0..1 with a
 *   result that does not depend on the tile, so here each data set is stretched as a whole (option `stretch`; nearly the same for whole
 *   slices of 8-bit EM), and the snapshot begins with the target's stretch as a layer.
 * - A snapshot is made for the target, in stretch and statistics. So the source slices of `validation` are matched to the target's
 *   histogram (phantom, 120 steps: IoU 0.52, against 0.45 with only the range changed and 0.01 as they are).
 * - Group normalisation is frozen in snapshots, to the statistics of target patches (`freeze`), in place of the authors'
 *   inference by overlapping 512 crops.
 * - The 512 crops need slices of 512 pixels: narrower ones are reflected, the target's too (there only the source's).
 * - Augmentation: see `planCrop`. Of `settings.network` only filters (five levels, doubling) and seed are used.
 */
export const damtNet: Strategy = {
  id: ID,
  title: "DAMT-Net",
  summary:
    "Learns to segment the source while two discriminators make masks and features of both domains alike.",
  needs: ["source-images", "target-images"],
  stages: ["train"],
  defaults(protocol, sizes) {
    const paper = protocol === "paper";
    const epoch = epochOf(sizes);
    return {
      strategy: ID,
      seed: 1,
      network: networkOf(paper ? 64 : 16),
      patch: paper ? 512 : 192,
      batch: paper ? 2 : 4,
      accumulate: 1,
      stages: {
        train: {
          steps: paper ? EPOCHS * epoch : 600,
          learningRate: paper ? 5e-5 : 1e-3,
          schedule: paper ? "constant" : "cosine",
          optimiser: ADAM,
          validateEvery: paper ? 2 * epoch : 0,
          patience: 0,
          scoreEvery: paper ? 2 * epoch : 60,
        },
      },
      options: paper
        ? { ...OPTIONS }
        : {
            ...OPTIONS,
            loss: "bce+dice",
            labelBase: 16,
            pooled: true,
            augmented: 1,
            discriminatorRate: 5e-4,
          },
    };
  },
  async start(input) {
    return new DamtNetRun(input);
  },
};
