import type { tf } from "../kernels/tf.js";
import { NORMALISED_NETWORK, PAPER_NETWORK } from "../network/attention_unet.js";
import { inferenceCopy } from "../network/graft.js";
import { mix, Random } from "../network/random.js";
import { type AugmentationOptions, augmentGeometry, augmentIntensity } from "../training/augmentation.js";
import { reconstructionLoss } from "../training/losses.js";
import { type Batch, shuffle } from "../training/sampler.js";
import { stepsPerEpoch } from "../training/settings.js";
import { type Corruption, crappify } from "./crappify.js";
import { matchSlices } from "./histogram.js";
import { targetTemplate } from "./histogram_matching.js";
import { cutImage, PAPER_AUGMENTATION, REDUCED_AUGMENTATION } from "./patches.js";
import {
  ADAM,
  ADAMW,
  lossOf,
  pairStage,
  segmentationStage,
  sourceEpoch,
  startSegmenter,
} from "./segmenter.js";
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
import { readVariables, variablesWithout, writeVariables } from "./weights.js";

const OPTIONS = {
  /** Of fine-tuning: "bce" (the paper's) or "bce+dice". */
  loss: "bce",
  /** Any rotation (the paper's), or quarter turns and a little contrast. */
  rotation: true,
  /** Fine-tuning patches from the cells of a grid (the paper's), or from anywhere. */
  grid: true,
  /** Standard deviation of the pretext's noise, of an image's largest value. */
  noise: 0.3,
  /** How many times fewer pixels along each axis the pretext leaves. */
  scale: 2,
  /** Fine-tunes behind an encoder that keeps what it learnt in pre-training. */
  frozen: true,
  /** Pre-trains from the source model, and fine-tunes from its bottleneck and decoder. */
  initial: false,
};

/** A patch of the list: grid cell `x`, `y` of a slice. */
interface Cell {
  readonly stack: Images;
  readonly image: Uint8Array;
  readonly x: number;
  readonly y: number;
}

/** As many random cells (with replacement) of the grid of each slice as it has. */
function drawCells(stacks: readonly Images[], size: number, random: Random): Cell[] {
  return stacks.flatMap((stack) => {
    const columns = Math.max(1, Math.floor(stack.width / size));
    const rows = Math.max(1, Math.floor(stack.height / size));
    return stack.em.flatMap((image) =>
      Array.from({ length: columns * rows }, () => ({
        stack,
        image,
        x: size * random.integer(columns),
        y: size * random.integer(rows),
      })),
    );
  });
}

/** Pairs of a worsened patch (as EM) and the patch itself (as labels), from a list gone through again and again. */
class PretextPairs {
  private order: { epoch: number; cells: Uint32Array } | null = null;

  constructor(
    private readonly cells: readonly Cell[],
    private readonly size: number,
    private readonly corruption: Corruption,
    private readonly augmentation: AugmentationOptions,
    private readonly seed: number,
    private readonly random: Random,
  ) {}

  /** @param first how many were drawn before. */
  sample(count: number, first: number): Batch {
    const { size, random, augmentation } = this;
    const em = new Float32Array(count * size * size);
    const labels = new Float32Array(count * size * size);
    for (let n = 0; n < count; n++) {
      const index = this.at(first + n);
      const { stack, image, x, y } = this.cells[index];
      const clean = cutImage(image, [stack.width, stack.height], [x, y], size);
      // A patch is worsened in the same way each time it is drawn, as by the authors, who do it once and keep it.
      const worse = crappify(clean, size, this.corruption, new Random(mix(this.seed, index)));
      const [input, wanted] = augmentGeometry([worse, clean] as const, size, augmentation, random);
      // Contrast is changed alike in both: the network is to undo the corruption, not this.
      const { state } = random;
      em.set(augmentIntensity(input, size, augmentation, random), n * size * size);
      random.restore(state);
      labels.set(augmentIntensity(wanted, size, augmentation, random), n * size * size);
    }
    return { count, size, em, labels };
  }

  private at(position: number): number {
    const total = this.cells.length;
    const epoch = Math.floor(position / total);
    if (this.order?.epoch !== epoch)
      this.order = { epoch, cells: shuffle(total, new Random(mix(this.seed, epoch))) };
    return this.order.cells[position % total];
  }
}

/** The layers on the way down, without the bottleneck. */
const encoderOf = (model: tf.LayersModel): ReadonlySet<string> =>
  new Set(model.layers.map(({ name }) => name).filter((name) => name.startsWith("down")));

