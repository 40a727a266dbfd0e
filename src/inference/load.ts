import { tf } from "../kernels/tf.js";
import { withoutInitializers } from "../model/topology.js";
import { ModelError, type ModelPackage } from "../model/types.js";
import { foldTopology, type Weights } from "./fold.js";
// Registers the custom layers that a topology may name.
import "../network/register.js";

/** What of a package its network is built from. */
export type StoredNetwork = Pick<ModelPackage, "id" | "topology" | "weightSpecs" | "weightData">;

/**
 * Builds the network of a checked package on the current backend.
 * @throws ModelError when topology and weights do not make a network from [N, H, W, 1] to [N, H, W, 1].
 */
export async function loadNetwork(model: StoredNetwork): Promise<tf.LayersModel> {
  const named = (error: unknown) =>
    new ModelError(model.id, `model.json: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  const decoded = await decode(model);
  let network: tf.LayersModel;
  try {
    const modelTopology = foldTopology(withoutInitializers(model.topology), decoded);
    network = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology }));
  } catch (error) {
    throw named(error);
  }
  const weights: tf.NamedTensorMap = {};
  try {
    const shape = network.outputs.map((output) => `[${output.shape.join(", ")}]`).join(", ");
    if (shape !== "[, , , 1]") throw new Error(`output ${shape}, expected [N, H, W, 1]`);
    for (const [name, { data, shape }] of decoded) weights[name] = tf.tensor(data, [...shape]);
    network.loadWeights(weights, true);
    return network;
  } catch (error) {
    network.dispose();
    throw named(error);
  } finally {
    tf.dispose(weights);
  }
}

/** Weights as 32-bit numbers. */
async function decode(model: StoredNetwork): Promise<Weights> {
  const specs = model.weightSpecs.map((spec) => ({ ...spec, shape: [...spec.shape] }));
  const tensors = tf.io.decodeWeights(model.weightData, specs);
  try {
    const weights: Weights = new Map();
    for (const [name, tensor] of Object.entries(tensors))
      weights.set(name, { shape: tensor.shape, data: (await tensor.data()) as Float32Array });
    return weights;
  } finally {
    tf.dispose(tensors);
  }
}
