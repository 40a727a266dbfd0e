import { tf } from "../kernels/tf.js";
import { NORMALISED_NETWORK } from "../network/attention_unet.js";
import { inferenceCopy } from "../network/graft.js";
import { mix, Random } from "../network/random.js";
import { buildYNet, Y_NETWORK, type YNetwork } from "../network/y_nets.js";
import type { AugmentationOptions } from "../training/augmentation.js";
import { trainableVariables } from "../training/gradients.js";
import { type LossName, segmentationLoss } from "../training/losses.js";
import { Optimiser } from "../training/optimisers.js";
import { PatchSampler } from "../training/sampler.js";
import { logitDifference, meanSquaredError } from "./adversarial_losses.js";
import { PatchSet } from "./multi_task_batches.js";
import { averageLoss, differentiate, type TaskLosses } from "./multi_task_step.js";
import { type ImageBatch, REDUCED_AUGMENTATION, UnlabelledPatches } from "./patches.js";
import { ADAM, ADAMW, lossOf } from "./segmenter.js";
import { readOptions } from "./settings.js";
import {
  AdaptationError,
  type Stage,
  type Strategy,
  type StrategyInput,
  type StrategyRun,
  type StrategySettings,
} from "./types.js";

const ID = "y-net";

const OPTIONS = {
  /** Of the mean squared error of the reconstruction, against a weight of 1 of the segmentation. */
  reconstruction: 1e-3,
  /** "bce" (the authors': cross-entropy of two classes) or "bce+dice". */
  loss: "bce",
  /** A little change of contrast besides flips and quarter turns. */
  contrast: false,
};

const TURNS: AugmentationOptions = { d4: true, rotation: 0, jitter: 0, noise: 0, blur: 0 };
/** Held-out patches that a validation looks at. */
const VALIDATION_PATCHES = 32;

class YNetTraining implements Stage {
  readonly optimisers: { readonly network: Optimiser };
  readonly validate?: () => Promise<number>;
  private readonly variables: tf.Variable[];
  private readonly source: PatchSampler;
  private readonly target: UnlabelledPatches;

  constructor(
    private readonly network: YNetwork,
    input: StrategyInput & { readonly source: NonNullable<StrategyInput["source"]> },
    private readonly settings: StrategySettings,
    stage: string,
    private readonly options: { readonly reconstruction: number; readonly contrast: boolean },
    private readonly loss: LossName,
    random: Random,
  ) {
    const { patch, seed } = settings;
    const augmentation = options.contrast ? REDUCED_AUGMENTATION : TURNS;
    this.source = new PatchSampler(input.source.train, patch, augmentation, "random", seed, random);
    this.target = new UnlabelledPatches(input.target, { size: patch, augmentation }, random);
    this.variables = trainableVariables(network.logits);
    this.optimisers = { network: new Optimiser(this.variables, settings.stages[stage].optimiser) };
    const { validation } = input.source;
    if (validation.em.length > 0) {
      const held = PatchSet.draw(
        validation,
        VALIDATION_PATCHES,
        patch,
        true,
        new Random(mix(seed, 100)),
        1.1,
      );
      this.validate = () =>
        averageLoss([held], ({ em, labels, ...size }) => {
          const [mask] = this.apply(image(em, size), false);
          return this.segmentation(image(labels as Float32Array, size), mask);
        });
    }
  }

  async step(step: number, rate: number) {
    const { batch, accumulate } = this.settings;
    const each = batch / accumulate / 2;
    const { losses, gradients } = await differentiate(this.variables, accumulate, () => {
      const source = this.source.sample(each, 0);
      const target = this.target.sample(each);
      return this.losses(image(source.em, source), image(source.labels, source), image(target.em, target));
    });
    this.optimisers.network.apply(gradients, rate, step);
    tf.dispose(gradients);
    return losses;
  }

