import type { tf } from "../kernels/tf.js";
import { type AttentionUNetOptions, buildAttentionUNet } from "../network/attention_unet.js";
import { buildGenerator } from "../network/cut_networks.js";
import { buildDamtNet } from "../network/damt_net.js";
import { buildAttentionYNet, buildYNet } from "../network/y_nets.js";
import { activationsOf, gateOf } from "./keras_graph.js";
import { ExchangeError, type ForeignLayer, type ForeignWeights } from "./types.js";

export const ARCHITECTURES = [
  "attention-u-net",
  "attention-y-net",
  "y-net",
  "damt-net",
  "cut-generator",
] as const;
export type Architecture = (typeof ARCHITECTURES)[number];
export type Gate = AttentionUNetOptions["gate"];

/** A network made for the weights of a file. */
export interface BuiltNetwork {
  /** Every layer that the file has weights for. */
  readonly whole: tf.LayersModel;
  /** The part that is used: [N, H, W, 1] -> [N, H, W, 1], sharing its layers with `whole`. */
  readonly used: tf.LayersModel;
  /** What was inferred, for the package's record. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether the gate was not said by anybody, and shapes cannot tell. */
  readonly gateAssumed: boolean;
}

const kernelOf = (layer: ForeignLayer) => layer.weights.get("kernel")?.shape ?? [];
const square = (layer: ForeignLayer, size: number) =>
  kernelOf(layer)[0] === size && kernelOf(layer)[1] === size;

/** Feature maps of the first convolution: the one that reads the single channel of the image. */
function firstWidth({ file, layers }: ForeignWeights, size: number): number {
  const first = layers.find((layer) => square(layer, size) && kernelOf(layer)[2] === 1);
  if (first === undefined)
    throw new ExchangeError(
      file,
      `has no ${size}x${size} convolution of one channel, with which the network begins`,
    );
  return kernelOf(first)[3];
}

/** Feature maps of each level, by following the 2x2 transposed convolutions from the finest to the bottleneck. */
function filtersOf(foreign: ForeignWeights, decoders: number): number[] {
  const counts = new Map<string, number>();
  for (const layer of foreign.layers)
    if (square(layer, 2) && layer.kind !== "Conv2D") {
      const step = kernelOf(layer).slice(2).join();
      counts.set(step, (counts.get(step) ?? 0) + 1 / decoders);
    }
  const filters = [firstWidth(foreign, 3)];
  for (;;) {
    const from = filters.at(-1);
    const next = [...counts].find(([step, count]) => count > 0 && step.startsWith(`${from},`))?.[0];
    if (next === undefined) break;
    counts.set(next, (counts.get(next) ?? 0) - 1);
    filters.push(Number(next.split(",")[1]));
  }
  if (filters.length < 2)
    throw new ExchangeError(
      foreign.file,
      `has no 2x2 transposed convolution to ${filters[0]} feature maps, as a decoder ends with`,
    );
  return filters;
}

function attentionOptions(
  foreign: ForeignWeights,
  decoders: number,
  gate: Gate | undefined,
): { options: AttentionUNetOptions; gateAssumed: boolean } {
  const filters = filtersOf(foreign, decoders);
  const { graph, layers, file } = foreign;
  if (graph !== null) {
    const activations = activationsOf(graph);
    if (!activations.has("elu"))
      throw new ExchangeError(
        file,
        `its layers are activated by ${[...activations].join(", ") || "nothing"}; this architecture has ELU`,
      );
  }
  const described = graph === null ? null : gateOf(graph);
  if (gate !== undefined && described !== null && gate !== described)
    throw new ExchangeError(file, `describes the ${described} gate, not ${gate}`);
  return {
    options: {
      filters,
      normalisation: layers.some(({ kind }) => kind === "BatchNormalization") ? "batch" : "none",
      gate: gate ?? described ?? "paper",
      dropout: "none",
      dropoutRates: filters.map(() => 0),
      seed: 1,
    },
    gateAssumed: gate === undefined && described === null,
  };
}

/**
 * Builds the network that a file's weights are of: widths, depth and normalisation from the shapes, the gate from the
 * model's description where the file has one.
 * @param gate Needed where nothing says it; "paper" is assumed.
 * @throws ExchangeError when the shapes do not begin to fit.
 */
export function buildFor(foreign: ForeignWeights, architecture: Architecture, gate?: Gate): BuiltNetwork {
  if (architecture === "attention-u-net") {
    const { options, gateAssumed } = attentionOptions(foreign, 1, gate);
    const { model } = buildAttentionUNet(options);
    return { whole: model, used: model, options: { ...options }, gateAssumed };
  }
  if (architecture === "attention-y-net") {
    const { options, gateAssumed } = attentionOptions(foreign, 2, gate);
    const { logits, segmenter } = buildAttentionYNet(options);
    return { whole: logits, used: segmenter, options: { ...options }, gateAssumed };
  }
  if (architecture === "y-net") {
    const options = { filters: filtersOf(foreign, 2), seed: 1 };
    const { logits, segmenter } = buildYNet(options);
    return { whole: logits, used: segmenter, options, gateAssumed: false };
  }
  if (architecture === "damt-net") {
    const options = { base: firstWidth(foreign, 3), seed: 1 };
    const { training, segmenter } = buildDamtNet(options);
    return { whole: training, used: segmenter, options, gateAssumed: false };
  }
  const base = firstWidth(foreign, 7);
  const inner = foreign.layers.filter(
    (layer) => square(layer, 3) && kernelOf(layer)[2] === 4 * base && kernelOf(layer)[3] === 4 * base,
  );
  const options = { base, blocks: Math.max(1, Math.ceil(inner.length / 2)), seed: 1 };
  const { model } = buildGenerator(options);
  return { whole: model, used: model, options, gateAssumed: false };
}
