import type { ReceptiveField } from "../inference/types.js";
import { tf } from "../kernels/tf.js";
import { encodeNetwork, type PackageContents } from "../model/encode.js";
import type { ModelPackage } from "../model/types.js";
import { receptiveField } from "../network/receptive_field.js";

/** A segmenter at one moment of its training, as a package would store it: what is scored is what is shipped. */
export interface Snapshot extends Pick<ModelPackage, "id" | "topology" | "weightSpecs" | "weightData"> {
  readonly field: ReceptiveField;
  /** model.json and weights.bin of a package. */
  readonly files: { readonly model: Uint8Array; readonly weights: Uint8Array };
}

/**
 * Takes down a model.
 * @param id names it in error messages.
 * @throws ModelError when a weight is not a number; Error for a layer whose reach is not known.
 */
export async function takeSnapshot(model: tf.LayersModel, id: string): Promise<Snapshot> {
  const weights: PackageContents["weights"][number][] = [];
  for (const weight of model.weights) {
    const data = (await weight.read().data()) as Float32Array;
    weights.push({ name: weight.originalName, shape: weight.shape as number[], data });
  }
  const topology = model.toJSON(null, false) as object;
  const encoded = encodeNetwork(id, { topology, weights });
  return {
    id,
    topology,
    weightSpecs: encoded.weightSpecs as unknown as Snapshot["weightSpecs"],
    weightData: encoded.weights.buffer,
    field: receptiveField(model),
    files: { model: encoded.model, weights: encoded.weights },
  };
}

/** Weights as 32-bit numbers, in the model's order. */
export async function snapshotWeights(
  snapshot: Pick<ModelPackage, "weightSpecs" | "weightData">,
): Promise<PackageContents["weights"]> {
  const specs = snapshot.weightSpecs.map((spec) => ({ ...spec, shape: [...spec.shape] }));
  const tensors = tf.io.decodeWeights(snapshot.weightData, specs);
  try {
    const weights: PackageContents["weights"][number][] = [];
    for (const { name, shape } of specs)
      weights.push({ name, shape, data: (await tensors[name].data()) as Float32Array });
    return weights;
  } finally {
    tf.dispose(tensors);
  }
}
