import { sourceOf } from "./keras_graph.js";
import type { Slot } from "./slots.js";
import { ExchangeError, type ForeignLayer, type ForeignWeights } from "./types.js";

/** A convolution of the file, and its normalisation, for a slot of the network. */
export interface Match {
  readonly slot: Slot;
  readonly layer: ForeignLayer;
  readonly norm: ForeignLayer | null;
}

/** Layers of one shape that order alone may confuse. */
type Place = "gate of skip" | "gate of decoder" | "image" | "mask";

const PLACES_BY_SLOT: readonly (readonly [RegExp, Place])[] = [
  [/_attention_skip$/, "gate of skip"],
  [/_attention_up$/, "gate of decoder"],
  [/^(?:reconstruct\d|image$)/, "image"],
  [/^logits$/, "mask"],
];
/** By names that people give: W_x or theta for the skip and W_g or phi for the gating signal are those of Oktay et al. (2018). */
const PLACES_BY_NAME: readonly (readonly [RegExp, Place])[] = [
  [/(?:^|[._])(?:w_?x|w_?l|theta|skip)(?:[._]|$)/i, "gate of skip"],
  [/(?:^|[._])(?:w_?g|phi|gating)(?:[._]|$)/i, "gate of decoder"],
  [/(?:^|[._])(?:rec(?:on\w*)?|ae|autoencoder|img|image)(?:[._]|$)/i, "image"],
  [/^mask$/i, "mask"],
];
/** Stages of a U-Net by the words of its module names. */
const STAGES: readonly RegExp[] = [
  /^(?:enc\w*|down\w*|contract\w*)$/i,
  /^(?:bottle\w*|bottom|cent\w*|mid\w*|bridge)$/i,
  /^(?:dec\w*|up\w*|expan\w*|segmentation|domain|rec\w*)$/i,
  /^(?:last\w*|out\w*|head\w*|final\w*|logits|mask|pred\w*)$/i,
];

const isConvolution = ({ weights }: ForeignLayer) => weights.has("kernel");
const shapeOf = (layer: ForeignLayer) => layer.weights.get("kernel")?.shape ?? [];
const text = (shape: readonly number[]) => `[${shape.join(", ")}]`;
const same = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/**
 * Which layer of the file goes where. By name where the file has Chondria's names; else in order: each slot takes the first
 * layer left that has its shape and is not known, by name or by the model's description, to belong elsewhere.
 * @throws ExchangeError naming the first slot that nothing fits, or the first layer that is left over.
 */
export function matchLayers(foreign: ForeignWeights, slots: readonly Slot[]): Match[] {
  const convolutions = foreign.layers.filter(isConvolution);
  const pairs = byName(slots, convolutions) ?? inOrder(foreign, slots, convolutions);
  const norms = normsOf(foreign, pairs);
  return pairs.map(({ slot, layer }) => ({ slot, layer, norm: norms.get(slot) ?? null }));
}

type Pair = Omit<Match, "norm">;

function byName(slots: readonly Slot[], layers: readonly ForeignLayer[]): Pair[] | null {
  const named = new Map(layers.map((layer) => [layer.name, layer]));
  const pairs: Pair[] = [];
  for (const slot of slots) {
    const layer = named.get(slot.name);
    if (layer === undefined || !same(shapeOf(layer), slot.kernel)) return null;
    pairs.push({ slot, layer });
  }
  return layers.length === slots.length ? pairs : null;
}

function inOrder(foreign: ForeignWeights, slots: readonly Slot[], layers: readonly ForeignLayer[]): Pair[] {
  const stages = [...layers].sort(byStage);
  const orders =
    foreign.framework === "Keras"
      ? [layers]
      : foreign.format === "safetensors"
        ? [stages, layers]
        : [layers, stages];
  let first: ExchangeError | null = null;
  for (const order of orders) {
    try {
      return greedy(foreign, slots, order);
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      first ??= error;
    }
  }
  throw first;
}

