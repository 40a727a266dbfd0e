import { NORMALISED_NETWORK, PAPER_NETWORK } from "../network/attention_unet.js";
import type { OptimiserOptions } from "../training/optimisers.js";
import { readOptions } from "./settings.js";
import { AdaptationError, type DataSizes, type StrategySettings } from "./types.js";

export type CutId = "cut" | "fastcut";

/** Feature maps that can be compared, by their number in the authors' generator; `Generator.features` has them in this order. */
const NCE_LAYERS = [0, 4, 8, 12, 16];

/** By the CUT repository's options/*.py and models/cut_model.py. */
const CUT_OPTIONS = {
  /** Feature maps of the first convolution of the generator, and its residual blocks. */
  generatorFilters: 64,
  blocks: 9,
  /** Feature maps of the first convolution of the discriminator. */
  discriminatorFilters: 64,
  /** Units of the heads that features are projected by. */
  projection: 256,
  /** Feature maps of the generator that PatchNCE compares: some of 0, 4, 8, 12, 16. */
  nceLayers: NCE_LAYERS.join(","),
  /** Places compared on each. */
  positions: 256,
  temperature: 0.07,
  lambdaGan: 1,
  lambdaNce: 1,
  /** Also keep the content of source images that go through the generator. */
  identity: true,
  /** Mirror what the generator sees in half of the steps. */
  flipEquivariance: false,
};

const DEFAULTS: Record<CutId, typeof CUT_OPTIONS> = {
  cut: CUT_OPTIONS,
  fastcut: { ...CUT_OPTIONS, lambdaNce: 10, identity: false, flipEquivariance: true },
};

export type CutOptions = Omit<typeof CUT_OPTIONS, "nceLayers"> & {
  /** Indices into `Generator.features`. */
  readonly layers: readonly number[];
};

/** @throws AdaptationError naming the option that is unknown or cannot be. */
export function readCutOptions(
  strategy: CutId,
  { options, accumulate, patch }: StrategySettings,
): CutOptions {
  const { nceLayers, ...rest } = readOptions(strategy, options, DEFAULTS[strategy]);
  const refuse = (message: string): never => {
    throw new AdaptationError(strategy, message);
  };
  for (const name of [
    "generatorFilters",
    "blocks",
    "discriminatorFilters",
    "projection",
    "positions",
  ] as const) {
    if (!Number.isInteger(rest[name]) || rest[name] < 1 || rest[name] > 4096)
      refuse(`option ${name} must be a whole number from 1 to 4096, not ${rest[name]}`);
  }
  if (!(rest.temperature > 0)) refuse(`option temperature must be positive, not ${rest.temperature}`);
  for (const name of ["lambdaGan", "lambdaNce"] as const)
    if (!(rest[name] >= 0)) refuse(`option ${name} must be 0 or more, not ${rest[name]}`);
  const layers = nceLayers.split(",").map((text) => NCE_LAYERS.indexOf(Number(text)));
  if (nceLayers === "" || layers.includes(-1) || new Set(layers).size !== layers.length)
    refuse(`option nceLayers must be some of ${NCE_LAYERS.join(",")}, not ${nceLayers}`);
  // One pair of images a step is the authors' choice, and the smallest that there is.
  if (accumulate !== 1) refuse(`a step cannot be divided: accumulate must be 1, not ${accumulate}`);
  // Half of the images of a side lie in the border otherwise, and PatchGAN has nothing left to score.
  if (patch < 32) refuse(`patch must be at least 32, not ${patch}`);
  return { ...rest, layers };
}

const ADVERSARIAL_ADAM: OptimiserOptions = {
  name: "adam",
  momentum: 0,
  weightDecay: 0,
  beta1: 0.5,
  beta2: 0.999,
};

/** What fits into the images, a multiple of what the segmenter needs. */
function patchOf(wanted: number, { sourceSize, targetSize }: DataSizes, multiple: number): number {
  const edge = Math.min(wanted, ...sourceSize, ...targetSize);
  return Math.max(2 * multiple, Math.floor(edge / multiple) * multiple);
}

/**
 * The authors': crops of 512 pixels (of the model's grid; smaller where the images are), one pair a step, 400 epochs (FastCUT:
 * 200) of as many steps as the larger side has slices; the rate is constant for the first 200 (150).
 *
 * Reduced: narrower networks, small crops, five times the rate. A step takes about 0.4 s of one CPU core on TensorFlow. On
 * the phantom (fib and shifted; source-only IoU 0.15) 150 steps at 1e-3 brought 0.67, and 300 at 2e-4 0.44.
 */
export function cutDefaults(
  strategy: CutId,
  protocol: "paper" | "reduced",
  sizes: DataSizes,
): StrategySettings {
  const paper = protocol === "paper";
  const epoch = Math.max(1, sizes.sourceSlices, sizes.targetSlices);
  const network = paper ? PAPER_NETWORK : NORMALISED_NETWORK;
  const multiple = 2 ** (network.filters.length - 1);
  return {
    strategy,
    seed: 1,
    network,
    patch: patchOf(paper ? 512 : 128, sizes, multiple),
    batch: 1,
    accumulate: 1,
    stages: {
      translate: {
        steps: paper ? epoch * (strategy === "cut" ? 400 : 200) : 1200,
        learningRate: paper ? 2e-4 : 1e-3,
        schedule: strategy === "cut" ? "linear-decay" : "late-linear-decay",
        optimiser: ADVERSARIAL_ADAM,
        validateEvery: 0,
        patience: 0,
        scoreEvery: paper ? epoch * 20 : 100,
      },
    },
    options: paper
      ? DEFAULTS[strategy]
      : { ...DEFAULTS[strategy], generatorFilters: 12, blocks: 6, discriminatorFilters: 16 },
  };
}
