import type { ZipArchive } from "../model/zip.js";
import { type Hdf5Contents, readHdf5 } from "./hdf5.js";
import { kerasGraph } from "./keras_graph.js";
import {
  ExchangeError,
  type ForeignLayer,
  type ForeignWeights,
  type GraphNode,
  type LayerKind,
  type NamedTensor,
  type Role,
} from "./types.js";

const ROLES = new Set<string>(["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"]);
/** Names that Keras gives by itself. */
const AUTOMATIC = /^(conv2d|conv2d_transpose|batch_normalization)(?:_(\d+))?$/;
const KINDS: Readonly<Record<string, LayerKind>> = {
  conv2d: "Conv2D",
  conv2d_transpose: "Conv2DTranspose",
  batch_normalization: "BatchNormalization",
};
const SNAKE: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(KINDS).map(([snake, kind]) => [kind, snake]),
);
/** Where Keras 3 keeps the variables of a layer, "layers/conv2d_1/vars/0"; older ones had the other folder's name. */
const VARIABLE = /(?:^|\/)(?:layers|_layer_checkpoint_dependencies)\/([^/]+)\/vars\/(\d+)$/;

/**
 * Weights of an HDF5 file that Keras wrote: a whole model or its weights in the layout of Keras 2 (`layer_names`, which
 * Keras 3 still writes for .h5), or `.weights.h5` of Keras 3. Optimiser states and other variables are left out.
 * @throws ExchangeError naming the data set.
 */
export async function readKerasHdf5(file: string, bytes: Uint8Array): Promise<ForeignWeights> {
  const contents = await readHdf5(file, bytes);
  const config = contents.texts.get("@model_config");
  return weightsOf(file, "Keras HDF5", contents, config === undefined ? null : parseGraph(file, config));
}

/** Weights of a `.keras` archive (config.json and model.weights.h5). @throws ExchangeError, ZipError. */
export async function readKerasArchive(file: string, archive: ZipArchive): Promise<ForeignWeights> {
  const config = new TextDecoder().decode(await archive.read("config.json"));
  const contents = await readHdf5(file, await archive.read("model.weights.h5"));
  return weightsOf(file, "Keras archive", contents, parseGraph(file, config));
}

function parseGraph(file: string, text: string): Map<string, GraphNode> | null {
  try {
    return kerasGraph(text);
  } catch (cause) {
    throw new ExchangeError(file, `the description of its model is damaged (${(cause as Error).message})`, {
      cause,
    });
  }
}

function weightsOf(
  file: string,
  format: string,
  contents: Hdf5Contents,
  graph: Map<string, GraphNode> | null,
): ForeignWeights {
  const root = contents.lists.has("model_weights@layer_names") ? "model_weights" : "";
  const names = contents.lists.get(`${root}@layer_names`);
  const layers =
    names === undefined
      ? storedLayers(file, contents, graph)
      : namedLayers(file, root, names, contents, graph);
  if (layers.length === 0) throw new ExchangeError(file, "holds no weights of a Keras model");
  return { file, format, framework: "Keras", layers: inOrder(layers), graph };
}

/** Layout of Keras 2: a group for each layer, with the list of its weights. */
function namedLayers(
  file: string,
  root: string,
  names: readonly string[],
  { tensors, lists }: Hdf5Contents,
  graph: Map<string, GraphNode> | null,
): ForeignLayer[] {
  const folder = root === "" ? "" : `${root}/`;
  const layers: ForeignLayer[] = [];
  for (const name of names) {
    const weights = new Map<Role, NamedTensor>();
    for (const weight of lists.get(`${folder}${name}@weight_names`) ?? []) {
      const tensor = tensors.get(`${folder}${name}/${weight}`);
      // Integers (the state of a random generator) are no weights of the network.
      if (tensor === undefined) continue;
      const role = (weight.split("/").at(-1) ?? "").replace(/:0$/, "");
      if (!ROLES.has(role) || weights.has(role as Role))
        throw new ExchangeError(
          file,
          `${weight.slice(0, 200)}: layer ${name} is none that these networks have`,
        );
      weights.set(role as Role, tensor);
    }
    if (weights.size > 0) layers.push({ name, kind: kindOf(name, weights, graph), weights });
  }
  return layers;
}

/** Layout of Keras 3: numbered variables in groups named after classes, "conv2d_1", in the order of the model's layers. */
function storedLayers(
  file: string,
  { tensors }: Hdf5Contents,
  graph: Map<string, GraphNode> | null,
): ForeignLayer[] {
  const groups = new Map<string, NamedTensor[]>();
  for (const [path, tensor] of tensors) {
    const match = path.startsWith("optimizer") ? null : VARIABLE.exec(path);
    if (match === null) continue;
    const variables = groups.get(match[1]) ?? [];
    variables[Number(match[2]) % 100] = tensor;
    groups.set(match[1], variables);
  }
  const real = namesOfGroups(graph);
  return [...groups].map(([group, variables]) => {
    const roles = rolesOf(variables);
    if (roles === null)
      throw new ExchangeError(
        file,
        `layer ${group}: its ${variables.length} variables are of no layer that these networks have`,
      );
    const weights = new Map(roles.map((role, i) => [role, variables[i]]));
    const name = real.get(group) ?? group;
    return { name, kind: kindOf(name, weights, graph) ?? kindOf(group, weights, null), weights };
  });
}

function rolesOf(variables: readonly NamedTensor[]): Role[] | null {
  const [first, ...others] = variables;
  if (variables.includes(undefined as unknown as NamedTensor)) return null;
  if (first.shape.length === 4 && others.length <= 1)
    return ["kernel", "bias"].slice(0, variables.length) as Role[];
  if (variables.some(({ shape }) => shape.length !== 1)) return null;
  if (variables.length === 4) return ["gamma", "beta", "moving_mean", "moving_variance"];
  return variables.length === 2 ? ["moving_mean", "moving_variance"] : null;
}

/** What Keras 3 calls the group of each layer: the class in snake case, counted over the model. */
function namesOfGroups(graph: Map<string, GraphNode> | null): Map<string, string> {
  const counts = new Map<string, number>();
  const names = new Map<string, string>();
  for (const [name, { kind }] of graph ?? []) {
    const snake = SNAKE[kind];
    if (snake === undefined) continue;
    const count = counts.get(snake) ?? 0;
    counts.set(snake, count + 1);
    names.set(count === 0 ? snake : `${snake}_${count}`, name);
  }
  return names;
}

function kindOf(
  name: string,
  weights: ReadonlyMap<Role, NamedTensor>,
  graph: Map<string, GraphNode> | null,
): LayerKind | null {
  if (!weights.has("kernel")) return "BatchNormalization";
  const kind = graph?.get(name)?.kind;
  if (kind === "Conv2D" || kind === "Conv2DTranspose") return kind;
  const automatic = AUTOMATIC.exec(name);
  return automatic === null ? null : KINDS[automatic[1]];
}

/**
 * Layers in the order in which they were made: names that Keras gave count upwards (from any number: other models may have
 * been made before); others keep their place in the file, behind them.
 */
function inOrder(layers: readonly ForeignLayer[]): ForeignLayer[] {
  const key = ({ name }: ForeignLayer) => {
    const match = AUTOMATIC.exec(name);
    return match === null ? Number.POSITIVE_INFINITY : Number(match[2] ?? 0);
  };
  const automatic = layers.filter(({ name }) => AUTOMATIC.test(name)).sort((a, b) => key(a) - key(b));
  return [...automatic, ...layers.filter(({ name }) => !AUTOMATIC.test(name))];
}
