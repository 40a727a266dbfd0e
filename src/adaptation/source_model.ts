import { tf } from "../kernels/tf.js";
import type { ChondriaConfig, ModelPackage } from "../model/types.js";
import { buildAttentionUNet } from "../network/attention_unet.js";
import { sourceNetworkOf } from "./source_network.js";
import type { SourceModel } from "./types.js";

/**
 * Takes a package's network as the one to start an adaptation from.
 * @throws Error saying why, when the package is not a single Attention U-Net as `training.settings.network` describes it.
 */
export async function sourceModelOf(
  model: Pick<ModelPackage, "id" | "weightSpecs" | "weightData"> & {
    readonly config: Pick<ChondriaConfig, "training">;
  },
): Promise<SourceModel> {
  const network = sourceNetworkOf(model.config);
  if (network === null)
    throw new Error(
      `the model ${model.id} does not say with which Attention U-Net it was trained: adapt from a source-only model`,
    );
  if (!hasLevels(model, network.filters)) throw notThatNetwork(model);
  const stored = new Map<string, tf.Tensor>(
    Object.entries(
      tf.io.decodeWeights(
        model.weightData,
        model.weightSpecs.map((spec) => ({ ...spec, shape: [...spec.shape] })),
      ),
    ),
  );
  const built = buildAttentionUNet({ ...network, dropout: "none" }).model;
  try {
    const fits =
      stored.size === built.weights.length &&
      built.weights.every(
        ({ originalName, shape }) => stored.get(originalName)?.shape.join() === shape.join(),
      );
    if (!fits) throw notThatNetwork(model);
    const weights: Float32Array[] = [];
    // A copy: on some backends data() is the tensor's own memory.
    for (const { originalName } of built.weights)
      weights.push(Float32Array.from((await stored.get(originalName)!.data()) as Float32Array));
    return { network, weights };
  } finally {
    tf.dispose([...stored.values()]);
    built.dispose();
  }
}

/** Whether each level's kernel is among the weights, so that a lie about the filters cannot allocate more than the file has. */
function hasLevels({ weightSpecs }: Pick<ModelPackage, "weightSpecs">, filters: readonly number[]): boolean {
  const kernels = weightSpecs.map(({ shape }) => shape.join());
  return filters.every((count) => {
    const levels = filters.filter((other) => other === count).length;
    return kernels.filter((shape) => shape === [3, 3, count, count].join()).length >= levels;
  });
}

function notThatNetwork({ id }: Pick<ModelPackage, "id">): Error {
  return new Error(
    `the model ${id} is not the one Attention U-Net that it was trained with (a chain of networks, or one from elsewhere): adapt from a source-only model`,
  );
}
