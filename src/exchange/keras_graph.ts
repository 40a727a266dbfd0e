import { assertPlain } from "../model/json.js";
import type { GraphNode } from "./types.js";

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Layers that hand their input on: what a gate or a normalisation "reads" is looked for behind them. */
const PASSING = new Set(["Activation", "ReLU", "ELU", "LeakyReLU", "Dropout", "SpatialDropout2D"]);

/**
 * Layers of a functional model as Keras 2 or 3 describes it (`model_config`, `config.json`), by name and in the
 * model's order. null where the text describes no functional model.
 * @throws Error when it is no JSON.
 */
export function kerasGraph(text: string): Map<string, GraphNode> | null {
  const json: unknown = JSON.parse(text);
  assertPlain(json);
  const config = isObject(json) && isObject(json.config) ? json.config : null;
  if (config === null || !Array.isArray(config.layers)) return null;
  const names = new Set<string>();
  for (const layer of config.layers) if (isObject(layer) && isObject(layer.config)) names.add(nameOf(layer));
  const graph = new Map<string, GraphNode>();
  for (const layer of config.layers) {
    if (!isObject(layer) || typeof layer.class_name !== "string" || !isObject(layer.config)) return null;
    graph.set(nameOf(layer), {
      kind: layer.class_name,
      config: layer.config,
      inputs: [...sources(layer.inbound_nodes, names)],
    });
  }
  return graph;
}

const nameOf = (layer: Json) => String((layer.config as Json).name);

/** Names of layers in `inbound_nodes`: ["name", 0, 0, {}] in Keras 2, "keras_history": ["name", 0, 0] in Keras 3. */
function* sources(value: unknown, names: ReadonlySet<string>): Generator<string> {
  if (Array.isArray(value)) {
    const [first, node] = value;
    if (typeof first === "string" && typeof node === "number" && names.has(first)) yield first;
    else for (const item of value) yield* sources(item, names);
  } else if (isObject(value)) for (const item of Object.values(value)) yield* sources(item, names);
}

/** The layer that `name` reads first, looked for behind layers that only hand on; undefined at an input. */
export function sourceOf(graph: ReadonlyMap<string, GraphNode>, name: string): string | undefined {
  let at = graph.get(name)?.inputs[0];
  for (let steps = 0; at !== undefined && steps < graph.size; steps++) {
    const node = graph.get(at);
    if (node === undefined || !PASSING.has(node.kind)) return at;
    at = node.inputs[0];
  }
  return at;
}

/** Where a gate takes its feature from: the up-sampled decoder feature (as the authors' code) or the skip. */
export function gateOf(graph: ReadonlyMap<string, GraphNode>): "paper" | "textbook" | null {
  const gate = [...graph.values()].find(({ kind }) => kind === "Multiply");
  if (gate === undefined || gate.inputs.length !== 2) return null;
  return gate.inputs.some((input) => graph.get(input)?.kind === "Conv2DTranspose") ? "paper" : "textbook";
}

/** Activations that the model uses, by their names in Keras. */
export function activationsOf(graph: ReadonlyMap<string, GraphNode>): Set<string> {
  const found = new Set<string>();
  for (const { kind, config } of graph.values()) {
    if (kind === "ELU" || kind === "ReLU" || kind === "LeakyReLU") found.add(kind.toLowerCase());
    if (typeof config.activation === "string" && config.activation !== "linear") found.add(config.activation);
  }
  return found;
}
