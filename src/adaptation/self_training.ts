import { tf } from "../kernels/tf.js";
import { buildAttentionUNet, NORMALISED_NETWORK, PAPER_NETWORK } from "../network/attention_unet.js";
import { mix, Random } from "../network/random.js";
import { trainableVariables } from "../training/gradients.js";
import { binaryCrossEntropy, softDice } from "../training/losses.js";
import { Optimiser } from "../training/optimisers.js";
import { PatchSampler } from "../training/sampler.js";
import { randomiseStyle, STRONG_STYLE, type StyleOptions } from "../training/style_randomisation.js";
import { matchSlices } from "./histogram.js";
import { targetTemplate } from "./histogram_matching.js";
import { REDUCED_AUGMENTATION, UnlabelledPatches } from "./patches.js";
import { believable } from "./pseudo_labels.js";
import { ADAMW, copyWeights, sourceEpoch, startSegmenter } from "./segmenter.js";
import { readOptions } from "./settings.js";
import { reestimateStatistics } from "./target_statistics.js";
import {
  AdaptationError,
  type DataSizes,
  type Stage,
  type Strategy,
  type StrategyId,
  type StrategyInput,
  type StrategyRun,
  type StrategySettings,
} from "./types.js";

const OPTIONS = {
  /** Of the teacher's weights, a step. */
  decay: 0.99,
  /** Of the loss on the target, once it is fully in. */
  targetWeight: 1,
  /** Fraction of the steps over which that weight rises from 0, where there is a source to learn from meanwhile. */
  ramp: 0,
  /** Patches are given the target's histogram before their style is randomised. */
  matching: true,
  /**
   * What the teacher sees in a patch is not believed where its solidity is this much below the mean of the source's prior; 0
   * believes all.
   */
  solidityMargin: 0.06,
  /** Times the amounts of STRONG_STYLE. */
  style: 0.7,
  /** Styles that vary over the patch (sharpness, brightness, contrast, plateaus) as well as ones of the whole patch. */
  local: true,
  /** Start from the source model instead of random weights. */
  initial: true,
};

const GEOMETRY = { ...REDUCED_AUGMENTATION, jitter: 0 };

/** STRONG_STYLE times `by`. */
const styleOf = (by: number, local: boolean): StyleOptions => ({
  sharpen: local ? STRONG_STYLE.sharpen * by : 0,
  blur: STRONG_STYLE.blur * by,
  jitter: STRONG_STYLE.jitter * by,
  field: local ? STRONG_STYLE.field * by : 0,
  contrast: local ? STRONG_STYLE.contrast * by : 0,
  plateaus: local ? STRONG_STYLE.plateaus * by : 0,
  noise: STRONG_STYLE.noise * by,
});

function defaults(
  strategy: StrategyId,
  protocol: "paper" | "reduced",
  sizes: DataSizes,
  options: StrategySettings["options"],
  reduced: { readonly steps: number; readonly learningRate: number },
): StrategySettings {
  const paper = protocol === "paper";
  // Not of the paper; its baseline's patches and epochs, shortened because this starts from the trained baseline.
  const steps = paper ? 60 * sourceEpoch(sizes, 256, 4) : reduced.steps;
  return {
    strategy,
    seed: 1,
    network: paper ? PAPER_NETWORK : NORMALISED_NETWORK,
    patch: paper ? 256 : 192,
    batch: 4,
    accumulate: 1,
    stages: {
      train: {
        steps,
        learningRate: paper ? 2e-4 : reduced.learningRate,
        schedule: "cosine",
        optimiser: ADAMW,
        validateEvery: 0,
        patience: 0,
        scoreEvery: Math.ceil(steps / 10),
      },
    },
    options,
  };
}

/** Draws patches and gives each a random style: [N, size, size, 1], with what is to be predicted there. */
interface StyledBatch {
  readonly clean: Float32Array;
  readonly styled: Float32Array;
  readonly labels: Float32Array | null;
}

class SelfTraining implements StrategyRun {
  readonly networks: Readonly<Record<string, tf.LayersModel>>;
  readonly random: Random;
  readonly validation;
  private readonly student;
  private readonly teacher;
  private readonly options;
  private readonly style: StyleOptions;
  private readonly source;
  private readonly minimumSolidity: number;
  private readonly normalised: boolean;