function greedy(foreign: ForeignWeights, slots: readonly Slot[], layers: readonly ForeignLayer[]): Pair[] {
  const places = new Map(layers.map((layer) => [layer, placeOf(foreign, layer)]));
  const split = [...places.values()].includes("image");
  const left = [...layers];
  const pairs = slots.map((slot) => {
    const own = find(PLACES_BY_SLOT, slot.name);
    const at = left.findIndex((layer) => {
      const place = places.get(layer);
      if (layer.kind !== null && layer.kind !== slot.kind) return false;
      if (place === "image" || place === "mask" ? place !== own : split && own === "image") return false;
      if (place !== undefined && own !== undefined && place !== own) return false;
      return same(shapeOf(layer), slot.kernel);
    });
    if (at < 0) {
      const next = left.find(({ kind }) => kind === null || kind === slot.kind);
      const rest =
        next === undefined ? "no layer is left" : `the next is ${next.name}, kernel ${text(shapeOf(next))}`;
      throw new ExchangeError(
        foreign.file,
        `has nothing for ${slot.name} (${slot.kind}, kernel ${text(slot.kernel)}): ${rest}`,
      );
    }
    const [layer] = left.splice(at, 1);
    return { slot, layer };
  });
  if (left.length > 0)
    throw new ExchangeError(
      foreign.file,
      `has ${left[0].name}, kernel ${text(shapeOf(left[0]))}, for which the network has no place${left.length > 1 ? `, and ${left.length - 1} more layers` : ""}`,
    );
  return pairs;
}

const find = (table: readonly (readonly [RegExp, Place])[], name: string) =>
  table.find(([pattern]) => pattern.test(name))?.[1];

function placeOf({ graph, framework }: ForeignWeights, layer: ForeignLayer): Place | undefined {
  const [height, width, inputs, outputs] = shapeOf(layer);
  if (graph !== null && height === 1 && width === 1 && inputs === outputs && inputs > 1) {
    const source = sourceOf(graph, layer.name);
    if (source !== undefined)
      return graph.get(source)?.kind === "Conv2DTranspose" ? "gate of decoder" : "gate of skip";
  }
  const place = find(PLACES_BY_NAME, layer.name);
  return framework === "Keras" && place?.startsWith("gate") ? undefined : place;
}

/** Encoder, bottleneck, decoder, output, by the first word of a name that says one; in each, numbers by value. */
function byStage(a: ForeignLayer, b: ForeignLayer): number {
  const stage = ({ name }: ForeignLayer) => {
    for (const word of name.split(/[._]|(?<=[a-z])(?=\d)/)) {
      const found = STAGES.findIndex((pattern) => pattern.test(word));
      if (found >= 0) return found;
    }
    return 1.5;
  };
  return stage(a) - stage(b) || a.name.localeCompare(b.name, "en", { numeric: true });
}

/** The normalisation of each slot that has one. */
function normsOf(foreign: ForeignWeights, pairs: readonly Pair[]): Map<Slot, ForeignLayer> {
  const norms = foreign.layers.filter((layer) => !isConvolution(layer));
  const wanted = pairs.filter(({ slot }) => slot.norm !== null);
  const { file, graph, framework } = foreign;
  const found = new Map<Slot, ForeignLayer>();
  if (norms.length !== wanted.length)
    throw new ExchangeError(
      file,
      `has ${norms.length} batch normalisations where the network has ${wanted.length}${norms.length > 0 ? `: ${norms[0].name}, ...` : ""}`,
    );
  const of = new Map<string, ForeignLayer>();
  if (graph !== null) for (const norm of norms) of.set(graph.get(norm.name)?.inputs[0] ?? "", norm);
  else if (framework === "PyTorch") for (const norm of norms) of.set(torchOwner(foreign, norm) ?? "", norm);
  wanted.forEach(({ slot, layer }, i) => {
    const norm = of.size > 0 ? of.get(layer.name) : norms[i];
    const width = norm?.weights.get("moving_mean")?.shape[0];
    if (norm === undefined || width !== slot.norm?.weights[0].shape[0])
      throw new ExchangeError(
        file,
        norm === undefined
          ? `has no batch normalisation behind ${layer.name}, as ${slot.name} wants`
          : `${norm.name} normalises ${width} maps, but ${layer.name} before it makes ${slot.norm?.weights[0].shape[0]}`,
      );
    found.set(slot, norm);
  });
  return found;
}

/** The convolution of the same module that a normalisation follows: "block.1" follows "block.0", "bn2" follows "conv2". */
function torchOwner({ layers }: ForeignWeights, norm: ForeignLayer): string | undefined {
  const split = (name: string) => {
    const dot = name.lastIndexOf(".");
    const leaf = name.slice(dot + 1);
    return {
      parent: name.slice(0, Math.max(0, dot)),
      digits: /\d+$/.exec(leaf)?.[0],
      sequential: /^\d+$/.test(leaf),
    };
  };
  const own = split(norm.name);
  const siblings = layers.filter((layer) => isConvolution(layer) && split(layer.name).parent === own.parent);
  if (own.sequential)
    return siblings
      .filter(({ name }) => Number(split(name).digits) < Number(own.digits))
      .sort((a, b) => Number(split(b.name).digits) - Number(split(a.name).digits))[0]?.name;
  return (siblings.find(({ name }) => split(name).digits === own.digits) ?? siblings.at(-1))?.name;
}
