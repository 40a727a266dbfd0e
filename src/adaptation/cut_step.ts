import { tf } from "../kernels/tf.js";
import type { Random } from "../network/random.js";
import type { Optimiser } from "../training/optimisers.js";
import type { UnpairedBatch } from "./cut_batches.js";
import { discriminatorLoss, leastSquares } from "./gan_losses.js";
import { detached, gatherRows, l2Normalise, patchNce, samplePositions } from "./patch_nce.js";
import type { StepLosses } from "./types.js";

/** The networks of style transfer as functions; images are [N, H, W, 1] in -1..1. */
export interface CutNetworks {
  /** The feature maps that are compared, and the stylised image. */
  translate(images: tf.Tensor4D): { readonly features: readonly tf.Tensor4D[]; readonly images: tf.Tensor4D };
  /** The feature maps alone. */
  encode(images: tf.Tensor4D): readonly tf.Tensor4D[];
  /** The heads: of rows of each feature map [rows, channels] their projections [rows, units]. */
  project(rows: readonly tf.Tensor2D[]): readonly tf.Tensor2D[];
  discriminate(images: tf.Tensor4D): tf.Tensor;
  readonly variables: Readonly<Record<CutPart, readonly tf.Variable[]>>;
}

export type CutPart = "generator" | "heads" | "discriminator";

export interface CutLossOptions {
  readonly lambdaGan: number;
  readonly lambdaNce: number;
  /** Whether source images, too, go through the generator and must keep their content. */
  readonly identity: boolean;
  /** Whether half of the steps mirror what the generator sees, and mirror its features back (FastCUT). */
  readonly flipEquivariance: boolean;
  /** Places compared on each feature map. */
  readonly positions: number;
  readonly temperature: number;
}

/**
 * Rows of a feature map [N, H, W, C], flattened to [N H W, C], that are compared. As in the repository, all images of one
 * domain are looked at in the same places.
 */
function placesOf(map: tf.Tensor4D, perDomain: number, count: number, random: Random): Int32Array {
  const [images, height, width] = map.shape;
  const pixels = height * width;
  const rows: number[] = [];
  for (let first = 0; first < images; first += perDomain) {
    const positions = samplePositions(pixels, count, random);
    for (let i = first; i < first + perDomain; i++)
      for (const position of positions) rows.push(i * pixels + position);
  }
  return Int32Array.from(rows);
}

/**
 * One step of CUT (models/cut_model.py of the repository): the discriminator learns from what the generator makes of the
 * target and from the source, then generator and heads from the new discriminator and from PatchNCE, G = lambdaGan GAN +
 * lambdaNce (NCE(target) + NCE(source)) / 2, or without the source's part.
 *
 * The generator runs once: the keys are the features of that run (the repository computes the same numbers again), and
 * the discriminator is updated in the middle of it.
 *
 * @returns `loss` of the generator; its parts `gan`, `nce` (of the target) and `identity` (NCE of the source), not weighted; and
 * of the discriminator `discriminatorFake` and `discriminatorReal`.
 * @param optimisers of the variables of the parts. @param step 0-based, for their bias correction.
 */
export async function cutStep(
  networks: CutNetworks,
  optimisers: Readonly<Record<CutPart, Optimiser>>,
  batch: UnpairedBatch,
  options: CutLossOptions,
  random: Random,
  rate: number,
  step: number,
): Promise<StepLosses> {
  const { generator, heads } = networks.variables;
  const { count, size, target, source } = batch;
  const { identity, flipEquivariance } = options;
  const flipped = flipEquivariance && random.next() < 0.5;
  let parts!: tf.Tensor;
  const { value, grads } = tf.variableGrads(
    () => {
      const shape: [number, number, number, number] = [count, size, size, 1];
      const raw = tf.tensor4d(target, shape);
      const wanted = tf.tensor4d(source, shape);
      const given = identity ? tf.concat([raw, wanted], 0) : raw;
      const { features, images } = networks.translate(flipped ? tf.reverse(given, 2) : given);
      const stylised = identity ? tf.slice(images, 0, count) : images;
      const learned = updateDiscriminator(networks, optimisers.discriminator, stylised, wanted, rate, step);
      const gan = leastSquares(networks.discriminate(stylised), true);
      const mirror = (map: tf.Tensor4D) => (flipped ? tf.reverse(map, 2) : map);
      const queries = networks.encode(images).map(mirror);
      const keys = flipped ? networks.encode(given) : features;
      const nce = contrast(networks, queries, keys, count, options, random);
      const total = tf.add(tf.mul(gan, options.lambdaGan), tf.mul(tf.mean(nce), options.lambdaNce));
      parts = tf.keep(tf.concat([tf.stack([total, gan]), nce, tf.stack([learned.fake, learned.real])]));
      tf.dispose([learned.fake, learned.real]);
      return total as tf.Scalar;
    },
    [...generator, ...heads] as tf.Variable[],
  );
  const update = (part: CutPart) =>
    optimisers[part].apply(
      networks.variables[part].map(({ name }) => grads[name]),
      rate,
      step,
    );
  update("generator");
  update("heads");
  tf.dispose([value, grads]);
  const numbers = await parts.data();
  parts.dispose();
  const names = [
    "loss",
    "gan",
    "nce",
    ...(identity ? ["identity"] : []),
    "discriminatorFake",
    "discriminatorReal",
  ];
  return Object.fromEntries(names.map((name, i) => [name, numbers[i]])) as unknown as StepLosses;
}

/** @returns its losses before the update, to be disposed. Gradients stop at the discriminator's variables. */
function updateDiscriminator(
  networks: CutNetworks,
  optimiser: Optimiser,
  generated: tf.Tensor4D,
  real: tf.Tensor4D,
  rate: number,
  step: number,
) {
  const variables = networks.variables.discriminator as tf.Variable[];
  let loss!: ReturnType<typeof discriminatorLoss>;
  const { grads } = tf.variableGrads(() => {
    const learned = discriminatorLoss(networks.discriminate(tf.concat([generated, real], 0)));
    loss = { ...learned, fake: tf.keep(learned.fake), real: tf.keep(learned.real) };
    return learned.total;
  }, variables);
  optimiser.apply(
    variables.map(({ name }) => grads[name]),
    rate,
    step,
  );
  return loss;
}

/** @returns PatchNCE, averaged over the feature maps: of the target images and, if there are more images, of the source ones. */
function contrast(
  networks: CutNetworks,
  queries: readonly tf.Tensor4D[],
  keys: readonly tf.Tensor4D[],
  perDomain: number,
  { positions, temperature }: CutLossOptions,
  random: Random,
): tf.Tensor1D {
  const images = queries[0].shape[0];
  const places = queries.map((map) => placesOf(map, perDomain, positions, random));
  const project = (maps: readonly tf.Tensor4D[]) => {
    const rows = maps.map((map, i) => gatherRows(tf.reshape<tf.Rank.R2>(map, [-1, map.shape[3]]), places[i]));
    return networks.project(rows).map((projected) => {
      const unit = l2Normalise(projected);
      return tf.reshape<tf.Rank.R3>(unit, [images, -1, unit.shape[1]]);
    });
  };
  const fixed = project(keys).map((key) => detached(() => tf.clone(key)) as tf.Tensor3D);
  const losses = project(queries).map((query, i) => patchNce(query, fixed[i], temperature));
  const mean = tf.div(tf.addN(losses), losses.length);
  return tf.mean(tf.reshape(mean, [-1, perDomain]), 1) as tf.Tensor1D;
}