  constructor(
    id: StrategyId,
    private readonly input: StrategyInput,
  ) {
    const { settings, model } = input;
    this.options = readOptions(id, settings.options, OPTIONS);
    if (!(this.options.decay >= 0 && this.options.decay < 1))
      throw new AdaptationError(
        id,
        `option decay must be at least 0 and less than 1, not ${this.options.decay}`,
      );
    if (this.options.initial && !model) throw new AdaptationError(id, "needs the source model to start from");
    if (!input.source && !this.options.initial)
      throw new AdaptationError(id, "needs the labelled source, or the source model to start from");
    if (!input.source && !(this.options.targetWeight > 0))
      throw new AdaptationError(id, "has nothing to learn from: no source, and targetWeight is 0");
    const template = input.source && this.options.matching ? targetTemplate(id, input) : null;
    this.source = input.source && (template ? matchSlices(input.source.train, template) : input.source.train);
    const validation = input.source?.validation;
    this.validation = validation?.em.length
      ? template
        ? matchSlices(validation, template)
        : validation
      : null;
    this.style = styleOf(this.options.style, this.options.local);
    const { solidityMargin } = this.options;
    this.minimumSolidity =
      input.summary && solidityMargin > 0 ? input.summary.prior.solidity - solidityMargin : 0;
    this.normalised = settings.network.normalisation === "batch";
    this.random = new Random(settings.seed);
    this.student = startSegmenter(id, settings.network, this.options.initial ? model : null);
    this.teacher = buildAttentionUNet({ ...settings.network, dropout: "none" });
    copyWeights(this.student.model, this.teacher.model);
    this.networks = { student: this.student.model, teacher: this.teacher.model };
  }

  /** The teacher begins with the target's statistics. */
  async enter(): Promise<void> {
    const { settings, target } = this.input;
    if (this.normalised && this.options.targetWeight > 0)
      await reestimateStatistics(this.teacher.model, target, { patch: settings.patch, seed: settings.seed });
  }

  async begin(name: string): Promise<Stage> {
    const { input, random, student } = this;
    const { settings, source, target } = input;
    const stage = settings.stages[name];
    const variables = trainableVariables(student.logits);
    const optimiser = new Optimiser(variables, stage.optimiser);
    const { patch, batch, seed } = settings;
    const useTarget = this.options.targetWeight > 0;
    const sourceCount = !source ? 0 : useTarget ? Math.ceil(batch / 2) : batch;
    const labelled = this.source && new PatchSampler(this.source, patch, GEOMETRY, "random", seed, random);
    // Each stack in turn: a small test stack is looked at as often as a large one.
    const unlabelled = useTarget
      ? target
          .filter((stack) => stack.em.length > 0)
          .map((stack) => new UnlabelledPatches([stack], { size: patch, augmentation: GEOMETRY }, random))
      : [];
    return {
      optimisers: { student: optimiser },
      step: async (step, rate) => {
        const from = labelled && sourceCount > 0 ? labelled.sample(sourceCount, step * sourceCount) : null;
        const to =
          unlabelled.length > 0 && batch > sourceCount
            ? unlabelled[step % unlabelled.length].sample(batch - sourceCount)
            : null;
        const parts = {
          source: from && this.styled(from.em, from.labels),
          target: to && this.styled(to.em, null),
        };
        const ramp =
          source && this.options.ramp > 0 ? Math.min(1, step / (this.options.ramp * stage.steps)) : 1;
        const losses = await this.learn(parts, this.options.targetWeight * ramp, {
          optimiser,
          variables,
          rate,
          step,
        });
        this.follow();
        return losses;
      },
      dispose: () => optimiser.dispose(),
    };
  }

  private styled(clean: Float32Array, labels: Float32Array | null): StyledBatch {
    const { patch } = this.input.settings;
    const n = patch * patch;
    const styled = new Float32Array(clean.length);
    for (let at = 0; at < clean.length; at += n)
      styled.set(randomiseStyle(clean.subarray(at, at + n), patch, this.style, this.random), at);
    return { clean, styled, labels };
  }

