import { isMitoUrl, wrapSource } from "../../layers/mito_layer/source_url.js";
import type { Volume } from "./catalogue.js";

/** Panels beside the view: wide enough for their text, narrow enough to leave half of a 1280-pixel page to the EM. */
const LAYER_PANEL_SIZE = 310;

/** JSON of a layer that predicts on `source` with `model`. */
export function predictionLayer(source: string, model: string, name: string) {
  return { type: "mito", name, source: wrapSource(source, { model, tta: "none" }) };
}

/**
 * Neuroglancer state of a volume with a prediction on it: one cross-section along the slices, both panels open.
 * Without a model, or for a source that is a prediction itself, only the volume.
 */
export function volumeState(volume: Volume, model: string | undefined) {
  const { source, layer, truth, labels } = volume;
  const place = placeOf(volume);
  if (isMitoUrl(source)) return { ...place, layers: [{ type: "mito", name: layer, source }], layout: "xy" };
  if (labels) return { ...place, layers: [{ type: "segmentation", name: layer, source }], layout: "xy" };
  const prediction =
    model === undefined ? undefined : predictionLayer(source, model, `mitochondria (${model})`);
  return {
    ...place,
    layers: [
      { type: "image", name: layer, source },
      ...(truth === undefined
        ? []
        : [{ type: "segmentation", name: "truth", source: truth, visible: false }]),
      ...(prediction === undefined ? [] : [prediction]),
    ],
    ...(prediction !== undefined && {
      selectedLayer: { visible: true, layer: prediction.name, size: LAYER_PANEL_SIZE },
      morphologyPanel: { visible: true },
    }),
    layout: "xy",
  };
}

/** Where to look, as far as it is known. Naming the dimensions also turns a z, y, x volume to show its x, y slices. */
function placeOf({ voxelSize, position, scale }: Volume) {
  return {
    ...(voxelSize !== undefined && {
      dimensions: Object.fromEntries(
        ["x", "y", "z"].map((name, axis) => [name, [metres(voxelSize[axis]), "m"]]),
      ),
    }),
    ...(position !== undefined && { position }),
    ...(scale !== undefined && { crossSectionScale: scale }),
  };
}

/** Without the rounding error of a product, which would stand in the address: 4.6 nm is 4.6e-9 m. */
function metres(nanometres: number): number {
  return Number(`${nanometres}e-9`);
}

/** The fragment of an address that opens `state`. */
export function stateFragment(state: object): string {
  return `#!${encodeURIComponent(JSON.stringify(state))}`;
}

/**
 * Whether a fragment holds something to show: a state with layers, or the address of one. What cannot be read counts
 * too, so that Neuroglancer says what is wrong with it.
 */
export function hasContent(fragment: string): boolean {
  if (fragment === "" || fragment === "#" || fragment === "#!") return false;
  try {
    const state: unknown = JSON.parse(decodeURIComponent(fragment.replace(/^#!\+?/, "")));
    if (typeof state !== "object" || state === null) return true;
    const { layers } = state as { layers?: unknown };
    return typeof layers === "object" && layers !== null && Object.keys(layers).length > 0;
  } catch {
    return true;
  }
}
