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
  let network: tf.LayersModel;
  try {
    network = await tf.loadLayersModel(
      tf.io.fromMemory({
        modelTopology: withoutInitializers(model.topology),
        weightSpecs: model.weightSpecs.map((spec) => ({ ...spec, shape: [...spec.shape] })),
        weightData: model.weightData,
      }),
    );
  } catch (error) {
    throw new ModelError(model.id, `model.json: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  const { outputs } = network;
  if (outputs.length !== 1 || outputs[0].shape.length !== 4 || outputs[0].shape[3] !== 1) {
    const shapes = outputs.map((output) => `[${output.shape.join(", ")}]`).join(", ");
    network.dispose();
    throw new ModelError(model.id, `model.json: output ${shapes}, expected [N, H, W, 1]`);
  }
  return network;
}