async function start(input: StrategyInput): Promise<StrategyRun> {
  const { settings, source, target, model } = input;
  const refuse = (message: string): never => {
    throw new AdaptationError("self-supervised", message);
  };
  const options = readOptions("self-supervised", settings.options, OPTIONS);
  const loss = lossOf("self-supervised", options.loss);
  if (!source) return refuse("needs the labelled source");
  if (source.train.em.length === 0) return refuse("there are no source slices to train on");
  if (!(options.noise >= 0 && options.scale >= 1 && options.scale <= settings.patch))
    return refuse("noise must be at least 0, scale at least 1 and at most the patch");
  if (options.initial && !model) return refuse("option initial needs a source model, and there is none");
  const template = targetTemplate("self-supervised", input);
  const train = matchSlices(source.train, template);
  const validation = matchSlices(source.validation, template);
  const { patch, seed } = settings;
  const network = startSegmenter("self-supervised", settings.network, options.initial ? model : null);
  const encoder = encoderOf(network.model);
  const initial = options.initial ? await readVariables(variablesWithout(network.model, encoder)) : null;
  const random = new Random(seed);
  const augmentation = options.rotation ? PAPER_AUGMENTATION : REDUCED_AUGMENTATION;
  const cells = drawCells([...target, train], patch, new Random(mix(seed, 1)));
  return {
    networks: { segmenter: network.model },
    random,
    async enter(stage) {
      if (stage === "finetune" && initial) writeVariables(variablesWithout(network.model, encoder), initial);
    },
    async begin(stage): Promise<Stage> {
      const shared = { network, settings, stage: settings.stages[stage], random };
      if (stage === "finetune")
        return segmentationStage({
          ...shared,
          train,
          validation,
          loss,
          augmentation,
          crops: options.grid ? "grid" : "random",
          frozen: options.frozen ? encoder : undefined,
          salt: 1,
        });
      const pairs = new PretextPairs(cells, patch, options, augmentation, seed, random);
      return pairStage({
        ...shared,
        sample: (count, first) => pairs.sample(count, first),
        loss: reconstructionLoss,
      });
    },
    snapshot: async () => inferenceCopy(network.model),
    validation: validation.em.length > 0 ? validation : null,
    dispose: () => network.model.dispose(),
  };
}

/** Steps of a pass over the pre-training list: target and source patches. */
function pretrainEpoch(sizes: DataSizes, patch: number, batch: number): number {
  const each = (slices: number, [width, height]: readonly [number, number]) =>
    stepsPerEpoch(slices, width, height, patch, 1);
  const patches = each(sizes.sourceSlices, sizes.sourceSize) + each(sizes.targetSlices, sizes.targetSize);
  return Math.ceil(patches / batch);
}

function defaults(protocol: "paper" | "reduced", sizes: DataSizes): StrategySettings {
  const common = { strategy: "self-supervised", seed: 1, accumulate: 1 } as const;
  const stage = { schedule: "one-cycle", validateEvery: 0, patience: 0 } as const;
  if (protocol === "reduced") {
    const fast = { ...stage, learningRate: 1e-3, optimiser: ADAMW };
    return {
      ...common,
      network: NORMALISED_NETWORK,
      patch: 192,
      batch: 4,
      stages: {
        pretrain: { ...fast, steps: 250, scoreEvery: 0 },
        finetune: { ...fast, steps: 350, scoreEvery: 35 },
      },
      options: { ...OPTIONS, loss: "bce+dice", rotation: false, grid: false },
    };
  }
  const epoch = sourceEpoch(sizes, 256, 6);
  return {
    ...common,
    network: PAPER_NETWORK,
    patch: 256,
    batch: 6,
    stages: {
      pretrain: {
        ...stage,
        steps: 200 * pretrainEpoch(sizes, 256, 6),
        learningRate: 5e-4,
        optimiser: ADAM,
        scoreEvery: 0,
      },
      finetune: {
        ...stage,
        steps: 60 * epoch,
        learningRate: 1e-4,
        optimiser: ADAM,
        validateEvery: epoch,
        scoreEvery: 2 * epoch,
      },
    },
    options: OPTIONS,
  };
}

/**
 * The paper's second strategy (its `SSL` folder): the segmenting network first learns to restore worsened patches of the target and of the
 * source in the target's look (mean squared error, through the same sigmoid), then to segment the source so matched, its
 * encoder frozen. Two departures: the authors keep only patches of 5 % foreground or more, which reads labels of the
 * target, so here all are kept; and both stages have one batch size, where the authors' fine-tuning has 5 instead of 6.
 */
export const selfSupervised: Strategy = {
  id: "self-supervised",
  title: "Self-supervised pre-training",
  summary:
    "Learns to restore worsened images of target and source, then to segment the source with the encoder frozen.",
  needs: ["source-images", "target-images"],
  stages: ["pretrain", "finetune"],
  defaults,
  start,
};
