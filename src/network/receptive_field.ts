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
  "Rescaling",
  "ClassDifference",
]);

interface WindowConfig {
  kernelSize?: number | number[];
  poolSize?: number | number[];
  strides?: number | number[];
  size?: number | number[];
  dilationRate?: number | number[];
  padding?: string;
  interpolation?: string;
}

const along = (value: number | number[] | undefined, axis: 0 | 1, otherwise: number) =>
  Array.isArray(value) ? (value[axis] ?? otherwise) : (value ?? otherwise);

/** How a layer's output pixels lie over its input pixels, along one axis. */
export interface Window {
  /** Input pixels that can change the output pixels `out`, borders aside. */
  readonly reads: (out: Interval) => Interval;
  /** Output pixels that the layer makes of the input pixels `given`, if it is given no others. */
  readonly makes: (given: Interval) => Interval;
  /** What it is given must start on a multiple of this. */
  readonly multiple: number;
  /** Pixels that it reflects at the borders of what it is given. */
  readonly reflects: number;
}

const window = (
  reads: Window["reads"],
  makes: Window["makes"],
  { multiple = 1, reflects = 0 } = {},
): Window => ({ reads, makes, multiple, reflects });

const same = (interval: Interval) => interval;
/** Each output pixel depends on `size` input pixels of its own. */
const gathered = (size: number) =>
  window(
    ([a, b]) => [a * size, b * size + size - 1],
    ([a, b]) => [a / size, Math.floor((b + 1) / size) - 1],
    { multiple: size },
  );
/** Each input pixel makes `size` output pixels. */
const spread = (size: number) =>
  window(
    ([a, b]) => [Math.floor(a / size), Math.floor(b / size)],
    ([a, b]) => [a * size, b * size + size - 1],
  );

/**
 * How a layer's output lies over its input, along rows (axis 0) or columns (1).
 * @throws Error naming a layer of which it cannot tell.
 */
export function windowOf(layer: tf.layers.Layer, axis: 0 | 1): Window {
  const kind = layer.getClassName();
  if (POINTWISE.has(kind)) return window(same, same);
  const config = layer.getConfig() as WindowConfig;
  const fail = (why: string) =>
    new Error(`layer ${layer.name} (${kind}): ${why}, so its receptive field is not known`);
  const stride = along(config.strides, axis, 1);
  switch (kind) {
    case "Conv2D":
    case "DepthwiseConv2D":
    case "SeparableConv2D": {
      const reach = (along(config.kernelSize, axis, 1) - 1) * along(config.dilationRate, axis, 1);
      // With a stride the padding of "same" depends on the image size; with an even window it is lopsided.
      if (stride !== 1) throw fail("is not a stride-1 convolution");
      if (config.padding === "valid")
        return window(
          ([a, b]) => [a, b + reach],
          ([a, b]) => [a, b - reach],
        );
      if (config.padding !== "same") throw fail("is neither a 'same' nor a 'valid' convolution");
      const before = Math.floor(reach / 2);
      return window(([a, b]) => [a - before, b - before + reach], same);
    }
    case "MaxPooling2D":
    case "AveragePooling2D": {
      const size = along(config.poolSize, axis, 2);
      if (stride !== size) throw fail("its windows overlap or leave gaps");
      return gathered(size);
    }
    case "Conv2DTranspose":
      if (along(config.kernelSize, axis, 1) !== stride)
        throw fail("its kernel is not as large as its stride");
      return spread(stride);
    case "UpSampling2D":
      if (config.interpolation === "bilinear") throw fail("is bilinear");
      return spread(along(config.size, axis, 2));
    case "ReflectionPadding": {
      const size = config.size as number;
      return window(
        ([a, b]) => [a - size, b - size],
        ([a, b]) => [a, b + 2 * size],
        { reflects: size },
      );
    }
    case "BlurDownsampling":
      return window(
        ([a, b]) => [2 * a - 1, 2 * b + 1],
        ([a, b]) => [a / 2, Math.ceil((b + 1) / 2) - 1],
        { multiple: 2, reflects: 1 },
      );
    case "BilinearUpsampling":
      return window(
        ([a, b]) => [Math.floor((a - 1) / 2), Math.floor((b + 1) / 2)],
        ([a, b]) => [2 * a, 2 * b + 1],
      );
    case "GroupNormalisation":
      throw fail("looks at the whole image (freeze it)");
    default:
      throw fail("is not a kind that is known");
  }
}

/**
 * What a layer must be given, of an input whose pixels are `extent`, to compute its output pixels `out` as it would of the whole: what
 * they depend on, with what is reflected at the ends of the extent, starting where its windows start.
 */
export function neededInterval(
  { reads, multiple, reflects }: Window,
  out: Interval,
  extent: Interval,
): Interval {
  const [lowest, highest] = extent;
  const [from, to] = reads(out);
  let first = Math.min(Math.max(from, lowest), highest);
  let last = Math.max(Math.min(to, highest), lowest);
  if (from < lowest && reflects > 0) last = Math.max(last, 2 * lowest - from);
  if (to > highest && reflects > 0) first = Math.min(first, 2 * highest - to);
  // A reflection needs more pixels than it reflects, wanted or not.
  if (last - first < reflects) last = Math.min(first + reflects, highest);
  if (last - first < reflects) first = last - reflects;
  return [lowest + Math.floor((first - lowest) / multiple) * multiple, last];
}

/** Output pixels made of one input pixel: 2 for a transposed convolution of stride 2, 1/2 for pooling by 2. */
export function zoomOf({ reads }: Window): number {
  // By how far the input moves while the output moves by 240, a multiple of every stride there is.
  return 240 / (reads([240, 240])[0] - reads([0, 0])[0]);
}

/** Pixel step at which the network looks the same again: the product of the strides on the way down. */
function alignment(model: tf.LayersModel): number {
  const steps = new Map<string, number>();
  let largest = 1;
  for (const layer of model.layers) {
    const inputs = sources(layer);
    let step = Math.max(1, ...inputs.map((tensor) => steps.get(tensor.sourceLayer.name) ?? 1));
    if (layer.getClassName() !== "InputLayer") step /= zoomOf(windowOf(layer, 0));
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
    if (layer.getClassName() === "InputLayer") continue;
    const read = windowOf(layer, axis).reads(out);
    for (const tensor of sources(layer)) want(tensor.sourceLayer.name, read);
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
