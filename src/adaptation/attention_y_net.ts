import type { tf } from "../kernels/tf.js";
import { NORMALISED_NETWORK } from "../network/attention_unet.js";
import { inferenceCopy } from "../network/graft.js";
import { mix, Random } from "../network/random.js";
import { ATTENTION_Y_NETWORK, buildAttentionYNet, type YNetwork } from "../network/y_nets.js";
import type { LossName } from "../training/losses.js";
import type { OptimiserOptions } from "../training/optimisers.js";
import type { Slices } from "../training/slices.js";
import type { MatchingTemplate } from "./histogram.js";
import { targetTemplate } from "./histogram_matching.js";
import { PatchSet } from "./multi_task_batches.js";
import { PAPER_AUGMENTATION, REDUCED_AUGMENTATION } from "./patches.js";
import { ADAM, ADAMW, lossOf, SGD, startSegmenter } from "./segmenter.js";
import { readOptions } from "./settings.js";
import {
  AdaptationError,
  type Images,
  type Stage,
  type StageSettings,
  type Strategy,
  type StrategyInput,
  type StrategyRun,
  type StrategySettings,
} from "./types.js";
import { type YNetPatches, YNetStage, type YNetTask } from "./y_net_stage.js";

const ID = "attention-y-net";
const STAGES = ["joint", "reconstruction", "segmentation"] as const;
type StageName = (typeof STAGES)[number];

const OPTIONS = {
  /** Patches drawn from each set of images at the beginning of a stage; a tenth of them is for validation. */
  patches: 1000,
  /** Weights of MSE and mask loss in the joint stage. */
  jointReconstruction: 0.98,
  jointSegmentation: 0.02,
  /** Of matching a source patch to the target's histogram in the second and the third stage. */
  matching: 0.5,
  /** "bce" (the authors') or "bce+dice". */
  loss: "bce",
  /** Any rotation (the authors'), or quarter turns and a little contrast. */
  rotation: true,
  /** Start the half that segments from the source model instead of random weights. */
  initial: false,
};

/** Fraction of the patches that is held out. */
const HELD_OUT = 0.1;
/** The authors' target has two stacks, each with as many patches as the source; more stacks share those. */
const MOST_TARGET_SETS = 2;

const isEncoder = (layer: string) => layer.startsWith("down");
const isReconstruction = (layer: string) => layer.startsWith("reconstruct") || layer === "image";

class AttentionYNetRun implements StrategyRun {
  readonly networks: { readonly network: tf.LayersModel };
  readonly random: Random;
  readonly validation: Slices | null;
  private readonly options: ReturnType<typeof readOptions<typeof OPTIONS>>;
  private readonly loss: LossName;
  private readonly settings: StrategySettings;
  private readonly source: NonNullable<StrategyInput["source"]>;
  private readonly target: readonly Images[];
  private readonly template: MatchingTemplate;
  private readonly network: YNetwork;

  constructor(input: StrategyInput) {
    const { settings, source, target, model } = input;
    this.settings = settings;
    this.options = readOptions(ID, settings.options, OPTIONS);
    this.loss = lossOf(ID, this.options.loss);
    this.template = targetTemplate(ID, input);
    if (!source || source.train.em.length === 0)
      throw new AdaptationError(ID, "there are no source slices to train on");
    this.source = source;
    this.target = target.filter((stack) => stack.em.length > 0);
    this.validation = source.validation.em.length > 0 ? source.validation : null;
    this.random = new Random(settings.seed);
    if (this.options.initial && !model)
      throw new AdaptationError(ID, "option initial needs a source model, and there is none");
    const start = this.options.initial ? startSegmenter(ID, settings.network, model) : null;
    this.network = buildAttentionYNet(settings.network);
    if (start) {
      this.network.segmenter.setWeights(start.model.getWeights());
      start.model.dispose();
    }
    this.networks = { network: this.network.logits };
  }

  async begin(name: string): Promise<Stage> {
    const index = STAGES.indexOf(name as StageName);
    if (index < 0) throw new AdaptationError(ID, `there is no stage ${name}`);
    const { settings, network, random } = this;
    const stage = STAGES[index];
    const seed = mix(settings.seed, 100 + index);
    try {
      const patches = this.draw(stage, new Random(seed));
      return new YNetStage(
        network,
        this.task(stage),
        patches,
        settings,
        settings.stages[stage],
        seed,
        random,
      );
    } catch (cause) {
      if (cause instanceof RangeError) throw new AdaptationError(ID, cause.message, { cause });
      throw cause;
    }
  }

  private task(stage: StageName): YNetTask {
    const { jointReconstruction, jointSegmentation } = this.options;
    const { loss } = this;
    if (stage === "joint")
      return { alpha: jointReconstruction, beta: jointSegmentation, loss, trains: () => true };
    // Adam leaves the mask's decoder as it is where its gradients are zero, as they are in this stage.
    if (stage === "reconstruction")
      return {
        alpha: 1,
        beta: 0,
        loss,
        trains: (layer) => isEncoder(layer) || isReconstruction(layer) || layer.startsWith("bottom"),
      };
    return { alpha: 0, beta: 1, loss, trains: (layer) => !isEncoder(layer) && !isReconstruction(layer) };
  }

