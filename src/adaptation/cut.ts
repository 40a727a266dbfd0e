import { tf } from "../kernels/tf.js";
import {
  buildGenerator,
  buildPatchGan,
  buildPatchHeads,
  featureChannels,
  type Generator,
} from "../network/cut_networks.js";
import { freeze } from "../network/freeze.js";
import { chain } from "../network/graft.js";
import { Random } from "../network/random.js";
import { trainableVariables } from "../training/gradients.js";
import { Optimiser } from "../training/optimisers.js";
import { UnpairedSampler } from "./cut_batches.js";
import { type CutId, type CutOptions, cutDefaults, readCutOptions } from "./cut_options.js";
import { type CutNetworks, type CutPart, cutStep } from "./cut_step.js";
import { cutImage } from "./patches.js";
import { startSegmenter } from "./segmenter.js";
import {
  AdaptationError,
  type Images,
  type Stage,
  type Strategy,
  type StrategyInput,
  type StrategyRun,
} from "./types.js";

/** Target images over which the statistics of a snapshot's normalisation are averaged, and their largest edge. */
const FROZEN_IMAGES = 8;
const FROZEN_EDGE = 384;

/** The generator's image and the features compared, as one model of the same layers. */
const jointModel = (generator: Generator, layers: readonly number[]) =>
  tf.model({
    inputs: generator.model.inputs,
    outputs: [...layers.map((i) => generator.features.outputs[i]), generator.model.outputs[0]],
  });

class CutRun implements StrategyRun {
  readonly random: Random;
  readonly validation;
  readonly networks: Readonly<Record<CutPart, tf.LayersModel>>;
  private readonly options: CutOptions;
  private readonly sampler: UnpairedSampler;
  private readonly functions: CutNetworks;
  private readonly segmenter: tf.LayersModel;

  constructor(
    strategy: CutId,
    private readonly input: StrategyInput,
  ) {
    const { settings, source, model, target } = input;
    const options = readCutOptions(strategy, settings);
    if (!source) throw new AdaptationError(strategy, "needs images of the source");
    if (!model) throw new AdaptationError(strategy, "needs a trained source-only model, to segment with");
    this.random = new Random(settings.seed);
    try {
      this.sampler = new UnpairedSampler(target, [source.train], settings.patch, settings.seed, this.random);
    } catch (cause) {
      throw new AdaptationError(strategy, "needs slices of the source and of the target", { cause });
    }
    this.options = options;
    this.validation = source.validation.em.length > 0 ? source.validation : null;
    this.segmenter = startSegmenter(strategy, model.network, model).model;
    const { seed } = settings;
    const { layers } = options;
    const size = { base: options.generatorFilters, blocks: options.blocks };
    const generator = buildGenerator({ ...size, seed: seed * 4 });
    const all = featureChannels(size);
    const channels = layers.map((i) => all[i]);
    const heads = buildPatchHeads({ channels, units: options.projection, seed: seed * 4 + 1 });
    const discriminator = buildPatchGan({ base: options.discriminatorFilters, seed: seed * 4 + 2 });
    this.networks = { generator: generator.model, heads, discriminator };
    this.functions = functionsOf(generator, heads, discriminator, layers);
  }

  async begin(stage: string): Promise<Stage> {
    const { settings } = this.input;
    const { optimiser } = settings.stages[stage];
    const { variables } = this.functions;
    const make = (part: CutPart) => new Optimiser(variables[part], optimiser);
    const optimisers = {
      generator: make("generator"),
      heads: make("heads"),
      discriminator: make("discriminator"),
    };
    return {
      optimisers,
      step: (step, rate) => {
        const batch = this.sampler.sample(settings.batch, step * settings.batch);
        return cutStep(this.functions, optimisers, batch, this.options, this.random, rate, step);
      },
      dispose: () => {
        for (const one of Object.values(optimisers)) one.dispose();
      },
    };
  }

  async snapshot(): Promise<tf.LayersModel> {
    const images = frozenImages(this.input.target);
    const frozen = freeze(this.networks.generator, images);
    tf.dispose(images);
    const chained = chain(frozen, this.segmenter);
    frozen.dispose();
    return chained;
  }

  dispose(): void {
    for (const network of Object.values(this.networks)) network.dispose();
    this.segmenter.dispose();
  }
}

function functionsOf(
  generator: Generator,
  heads: tf.LayersModel,
  discriminator: tf.LayersModel,
  layers: readonly number[],
): CutNetworks {
  const joint = jointModel(generator, layers);
  const features = tf.model({
    inputs: generator.features.inputs,
    outputs: layers.map((i) => generator.features.outputs[i]),
  });
  const list = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value]);
  return {
    translate(images) {
      const outputs = list(joint.apply(images)) as tf.Tensor4D[];
      return { features: outputs.slice(0, -1), images: outputs[outputs.length - 1] };
    },
    encode: (images) => list(features.apply(images)) as tf.Tensor4D[],
    project(rows) {
      return list(heads.apply(rows.length === 1 ? rows[0] : [...rows])) as tf.Tensor2D[];
    },
    discriminate: (images) => discriminator.apply(images) as tf.Tensor,
    variables: {
      generator: trainableVariables(generator.model),
      heads: trainableVariables(heads),
      discriminator: trainableVariables(discriminator),
    },
  };
}

/** Squares from the middle of slices from all over the target, in -1..1. */
function frozenImages(target: readonly Images[]): tf.Tensor4D[] {
  const slices = target.flatMap(({ width, height, em }) => em.map((data) => ({ width, height, data })));
  const count = Math.min(FROZEN_IMAGES, slices.length);
  return Array.from({ length: count }, (_, i) => {
    const { width, height, data } = slices[Math.floor(((i + 0.5) * slices.length) / count)];
    const size = Math.max(16, Math.floor(Math.min(width, height, FROZEN_EDGE) / 4) * 4);
    const corner = [Math.floor((width - size) / 2), Math.floor((height - size) / 2)] as const;
    const square = cutImage(data, [width, height], corner, size).map((value) => 2 * value - 1);
    return tf.tensor4d(square, [1, size, size, 1]);
  });
}

function strategyOf(id: CutId, title: string, summary: string): Strategy {
  return {
    id,
    title,
    summary,
    needs: ["source-images", "source-model", "target-images"],
    stages: ["translate"],
    defaults: (protocol, sizes) => cutDefaults(id, protocol, sizes),
    start: async (input) => new CutRun(id, input),
  };
}

/**
 * Contrastive unpaired translation (Park et al., 2020) of the target into the style of the source; the source-only network
 * segments what comes out (Franco-Barranco et al., 2022).
 */
export const cut = strategyOf(
  "cut",
  "CUT style transfer",
  "Learns to draw target images in the style of the source, and lets the source-only network segment those.",
);

/** Its light sibling: ten times the weight on content, no identity term, mirrored steps, half the epochs. */
export const fastcut = strategyOf(
  "fastcut",
  "FastCUT style transfer",
  "As CUT, with more weight on keeping the content and half the work in each step.",
);
