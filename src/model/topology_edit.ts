import { graphOf, type LayerJson } from "./topology.js";

type Inbound = [string, number, number, object][][];
interface Graph {
  layers: (LayerJson & { name: string; inbound_nodes: Inbound })[];
  input_layers: [string, number, number][];
  output_layers: [string, number, number][];
}

/** What is put around a network so that it takes 0..1 and answers one probability. */
export interface Surroundings {
  readonly scale: number;
  readonly offset: number;
  /** Channel of the output that is wanted, where it has several. */
  readonly channel?: { readonly index: number; readonly of: number };
  readonly sigmoid: boolean;
}

export const CHANNEL_KERNEL = "chondria_channel/kernel";

/**
 * The topology with layers before and behind it: a Rescaling of the input, a 1x1 convolution that picks a channel (its
 * kernel `CHANNEL_KERNEL`, [1, 1, of, 1], has a one at the channel), a sigmoid. An input of a fixed size becomes one of any:
 * no layer that is allowed depends on it. The given topology stays as it is.
 * @throws Error when it is no graph of the form.
 */
export function surround(topology: Record<string, unknown>, around: Surroundings): Record<string, unknown> {
  const copy = structuredClone(topology);
  const graph = graphOf(copy).config as unknown as Graph;
  if (
    !Array.isArray(graph?.layers) ||
    !Array.isArray(graph.output_layers) ||
    graph.output_layers.length !== 1
  )
    throw new Error("modelTopology: is no functional model of one output");
  const inputs = graph.layers.filter((layer) => layer.class_name === "InputLayer");
  if (inputs.length !== 1) throw new Error(`modelTopology: ${inputs.length} inputs, expected 1`);
  const [input] = inputs;
  const shape = input.config.batch_input_shape ?? input.config.batch_shape;
  if (!Array.isArray(shape) || shape.length !== 4 || shape[3] !== 1)
    throw new Error(`modelTopology: input shape ${JSON.stringify(shape)}, expected [null, y, x, 1]`);
  input.config.batch_input_shape = [null, null, null, 1];
  if (around.scale !== 1 || around.offset !== 0) {
    const name = "chondria_rescaling";
    for (const layer of graph.layers)
      for (const node of layer.inbound_nodes ?? [])
        for (const from of node) if (from[0] === input.config.name) from[0] = name;
    graph.layers.splice(graph.layers.indexOf(input) + 1, 0, {
      name,
      class_name: "Rescaling",
      config: { name, trainable: false, scale: around.scale, offset: around.offset },
      inbound_nodes: [[[String(input.config.name), 0, 0, {}]]],
    });
  }
  const append = (name: string, class_name: string, config: Record<string, unknown>) => {
    const [from, node, tensor] = graph.output_layers[0];
    graph.layers.push({
      name,
      class_name,
      config: { name, trainable: false, ...config },
      inbound_nodes: [[[from, node, tensor, {}]]],
    });
    graph.output_layers = [[name, 0, 0]];
  };
  if (around.channel !== undefined)
    append("chondria_channel", "Conv2D", {
      filters: 1,
      kernel_size: [1, 1],
      strides: [1, 1],
      padding: "same",
      data_format: "channels_last",
      dilation_rate: [1, 1],
      activation: "linear",
      use_bias: false,
    });
  if (around.sigmoid) append("chondria_sigmoid", "Activation", { activation: "sigmoid" });
  return copy;
}
