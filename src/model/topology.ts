import { LIMITS } from "./limits.js";
import type { WeightSpec } from "./schema.js";

/**
 * Layers that a package may name: all of them compute on tensors alone. The last ones are ours; `GroupNormalisation` is not among
 * them because a pixel would depend on all others, and so on its tile.
 */
const LAYERS = new Set([
  "InputLayer",
  "Conv2D",
  "Conv2DTranspose",
  "DepthwiseConv2D",
  "SeparableConv2D",
  "BatchNormalization",
  "LayerNormalization",
  "Activation",
  "ELU",
  "ReLU",
  "LeakyReLU",
  "PReLU",
  "MaxPooling2D",
  "AveragePooling2D",
  "UpSampling2D",
  "ZeroPadding2D",
  "Cropping2D",
  "Add",
  "Multiply",
  "Average",
  "Maximum",
  "Concatenate",
  "Dropout",
  "Rescaling",
  "SeededDropout",
  "ReflectionPadding",
  "BlurDownsampling",
  "BilinearUpsampling",
  "ClassDifference",
]);

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export interface LayerJson extends Json {
  class_name: string;
  config: Json;
}

/** The graph description inside a topology: `model_config` wraps it in files that Keras wrote. */
export function graphOf(topology: Json): Json {
  return isObject(topology.model_config) ? topology.model_config : topology;
}

function integers(value: unknown, most: number, where: string): number[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length > 2 || !list.every((n) => Number.isInteger(n) && n >= 1 && n <= most))
    throw new Error(`${where}: ${JSON.stringify(value)} is not within 1..${most}`);
  return list as number[];
}

function checkLayer(
  layer: unknown,
  where: string,
  weights: ReadonlyMap<string, readonly number[]>,
): LayerJson {
  if (!isObject(layer) || typeof layer.class_name !== "string" || !isObject(layer.config))
    throw new Error(`${where}: a layer needs class_name and config`);
  const { class_name: kind, config } = layer;
  if (!LAYERS.has(kind)) throw new Error(`${where}.class_name: layer ${kind} is not allowed`);
  if (typeof config.name !== "string") throw new Error(`${where}.config.name: missing`);
  for (const key of ["kernel_size", "pool_size", "strides", "size", "dilation_rate"])
    if (config[key] !== undefined && config[key] !== null)
      integers(config[key], LIMITS.kernel, `${where}.config.${key}`);
  for (const key of kind === "Rescaling" ? ["scale", "offset"] : [])
    if (typeof config[key] !== "number" || !Number.isFinite(config[key]))
      throw new Error(`${where}.config.${key}: ${JSON.stringify(config[key])} is not a number`);
  for (const key of ["padding", "cropping"])
    if (Array.isArray(config[key]) && config[key].flat().some((n) => !(n >= 0 && n <= LIMITS.halo)))
      throw new Error(`${where}.config.${key}: out of range`);
  if (config.filters !== undefined) {
    // A layer allocates its kernel from its settings, before any weight is loaded: they must agree with the weights.
    const [filters] = integers(config.filters, LIMITS.filters, `${where}.config.filters`);
    const kernel = weights.get(`${config.name}/kernel`) ?? weights.get(`${config.name}/depthwise_kernel`);
    if (kernel === undefined) throw new Error(`${where}: no weight ${config.name}/kernel`);
    if (!kernel.includes(filters))
      throw new Error(`${where}.config.filters: ${filters} does not fit weight shape [${kernel.join(", ")}]`);
  }
  return layer as LayerJson;
}

/**
 * Checks a tfjs layers topology before it is built: a flat graph of allowed layers, one input [N, any, any, 1], one
 * output, and settings that fit the weights.
 * @throws Error naming the field.
 */
export function checkTopology(topology: Json, specs: readonly WeightSpec[]): void {
  const graph = graphOf(topology);
  if (graph.class_name !== "Model" && graph.class_name !== "Functional")
    throw new Error(
      `modelTopology.class_name: ${JSON.stringify(graph.class_name)} is not a functional model`,
    );
  const config = graph.config;
  if (!isObject(config) || !Array.isArray(config.layers))
    throw new Error("modelTopology.config.layers: missing");
  if (config.layers.length > LIMITS.layers)
    throw new Error(`modelTopology.config.layers: ${config.layers.length} layers, at most ${LIMITS.layers}`);
  const weights = new Map(specs.map((spec) => [spec.name, spec.shape]));
  const layers = config.layers.map((layer, i) =>
    checkLayer(layer, `modelTopology.config.layers[${i}]`, weights),
  );
  const inputs = layers.filter((layer) => layer.class_name === "InputLayer");
  if (inputs.length !== 1) throw new Error(`modelTopology: ${inputs.length} inputs, expected 1`);
  const shape = inputs[0].config.batch_input_shape;
  if (JSON.stringify(shape) !== "[null,null,null,1]")
    throw new Error(`modelTopology: input shape ${JSON.stringify(shape)}, expected [null, null, null, 1]`);
  for (const key of ["input_layers", "output_layers"])
    if (!Array.isArray(config[key]) || config[key].length !== 1)
      throw new Error(`modelTopology.config.${key}: expected one`);
}

/**
 * The same topology with every initial value zero: the weights come from the package, so drawing random ones first only
 * costs time (and, for orthogonal initialisers, very much of it).
 */
export function withoutInitializers(topology: object): object {
  return JSON.parse(JSON.stringify(topology), (key, value) =>
    key.endsWith("_initializer") && isObject(value) ? { class_name: "Zeros", config: {} } : value,
  );
}