  private async learn(
    parts: { readonly source: StyledBatch | null; readonly target: StyledBatch | null },
    weight: number,
    update: { optimiser: Optimiser; variables: tf.Variable[]; rate: number; step: number },
  ) {
    const { student, teacher } = this;
    const { patch, seed } = this.input.settings;
    const tensor = (values: Float32Array) =>
      tf.tensor4d(values, [values.length / (patch * patch), patch, patch, 1]);
    const dropoutSeed = mix(seed, update.step);
    const logits = (styled: Float32Array) =>
      student.logits.apply(tensor(styled), { training: true, dropoutSeed }) as tf.Tensor;
    const loss = (labels: tf.Tensor, z: tf.Tensor) =>
      tf.add(binaryCrossEntropy(labels, z), softDice(labels, z)) as tf.Scalar;
    // The teacher sees the patch as it is, normalised by the target's statistics, and says where mitochondria are.
    const pseudo =
      parts.target && weight > 0 ? await this.pseudoLabels(tensor, parts.target, teacher.logits) : null;
    let sourceLoss: tf.Scalar | null = null;
    let targetLoss: tf.Scalar | null = null;
    const { value, grads } = tf.variableGrads(() => {
      const terms: tf.Scalar[] = [];
      if (parts.source?.labels) {
        sourceLoss = tf.keep(loss(tensor(parts.source.labels), logits(parts.source.styled)));
        terms.push(sourceLoss);
      }
      if (parts.target && pseudo) {
        targetLoss = tf.keep(loss(pseudo, logits(parts.target.styled)));
        terms.push(tf.mul(targetLoss, weight));
      }
      return terms.length === 1 ? tf.clone(terms[0]) : (tf.addN(terms) as tf.Scalar);
    }, update.variables);
    const gradients = update.variables.map(({ name }) => grads[name]);
    update.optimiser.apply(gradients, update.rate, update.step);
    tf.dispose(gradients);
    pseudo?.dispose();
    const numbers: Record<string, number> = {};
    for (const [name, scalar] of Object.entries({ loss: value, source: sourceLoss, target: targetLoss })) {
      if (!scalar) continue;
      [numbers[name]] = await (scalar as tf.Scalar).data();
      (scalar as tf.Scalar).dispose();
    }
    return numbers as { loss: number };
  }

  private async pseudoLabels(
    tensor: (values: Float32Array) => tf.Tensor4D,
    { clean }: StyledBatch,
    teacher: tf.LayersModel,
  ): Promise<tf.Tensor> {
    const logits = tf.tidy(() => {
      const x = tensor(clean);
      // Moves the statistics; normalised by those of a few patches alone, ones without mitochondria would seem to have some.
      if (this.normalised) teacher.apply(x, { training: true });
      return teacher.apply(x) as tf.Tensor;
    });
    const values = await logits.data();
    logits.dispose();
    return tensor(believable(values, this.input.settings.patch, this.minimumSolidity));
  }

  /** Moves the teacher towards the student. */
  private follow(): void {
    const to = trainableVariables(this.teacher.model);
    trainableVariables(this.student.model).forEach((from, i) => {
      tf.tidy(() => to[i].assign(tf.add(to[i], tf.mul(tf.sub(from, to[i]), 1 - this.options.decay))));
    });
  }

  /** The teacher, with the target's statistics. */
  async snapshot(): Promise<tf.LayersModel> {
    const { settings, target } = this.input;
    const copy = buildAttentionUNet({ ...settings.network, dropout: "none" }).model;
    copyWeights(this.teacher.model, copy);
    if (this.normalised)
      await reestimateStatistics(copy, target, { patch: settings.patch, seed: settings.seed });
    return copy;
  }

  dispose(): void {
    this.student.model.dispose();
    this.teacher.model.dispose();
  }
}

/**
 * Beyond the paper: a mean teacher (Tarvainen and Valpola, 2017). The student learns the labelled source and, on target
 * patches, what the teacher (the running mean of the student's weights) sees there; both in random styles (`randomiseStyle`), so that
 * agreement must come from texture and shape. Of what the teacher sees, only regions that look like the source's mitochondria are
 * believed: the morphological prior, by which the paper chooses an epoch, chooses pseudo-labels here (`pseudo_labels.ts`).
 * Without the source's images it learns from the teacher alone.
 */
export const selfTraining: Strategy = {
  id: "self-training",
  title: "Self-training",
  summary:
    "A student learns from the labelled source, if there is one, and from what its own running mean sees in the target, in random styles.",
  needs: ["source-model", "target-images"],
  stages: ["train"],
  defaults: (protocol, sizes) =>
    defaults("self-training", protocol, sizes, { ...OPTIONS }, { steps: 1000, learningRate: 5e-4 }),
  start: async (input) => new SelfTraining("self-training", input),
};

/** Beyond the paper: the labelled source alone, matched to the target, in random styles; then the target's batch statistics. */
export const styleRandomisation: Strategy = {
  id: "style-randomisation",
  title: "Style randomisation",
  summary:
    "Goes on training on the labelled source, matched to the target's histogram, in random styles; then takes the target's batch statistics.",
  needs: ["source-model", "source-images", "target-images"],
  stages: ["train"],
  defaults: (protocol, sizes) =>
    defaults(
      "style-randomisation",
      protocol,
      sizes,
      { ...OPTIONS, targetWeight: 0 },
      { steps: 600, learningRate: 1e-3 },
    ),
  async start(input) {
    if (!input.source) throw new AdaptationError("style-randomisation", "needs the labelled source");
    return new SelfTraining("style-randomisation", input);
  },
};
