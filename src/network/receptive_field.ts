import type { ReceptiveField } from "../inference/types.js";
import type { tf } from "../kernels/tf.js";

/** Pixels first..last of a layer's output, along one axis, that matter. */
export type Interval = readonly [first: number, last: number];

/** Layers whose output at a pixel depends on that pixel of their inputs alone (at inference). */
const POINTWISE = new Set([
  "Activation",
  "ELU",
  "ReLU",
  "LeakyReLU",
  "PReLU",
  "Add",
  "Multiply",
  "Average",
  "Maximum",
  "Concatenate",
  "BatchNormalization",
  "Dropout",
  "SpatialDropout2D",
  "SeededDropout",
]);

interface WindowConfig {
  kernelSize?: number | number[];
  poolSize?: number | number[];
  strides?: number | number[];
  size?: number | number[];
  dilationRate?: number | number[];
  padding?: string;
}

const along = (value: number | number[] | undefined, axis: 0 | 1, otherwise: number) =>
  Array.isArray(value) ? (value[axis] ?? otherwise) : (value ?? otherwise);

/** Which pixels of a layer's inputs can change its output pixels `out`, along rows (axis 0) or columns (1). */
export function inputInterval(layer: tf.layers.Layer, out: Interval, axis: 0 | 1): Interval {
  const kind = layer.getClassName();
  if (POINTWISE.has(kind)) return out;
  const config = layer.getConfig() as WindowConfig;
  const fail = (why: string) =>
    new Error(`layer ${layer.name} (${kind}): ${why}, so its receptive field is not known`);
  const stride = along(config.strides, axis, 1);
  if (kind === "Conv2D" || kind === "DepthwiseConv2D" || kind === "SeparableConv2D") {
    const kernel = along(config.kernelSize, axis, 1);
    const reach = (kernel - 1) * along(config.dilationRate, axis, 1);
    // With a stride the padding of "same" depends on the image size; with an even window it is lopsided.
    if (config.padding !== "same" || stride !== 1) throw fail("is not a stride-1 'same' convolution");
    const before = Math.floor(reach / 2);
    return [out[0] - before, out[1] - before + reach];
  }
  if (kind === "MaxPooling2D" || kind === "AveragePooling2D") {
    const size = along(config.poolSize, axis, 2);
    if (stride !== size) throw fail("its windows overlap or leave gaps");
    return [out[0] * size, out[1] * size + size - 1];
  }
  if (kind === "Conv2DTranspose") {
    const kernel = along(config.kernelSize, axis, 1);
    if (kernel !== stride) throw fail("its kernel is not as large as its stride");
    return [Math.floor(out[0] / stride), Math.floor(out[1] / stride)];
  }
  if (kind === "UpSampling2D") {
    if ((layer.getConfig() as { interpolation?: string }).interpolation === "bilinear")
      throw fail("is bilinear");
    const size = along(config.size, axis, 2);
    return [Math.floor(out[0] / size), Math.floor(out[1] / size)];
  }
  throw fail("is not a kind that is known");
}

/** Pixel step at which the network looks the same again: the product of the strides on the way down. */
function alignment(model: tf.LayersModel): number {
  const steps = new Map<string, number>();
  let largest = 1;
  for (const layer of model.layers) {
    const inputs = sources(layer);
    let step = Math.max(1, ...inputs.map((tensor) => steps.get(tensor.sourceLayer.name) ?? 1));
    const config = layer.getConfig() as WindowConfig;
    const kind = layer.getClassName();
    if (kind.endsWith("Pooling2D")) step *= along(config.strides, 0, 2);
    if (kind === "Conv2DTranspose") step /= along(config.strides, 0, 1);
    if (kind === "UpSampling2D") step /= along(config.size, 0, 2);
    steps.set(layer.name, step);
    largest = Math.max(largest, step);
  }
  return largest;
}

function sources(layer: tf.layers.Layer): tf.SymbolicTensor[] {
  if (layer.inboundNodes.length === 0) return [];
  return layer.inboundNodes[0].inputTensors as tf.SymbolicTensor[];
}

/** Extent of the input pixels, relative to an output pixel, that can change it. */
export interface Reach {
  /** Pixels towards lower indices. */
  readonly before: number;
  /** Pixels towards higher indices. */
  readonly after: number;
}

/**
 * The reach of output pixel `position` along an axis, by walking the graph from the output to the input: a window of each
 * layer at a time, the union over all paths. Exact for a network of positive weights: no pixel outside can change the
 * output, and the outermost ones can.
 */
export function reachAt(model: tf.LayersModel, position: number, axis: 0 | 1): Reach {
  if (model.inputs.length !== 1 || model.outputs.length !== 1)
    throw new Error("the network needs one input and one output");
  const needed = new Map<string, Interval>();
  const want = (name: string, [first, last]: Interval) => {
    const had = needed.get(name);
    needed.set(name, had ? [Math.min(had[0], first), Math.max(had[1], last)] : [first, last]);
  };
  want(model.outputs[0].sourceLayer.name, [position, position]);
  // tfjs keeps layers in the order of computation: from the back, each is complete before it is expanded.
  for (const layer of [...model.layers].reverse()) {
    const out = needed.get(layer.name);
    if (!out) continue;
    for (const tensor of sources(layer)) {
      if (layer.getClassName() !== "InputLayer")
        want(tensor.sourceLayer.name, inputInterval(layer, out, axis));
    }
  }
  const input = needed.get(model.inputs[0].sourceLayer.name);
  if (!input) throw new Error("the network's output does not depend on its input");
  return { before: position - input[0], after: input[1] - position };
}

/**
 * What the network needs around a pixel: `halo`, the farthest reach of any pixel of any alignment, rounded up to a
 * multiple of `multiple`, on which tiles must begin so that pooling windows fall alike in all of them.
 * @throws Error naming a layer of which it cannot tell.
 */
export function receptiveField(model: tf.LayersModel): ReceptiveField {
  const multiple = alignment(model);
  let reach = 0;
  for (const axis of [0, 1] as const) {
    for (let position = 0; position < multiple; position++) {
      const { before, after } = reachAt(model, position, axis);
      reach = Math.max(reach, before, after);
    }
  }
  return { halo: Math.ceil(reach / multiple) * multiple, multiple };
}
