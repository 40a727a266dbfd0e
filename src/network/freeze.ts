import { groupMoments } from "../kernels/group_norm.js";
import { tf } from "../kernels/tf.js";
import { inferenceCopy } from "./graft.js";
import { GroupNormalisation } from "./group_normalisation.js";

interface Statistics {
  /** [C] each. */
  readonly mean: tf.Tensor1D;
  readonly variance: tf.Tensor1D;
}

/** Means over images of what `groupMoments` finds in each of them. */
function averageMoments(images: readonly tf.Tensor[], groups: number): Statistics {
  return tf.tidy(() => {
    const moments = images.map((image) => groupMoments(image, groups));
    const average = (of: "mean" | "variance") => {
      const all = tf.concat(
        moments.map((m) => m[of]),
        0,
      );
      return tf.reshape(tf.mean(all, 0), [-1]) as tf.Tensor1D;
    };
    return { mean: average("mean"), variance: average("variance") };
  });
}

function fixed({ mean, variance }: Statistics, epsilon: number) {
  return (x: tf.Tensor) => tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, epsilon)));
}

/**
 * The statistics of each GroupNormalisation layer, from the input to the output: all images go through a layer together, and
 * the layers behind see them normalised by the averages, as they will be.
 */
function measure(model: tf.LayersModel, images: readonly tf.Tensor4D[]): Map<string, Statistics> {
  const statistics = new Map<string, Statistics>();
  const left = new Map<string, number>();
  const inputsOf = (layer: tf.layers.Layer) =>
    (layer.inboundNodes[0].inputTensors as tf.SymbolicTensor[]).map((tensor) => tensor.sourceLayer.name);
  for (const layer of model.layers)
    if (layer.getClassName() !== "InputLayer")
      for (const name of inputsOf(layer)) left.set(name, (left.get(name) ?? 0) + 1);
  const computed = new Map<string, tf.Tensor[]>();
  for (const layer of model.layers) {
    if (layer.getClassName() === "InputLayer") {
      computed.set(
        layer.name,
        images.map((image) => tf.clone(image)),
      );
      continue;
    }
    const names = inputsOf(layer);
    const sources = names.map((name) => computed.get(name) as tf.Tensor[]);
    let run: (inputs: tf.Tensor[]) => tf.Tensor = (inputs) =>
      layer.apply(inputs.length === 1 ? inputs[0] : inputs) as tf.Tensor;
    if (layer instanceof GroupNormalisation) {
      const found = averageMoments(sources[0], layer.groups);
      statistics.set(layer.name, found);
      const normalise = fixed(found, layer.epsilon);
      run = ([x]) => normalise(x);
    }
    computed.set(
      layer.name,
      images.map((_, i) => tf.tidy(() => run(sources.map((source) => source[i])))),
    );
    for (const name of names) {
      const remaining = (left.get(name) as number) - 1;
      left.set(name, remaining);
      if (remaining === 0) tf.dispose(computed.get(name) as tf.Tensor[]);
    }
  }
  tf.dispose(computed.get(model.outputs[0].sourceLayer.name) as tf.Tensor[]);
  return statistics;
}

/**
 * An inference copy of a model whose group and instance normalisations stand still: each becomes a batch normalisation (no scale, no centre)
 * that holds the mean over `images` of the per-image mean and variance. The originals look at the whole image, so a pixel
 * would depend on its tile; images of one volume have nearly the same statistics. A model without them is just copied.
 *
 * @param model One input [N, H, W, C], one output; weights are copied, so that it may train on.
 * @param images [1, H, W, C] each (or [N, ...]), of sizes that the model takes. All of them go through at once: the memory is that of
 * the widest layer times all images. Not disposed.
 * @throws Error when there is no image.
 */
export function freeze(model: tf.LayersModel, images: readonly tf.Tensor4D[]): tf.LayersModel {
  if (images.length === 0) throw new Error("freezing normalisation needs at least one image");
  const statistics = measure(model, images);
  return inferenceCopy(model, (layer, name) => {
    if (!(layer instanceof GroupNormalisation)) return undefined;
    const { mean, variance } = statistics.get(layer.name) as Statistics;
    const { epsilon } = layer;
    return {
      layer: tf.layers.batchNormalization({ name, axis: 3, epsilon, center: false, scale: false }),
      weights: [mean, variance],
    };
  });
}