  /** The domains go through the network one after the other, so that each is normalised by its own statistics. */
  private losses(source: tf.Tensor4D, labels: tf.Tensor4D, target: tf.Tensor4D): TaskLosses {
    const [mask, ofSource] = this.apply(source, true);
    const [, ofTarget] = this.apply(target, true);
    const segmentation = this.segmentation(labels, mask);
    const both = tf.add(meanSquaredError(source, ofSource), meanSquaredError(target, ofTarget));
    const reconstruction = tf.div(both, 2) as tf.Scalar;
    const total = tf.add(segmentation, tf.mul(reconstruction, this.options.reconstruction)) as tf.Scalar;
    return { total, parts: { segmentation, reconstruction } };
  }

  private apply(x: tf.Tensor4D, training: boolean): tf.Tensor[] {
    return this.network.logits.apply(x, { training }) as tf.Tensor[];
  }

  private segmentation(labels: tf.Tensor, mask: tf.Tensor): tf.Scalar {
    return segmentationLoss(this.loss, labels, logitDifference(mask));
  }

  dispose(): void {
    this.optimisers.network.dispose();
  }
}

const image = (data: Float32Array, { count, size }: Pick<ImageBatch, "count" | "size">): tf.Tensor4D =>
  tf.tensor4d(data, [count, size, size, 1]);

/**
 * Plain Y-Net of Roels et al. (ISBI 2019, arXiv 1810.09734), the parent of Attention Y-Net, by the authors' code
 * (github.com/JorisRoels/domain-adaptive-segmentation at 068fe4c): a U-Net with batch normalisation and a second decoder, trained in one
 * stage on cross-entropy of the source + a small weight of the reconstruction of both. Each step sees half a batch of each domain.
 * An epoch there is 500 steps, and the rate falls only after the tenth, the last.
 *
 * Different: their piecewise affine deformation is left out. Of `settings.network` only filters and seed are used.
 */
export const yNet: Strategy = {
  id: ID,
  title: "Y-Net",
  summary: "Learns to segment the source while one more decoder reconstructs images of both domains.",
  needs: ["source-images", "target-images"],
  stages: ["train"],
  defaults(protocol) {
    const paper = protocol === "paper";
    const network = {
      ...NORMALISED_NETWORK,
      filters: Y_NETWORK.filters,
      dropout: "none",
      dropoutRates: [0, 0, 0, 0, 0],
    } as const;
    return {
      strategy: ID,
      seed: 1,
      network,
      patch: paper ? 128 : 192,
      batch: 4,
      accumulate: 1,
      stages: {
        train: {
          steps: paper ? 5000 : 600,
          learningRate: 1e-3,
          schedule: paper ? "constant" : "cosine",
          optimiser: paper ? ADAM : ADAMW,
          validateEvery: paper ? 500 : 0,
          patience: 0,
          scoreEvery: paper ? 500 : 60,
        },
      },
      options: paper ? { ...OPTIONS } : { reconstruction: 1, loss: "bce+dice", contrast: true },
    };
  },
  async start(input): Promise<StrategyRun> {
    const { settings, source, target } = input;
    const options = readOptions(ID, settings.options, OPTIONS);
    const loss = lossOf(ID, options.loss);
    if (!source || source.train.em.length === 0)
      throw new AdaptationError(ID, "needs slices of the labelled source to train on");
    if (target.every((stack) => stack.em.length === 0))
      throw new AdaptationError(ID, "needs images of the target");
    if (settings.batch % (2 * settings.accumulate) !== 0)
      throw new AdaptationError(
        ID,
        `half of each micro-batch is of the source: batch must be a multiple of ${2 * settings.accumulate}`,
      );
    const { filters, seed } = settings.network;
    const network = buildYNet({ filters, seed });
    const random = new Random(settings.seed);
    return {
      networks: { network: network.logits },
      random,
      begin: async (stage) =>
        new YNetTraining(network, { ...input, source }, settings, stage, options, loss, random),
      snapshot: async () => inferenceCopy(network.segmenter),
      validation: source.validation.em.length > 0 ? source.validation : null,
      dispose: () => {
        network.logits.dispose();
      },
    };
  },
};