  /** The stage's patches: places drawn anew for each, as there. */
  private draw(stage: StageName, random: Random): YNetPatches {
    const { source, target, options } = this;
    const { patch } = this.settings;
    const held = Math.max(1, Math.round(options.patches * HELD_OUT));
    const count = Math.max(1, options.patches - held);
    const labelled = PatchSet.draw(source.train, count, patch, true, random);
    const validation = PatchSet.draw(this.validation ?? source.train, held, patch, true, random);
    const unlabelled: PatchSet[] = [];
    const others: PatchSet[] = [];
    if (stage !== "segmentation") {
      const { width, height, em } = source.train;
      const add = (stack: Images, ofSource: boolean, share: number) => {
        const [trained, kept] = [count, held].map((n) => Math.max(1, Math.round(n * share)));
        const set = PatchSet.draw(stack, trained + kept, patch, ofSource, random);
        const [first, rest] = set.split(trained);
        unlabelled.push(first);
        others.push(rest);
      };
      for (const stack of target) add(stack, false, Math.min(1, MOST_TARGET_SETS / target.length));
      add({ width, height, em }, true, 1);
    }
    const matching =
      stage === "joint" || options.matching === 0
        ? undefined
        : { template: this.template, probability: options.matching };
    return {
      labelled,
      unlabelled,
      unlabelledInCycle: count * Math.min(MOST_TARGET_SETS, target.length),
      validation: [validation, ...others],
      augmentation: options.rotation ? PAPER_AUGMENTATION : REDUCED_AUGMENTATION,
      matching,
    };
  }

  /** The path of the mask; the decoder of the image stays behind. */
  async snapshot(): Promise<tf.LayersModel> {
    return inferenceCopy(this.network.segmenter);
  }

  dispose(): void {
    this.network.logits.dispose();
  }
}

/** Steps of an epoch by the authors: 900 labelled patches, 1800 of the target's two stacks and 900 unlabelled of the source. */
const EPOCH = 3600;
const LABELLED_EPOCH = 900;

const paperStage = (
  epochs: number,
  patience: number,
  rate: number,
  optimiser: OptimiserOptions,
): StageSettings => ({
  steps: epochs * EPOCH,
  learningRate: rate,
  schedule: "reduce-on-plateau",
  optimiser,
  validateEvery: EPOCH,
  patience,
  scoreEvery: 0,
});

const PAPER_STAGES: Record<StageName, StageSettings> = {
  joint: paperStage(50, 7, 1e-3, SGD),
  reconstruction: paperStage(40, 6, 2e-4, ADAM),
  segmentation: {
    steps: 100 * LABELLED_EPOCH,
    learningRate: 2e-4,
    schedule: "one-cycle",
    optimiser: ADAM,
    // Without patience: the model is chosen by solidity among every second epoch's.
    validateEvery: LABELLED_EPOCH,
    patience: 0,
    scoreEvery: 2 * LABELLED_EPOCH,
  },
};

const reducedStage = (steps: number, learningRate: number, scoreEvery: number): StageSettings => ({
  steps,
  learningRate,
  schedule: "one-cycle",
  optimiser: ADAMW,
  validateEvery: 0,
  patience: 0,
  scoreEvery,
});

const REDUCED_STAGES: Record<StageName, StageSettings> = {
  // The authors' second rate is a fifth of the first; more would undo in few steps what the first stage taught the encoder.
  joint: reducedStage(300, 1e-3, 0),
  reconstruction: reducedStage(50, 2e-4, 0),
  segmentation: reducedStage(250, 1e-3, 50),
};

/**
 * Attention Y-Net of Franco-Barranco et al. (2022), by the authors' code (github.com/danifranco/EM_domain_adaptation at 31af9da,
 * Attention_Y-Net/Att_YNet.py and Att_YNet_functions.py): an Attention U-Net with a second decoder that reconstructs the
 * image, trained jointly on both domains, then on reconstruction, then on segmentation of the source with the encoder frozen.
 * Source patches are matched to the target's histogram with probability 0.5 in the last two stages. Kept from the code:
 * - the coin flips, in which a cycle has as many unlabelled batches as the target has patches, though the unlabelled stream goes on
 *   with patches of the source;
 * - patience of the learning rate equal to that of the stage; validation without augmentation and matching;
 * - masks rotated bilinearly and not made binary again.
 *
 * Different:
 * - The authors' fourth set, unlabelled patches of the source's test images, is drawn from the source's training images: a run
 *   has no source test images.
 * - Labelled validation patches come from the held-out source slices, not from the slices that are trained on.
 * - With a normalised network, layers that a stage does not train normalise by their moving statistics.
 */
export const attentionYNet: Strategy = {
  id: ID,
  title: "Attention Y-Net",
  summary:
    "Learns to segment the source and to reconstruct images of both domains with one encoder, then fine-tunes the segmentation.",
  needs: ["source-images", "target-images"],
  stages: STAGES,
  defaults(protocol) {
    const paper = protocol === "paper";
    return {
      strategy: ID,
      seed: 1,
      network: paper ? ATTENTION_Y_NETWORK : NORMALISED_NETWORK,
      patch: paper ? 256 : 192,
      batch: paper ? 1 : 4,
      accumulate: 1,
      stages: paper ? PAPER_STAGES : REDUCED_STAGES,
      options: paper
        ? { ...OPTIONS }
        : {
            ...OPTIONS,
            jointReconstruction: 0.5,
            jointSegmentation: 0.5,
            loss: "bce+dice",
            rotation: false,
          },
    };
  },
  async start(input) {
    return new AttentionYNetRun(input);
  },
};
