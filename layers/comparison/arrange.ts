import { type AgreementQuery, agreementUrl, isAgreementUrl } from "../mito/agreement_url.js";
import { parseMitoQuery } from "../mito/url.js";
import { editQuery, isMitoUrl, splitPrediction } from "../mito_layer/source_url.js";
import { agreementShader } from "./colours.js";

/** A layer in Neuroglancer's JSON state. */
export interface LayerJson {
  readonly type?: string;
  readonly name: string;
  readonly source?: unknown;
  readonly visible?: boolean;
  readonly [key: string]: unknown;
}

/** As much of a viewer's JSON state as is rearranged. */
export interface ViewerJson {
  readonly layers?: readonly LayerJson[];
  readonly layout?: unknown;
  readonly selectedLayer?: object;
  readonly [key: string]: unknown;
}

export interface Comparison {
  /** Name of the prediction layer whose volume and settings are taken. */
  readonly layer: string;
  readonly models: readonly { readonly id: string; readonly label: string }[];
}

/** First of a layer's sources that is a prediction (or, by `test`, something else). */
export function urlOf({ source }: LayerJson, test = isMitoUrl): string | undefined {
  for (const one of Array.isArray(source) ? source : [source]) {
    const url = typeof one === "object" && one !== null ? (one as { url?: unknown }).url : one;
    if (typeof url === "string" && test(url)) return url;
  }
  return undefined;
}

/** The layer's source, and whatever stands with it, with another URL. */
function withUrl(source: unknown, from: string, to: string): unknown {
  if (Array.isArray(source)) return source.map((one) => withUrl(one, from, to));
  if (source === from) return to;
  if (typeof source === "object" && source !== null && (source as { url?: unknown }).url === from)
    return { ...source, url: to };
  return source;
}

const isAgreement = (layer: LayerJson) => urlOf(layer, isAgreementUrl) !== undefined;
const isImage = (layer: LayerJson) => layer.type === "image" && !isAgreement(layer);

function uniqueName(wanted: string, taken: ReadonlySet<string>): string {
  let name = wanted;
  for (let i = 1; taken.has(name); i++) name = `${wanted}${i}`;
  return name;
}

/**
 * The state with a panel for each model side by side, linked in position, zoom and orientation, and one that shows where they agree.
 * Layers of these models that are there are used, others are made as copies of `layer`; a comparison that is there makes way.
 * @throws Error when `layer` is no prediction of the state.
 */
export function arrangeComparison(state: ViewerJson, comparison: Comparison): ViewerJson {
  const before = (state.layers ?? []).filter((layer) => !isAgreement(layer));
  const base = before.find(({ name }) => name === comparison.layer);
  const url = base && urlOf(base);
  if (base === undefined || url === undefined)
    throw new Error(`there is no prediction layer “${comparison.layer}” to compare`);
  const layers = [...before];
  const taken = new Set(before.map(({ name }) => name));
  const chosen = comparison.models.map(({ id, label }) => {
    const own = editQuery(url, { model: id });
    const there = layers.find((layer) => urlOf(layer) === own);
    if (there !== undefined) return there.name;
    const name = uniqueName(`mitochondria (${label})`, taken);
    taken.add(name);
    // Segments are those of another model.
    const { segments: _segments, segmentQuery: _query, ...rest } = base;
    layers.push({ ...rest, name, source: withUrl(base.source, url, own) });
    return name;
  });
  const shown = new Set(chosen);
  const arranged = layers.map((layer) =>
    shown.has(layer.name)
      ? { ...layer, visible: true }
      : urlOf(layer) !== undefined
        ? { ...layer, visible: false }
        : layer,
  );
  const images = arranged.filter((layer) => isImage(layer)).map(({ name }) => name);
  // A layer that is in no panel would be lost; those that are not compared are kept, hidden or not, in the first.
  const others = arranged
    .filter((layer) => !shown.has(layer.name) && !isImage(layer))
    .map(({ name }) => name);
  const panel = (names: readonly string[]) => ({
    type: "viewer",
    layers: names,
    layout: planeOf(state.layout),
  });
  const panels = chosen.map((name, k) => panel([...images, ...(k === 0 ? others : []), name]));
  const name = uniqueName("agreement", taken);
  const { head, query } = splitPrediction(url);
  const { model: _model, ...rest } = parseMitoQuery(query);
  const ids = comparison.models.map(({ id }) => id);
  const own: AgreementQuery = { models: ids, rest };
  arranged.push({
    type: "image",
    name,
    source: withUrl(base.source, url, agreementUrl(head, own)),
    shader: agreementShader(ids.length),
    opacity: 1,
    blend: "default",
  });
  panels.push(panel([...images, name]));
  return {
    ...state,
    layers: arranged,
    layout: gridOf(panels),
    comparisonPanel: { ...(state.comparisonPanel as object | undefined), visible: true },
    // One panel at the left, and the layer's own out of the way: what is compared needs the room.
    ...withHidden(state, "morphologyPanel"),
    ...withHidden(state, "selectedLayer"),
  };
}

function withHidden(state: ViewerJson, key: string): Record<string, object> {
  const panel = state[key];
  return typeof panel === "object" && panel !== null ? { [key]: { ...panel, visible: false } } : {};
}

/** The state with one panel again: the first compared prediction is shown, the others are kept, hidden. */
export function endComparison(state: ViewerJson): ViewerJson {
  let first = true;
  const layers = (state.layers ?? [])
    .filter((layer) => !isAgreement(layer))
    .map((layer) => {
      if (urlOf(layer) === undefined || layer.visible === false) return layer;
      const shown = first;
      first = false;
      return { ...layer, visible: shown };
    });
  return {
    ...state,
    layers,
    layout: planeOf(state.layout),
    ...withHidden(state, "comparisonPanel"),
  };
}

/** The cross-section that a layout shows first, for each of the panels. */
function planeOf(layout: unknown): string {
  if (typeof layout === "string") return layout.startsWith("4panel") ? "xy" : layout;
  if (typeof layout !== "object" || layout === null) return "xy";
  const { type, layout: inner, children } = layout as Record<string, unknown>;
  if (type === "viewer") return planeOf(inner);
  if (Array.isArray(children) && children.length > 0) return planeOf(children[0]);
  return typeof type === "string" ? planeOf(type) : "xy";
}

/** Two panels side by side; more in two rows, the first at least as full. */
function gridOf(panels: readonly object[]): object {
  const row = (children: readonly object[]) =>
    children.length === 1 ? children[0] : { type: "row", children };
  if (panels.length <= 2) return row(panels);
  const middle = Math.ceil(panels.length / 2);
  return { type: "column", children: [row(panels.slice(0, middle)), row(panels.slice(middle))] };
}
