import { tf } from "../kernels/tf.js";
// Every layer class that a copy may be made of.
import "./register.js";
import { imageInput, type Node } from "./unet_blocks.js";

/** What takes the place of a layer. */
export interface Replacement {
  readonly layer: tf.layers.Layer;
  /** In the order of the layer's weights; disposed once they are set. */
  readonly weights: tf.Tensor[];
}

export interface GraftOptions {
  /** Put before the names of the layers. */
  readonly prefix?: string;
  /** "skip" leaves a layer of one input out; undefined copies it. @param name with the prefix. */
  readonly replace?: (layer: tf.layers.Layer, name: string) => Replacement | "skip" | undefined;
}

interface LayerClass {
  new (config: tf.serialization.ConfigDict): tf.layers.Layer;
  fromConfig(type: LayerClass, config: tf.serialization.ConfigDict): tf.layers.Layer;
}

/** A new layer of the same settings, its weights zero: drawing random ones that are overwritten would only cost time. */
function sameLayer(layer: tf.layers.Layer, name: string): tf.layers.Layer {
  const type = layer.constructor as unknown as LayerClass;
  const config: tf.serialization.ConfigDict = { ...layer.getConfig(), name };
  for (const key of Object.keys(config)) if (key.endsWith("Initializer")) config[key] = "zeros";
  return type.fromConfig(type, config);
}

/**
 * Copies a model of one input and one output, with its weights, onto a tensor: layers that the output does not depend on and
 * dropout stay behind. Several of these one upon the other make one flat functional model.
 * @returns the tensor of the copied output.
 * @throws Error when the model has several inputs or outputs, or a layer is used more than once.
 */
export function graft(model: tf.LayersModel, input: Node, { prefix = "", replace }: GraftOptions = {}): Node {
  if (model.inputs.length !== 1 || model.outputs.length !== 1)
    throw new Error(
      `model ${model.name} has ${model.inputs.length} inputs and ${model.outputs.length} outputs`,
    );
  const copied = new Map<string, Node>();
  for (const layer of model.layers) {
    if (layer.getClassName() === "InputLayer") {
      copied.set(layer.name, input);
      continue;
    }
    if (layer.inboundNodes.length !== 1) throw new Error(`layer ${layer.name} is used more than once`);
    const inputs = (layer.inboundNodes[0].inputTensors as Node[]).map(
      (tensor) => copied.get(tensor.sourceLayer.name) as Node,
    );
    const name = prefix + layer.name;
    const instead = layer.getClassName() === "SeededDropout" ? "skip" : replace?.(layer, name);
    if (instead === "skip") {
      copied.set(layer.name, inputs[0]);
      continue;
    }
    const copy = instead?.layer ?? sameLayer(layer, name);
    copied.set(layer.name, copy.apply(inputs.length === 1 ? inputs[0] : inputs) as Node);
    copy.setWeights(instead?.weights ?? layer.getWeights());
    tf.dispose(instead?.weights ?? []);
  }
  return copied.get(model.outputs[0].sourceLayer.name) as Node;
}

/**
 * A model of its own for inference: the layers that the output depends on, without dropout, with copies of the weights. For
 * snapshots of a network that trains on.
 */
export function inferenceCopy(model: tf.LayersModel, replace?: GraftOptions["replace"]): tf.LayersModel {
  const input = imageInput("em", model.inputs[0].shape[3] as number);
  return tf.model({ inputs: input, outputs: graft(model, input, { replace }), name: model.name });
}

/**
 * Stylise, then segment, as one flat model of raw images: [N, H, W, 1] in 0..1 is scaled to -1..1 for the generator and its
 * answer back to 0..1 for the segmenter. Layers are named "style_..." and "segment_...". Copies weights; the generator's
 * normalisation must have been frozen for the prediction not to depend on its tile.
 */
export function chain(generator: tf.LayersModel, segmenter: tf.LayersModel): tf.LayersModel {
  const input = imageInput();
  const signed = tf.layers.rescaling({ name: "signed", scale: 2, offset: -1 }).apply(input) as Node;
  const stylised = graft(generator, signed, { prefix: "style_" });
  const unsigned = tf.layers.rescaling({ name: "unsigned", scale: 0.5, offset: 0.5 }).apply(stylised) as Node;
  const output = graft(segmenter, unsigned, { prefix: "segment_" });
  return tf.model({ inputs: input, outputs: output, name: "stylise_and_segment" });
}
