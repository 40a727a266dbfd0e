import type { ReceptiveField } from "../inference/types.js";
import type { tf } from "../kernels/tf.js";
import { receptiveField } from "../network/receptive_field.js";
import { graphOf, type LayerJson } from "./topology.js";

interface Graph {
  layers: (LayerJson & { inbound_nodes: [string, number, number, object][][] })[];
  input_layers: [string, number, number][];
  output_layers: [string, number, number][];
}

interface Described {
  readonly name: string;
  readonly getClassName: () => string;
  readonly getConfig: () => Record<string, unknown>;
  inboundNodes: { inputTensors: { sourceLayer: Described }[] }[];
}

const camelCase = (key: string) => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/**
 * The receptive field of a checked topology, without building it: what `receptiveField` looks at is in the description.
 * @throws Error naming a layer of which it cannot tell, or one that comes before what it reads.
 */
export function topologyField(topology: Record<string, unknown>): ReceptiveField {
  const graph = graphOf(topology).config as unknown as Graph;
  const known = new Map<string, Described>();
  const layers = graph.layers.map((layer): Described => {
    const config = Object.fromEntries(Object.entries(layer.config).map(([key, v]) => [camelCase(key), v]));
    const name = String(layer.config.name);
    const nodes = layer.inbound_nodes ?? [];
    if (nodes.length > 1) throw new Error(`modelTopology: layer ${name} is used more than once`);
    const inboundNodes = nodes.map((node) => ({
      inputTensors: node.map(([from]) => {
        const source = known.get(from);
        if (source === undefined)
          throw new Error(`modelTopology: layer ${name} reads ${from}, which does not come before it`);
        return { sourceLayer: source };
      }),
    }));
    const described = {
      name,
      getClassName: () => layer.class_name,
      getConfig: () => config,
      inboundNodes: inboundNodes.length > 0 ? inboundNodes : [{ inputTensors: [] }],
    };
    known.set(name, described);
    return described;
  });
  const tensors = (list: Graph["output_layers"]) =>
    list.map(([name]) => {
      const sourceLayer = known.get(name);
      if (sourceLayer === undefined) throw new Error(`modelTopology: there is no layer ${name}`);
      return { sourceLayer };
    });
  return receptiveField({
    layers,
    inputs: tensors(graph.input_layers),
    outputs: tensors(graph.output_layers),
  } as unknown as tf.LayersModel);
}
