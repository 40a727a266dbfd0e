import { graphOf, type LayerJson } from "../model/topology.js";

/** Decoded weights by name. */
export type Weights = Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

type InboundNodes = [string, number, number, object][][];

interface GraphJson {
  layers: (LayerJson & { inbound_nodes: InboundNodes })[];
  output_layers: [string, number, number][];
}

/** Activations that a convolution applies itself in tfjs (`mapActivationToFusedKernel`). */
const FUSED = new Set(["elu", "relu"]);

/** The layer that `layer` alone reads, if it is a linear convolution that nothing else reads. */
function convolutionBefore(graph: GraphJson, layer: GraphJson["layers"][number]) {
  if (layer.inbound_nodes.length !== 1 || layer.inbound_nodes[0].length !== 1) return undefined;
  const name = layer.inbound_nodes[0][0][0];
  const before = graph.layers.find((other) => other.config.name === name);
  const readers = graph.layers.filter((other) =>
    other.inbound_nodes.some((node) => node.some(([from]) => from === name)),
  );
  const linear = before?.class_name === "Conv2D" && before.config.activation === "linear";
  const isOutput = graph.output_layers.some(([output]) => output === name);
  return linear && readers.length === 1 && !isOutput ? before : undefined;
}

/** Takes a layer out: who read it reads `instead`. */
function remove(graph: GraphJson, layer: GraphJson["layers"][number], instead: string): void {
  const { name } = layer.config;
  graph.layers.splice(graph.layers.indexOf(layer), 1);
  for (const other of graph.layers)
    for (const node of other.inbound_nodes) for (const from of node) if (from[0] === name) from[0] = instead;
  for (const output of graph.output_layers) if (output[0] === name) output[0] = instead;
}

/**
 * Batch normalisation at inference is y = gamma (x - mean) / sqrt(variance + epsilon) + beta, a scale and a shift of each feature map
 * (Ioffe & Szegedy, 2015): both go into the convolution before it.
 */
function foldNormalisation(conv: LayerJson, norm: LayerJson, weights: Weights): void {
  const take = (name: string, needed: boolean) => {
    const key = `${norm.config.name}/${name}`;
    const weight = weights.get(key);
    if (needed && weight === undefined) throw new Error(`no weight ${key}`);
    weights.delete(key);
    return weight?.data;
  };
  const kernel = weights.get(`${conv.config.name}/kernel`);
  const mean = take("moving_mean", true);
  const variance = take("moving_variance", true);
  if (kernel === undefined || mean === undefined || variance === undefined)
    throw new Error(`no weight ${conv.config.name}/kernel`);
  const gamma = take("gamma", false);
  const beta = take("beta", false);
  const { shape, data } = kernel;
  const filters = shape[3];
  const epsilon = norm.config.epsilon as number;
  const factor = Float64Array.from(
    { length: filters },
    (_, i) => (gamma?.[i] ?? 1) / Math.sqrt(variance[i] + epsilon),
  );
  const bias = weights.get(`${conv.config.name}/bias`)?.data;
  weights.set(`${conv.config.name}/kernel`, {
    shape,
    data: data.map((value, i) => value * factor[i % filters]),
  });
  weights.set(`${conv.config.name}/bias`, {
    shape: [filters],
    data: Float32Array.from(factor, (f, i) => ((bias?.[i] ?? 0) - mean[i]) * f + (beta?.[i] ?? 0)),
  });
  conv.config.use_bias = true;
}

/**
 * The same network with fewer layers: batch normalisations and activations that follow a convolution become part of it. Changes
 * probabilities by rounding only, in the same way on every host.
 * @param topology As in a checked package; left as it is.
 * @param weights Changed in place.
 * @returns The shorter topology.
 */
export function foldTopology(topology: object, weights: Weights): object {
  const copy = structuredClone(topology) as Record<string, unknown>;
  const graph = graphOf(copy).config as unknown as GraphJson;
  for (const layer of [...graph.layers]) {
    const conv = convolutionBefore(graph, layer);
    if (conv === undefined) continue;
    if (layer.class_name === "BatchNormalization" && [3, -1].includes(axisOf(layer)))
      foldNormalisation(conv, layer, weights);
    else if (layer.class_name === "Activation" && FUSED.has(layer.config.activation as string))
      conv.config.activation = layer.config.activation;
    else continue;
    remove(graph, layer, conv.config.name as string);
  }
  return copy;
}

function axisOf(layer: LayerJson): number {
  const { axis } = layer.config;
  return (Array.isArray(axis) ? axis[0] : axis) as number;
}
