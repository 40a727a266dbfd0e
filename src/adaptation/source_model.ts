import * as v from "valibot";
import { tf } from "../kernels/tf.js";
import type { ChondriaConfig, ModelPackage } from "../model/types.js";
import { type AttentionUNetOptions, buildAttentionUNet } from "../network/attention_unet.js";
import type { SourceModel } from "./types.js";

const rate = v.pipe(v.number(), v.minValue(0), v.ltValue(1));
const networkSchema = v.object({
  filters: v.pipe(
    v.array(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4096))),
    v.minLength(2),
    v.maxLength(8),
  ),
  normalisation: v.picklist(["none", "batch"]),
  gate: v.picklist(["paper", "textbook"]),
  dropout: v.picklist(["element", "spatial", "none"]),
  dropoutRates: v.array(rate),
  seed: v.pipe(v.number(), v.safeInteger()),
});

/**
 * The network that a package says it was trained with, as far as it is one that strategies can start from; null for any
 * other (a chain of networks, a model from elsewhere). Cheap: for lists and tooltips; `sourceModelOf` says whether it is true.
 */
export function sourceNetworkOf({ training }: Pick<ChondriaConfig, "training">): AttentionUNetOptions | null {
  const result = v.safeParse(networkSchema, training.settings.network);
  if (!result.success) return null;
  const { output } = result;
  return output.dropoutRates.length === output.filters.length ? output : null;
}

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
