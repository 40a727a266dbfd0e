import { tf } from "../kernels/tf.js";
import { withoutInitializers } from "../model/topology.js";
import { ModelError, type ModelPackage } from "../model/types.js";
// Registers the custom layers that a topology may name.
import "../network/dropout.js";

/**
 * Builds the network of a checked package on the current backend.
 * @throws ModelError when topology and weights do not make a network from [N, H, W, 1] to [N, H, W, 1].
 */
export async function loadNetwork(model: ModelPackage): Promise<tf.LayersModel> {
  const named = (error: unknown) =>
    new ModelError(model.id, `model.json: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  let network: tf.LayersModel;
  try {
    network = await tf.loadLayersModel(
      tf.io.fromMemory({ modelTopology: withoutInitializers(model.topology) }),
    );
  } catch (error) {
    throw named(error);
  }
  let weights: tf.NamedTensorMap = {};
  try {
    const shape = network.outputs.map((output) => `[${output.shape.join(", ")}]`).join(", ");
    if (shape !== "[, , , 1]") throw new Error(`output ${shape}, expected [N, H, W, 1]`);
    const specs = model.weightSpecs.map((spec) => ({ ...spec, shape: [...spec.shape] }));
    weights = tf.io.decodeWeights(model.weightData, specs);
    network.loadWeights(weights, true);
    return network;
  } catch (error) {
    network.dispose();
    throw named(error);
  } finally {
    tf.dispose(weights);
  }
}
