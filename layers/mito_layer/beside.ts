import { makeLayer } from "neuroglancer/unstable/layer/index.js";
import type { MitoUserLayer } from "./layer.js";
import { editQuery, isMitoUrl } from "./source_url.js";

/** The layer's JSON with another model in its sources' URLs. */
function withModel(source: unknown, model: string): unknown {
  if (Array.isArray(source)) return source.map((one) => withModel(one, model));
  if (typeof source === "string") return isMitoUrl(source) ? editQuery(source, { model }) : source;
  if (typeof source === "object" && source !== null && "url" in source)
    return { ...source, url: withModel(source.url, model) };
  return source;
}

/**
 * Adds a copy of a layer that predicts with another model, wherever the layer is shown, and selects it.
 * @param label Of the model, for the new layer's name.
 */
export function addBeside(layer: MitoUserLayer, model: string, label: string): void {
  const { managedLayer, manager } = layer;
  const name = manager.rootLayers.getUniqueLayerName(`mitochondria (${label})`);
  const json = layer.toJSON() as Record<string, unknown>;
  const added = makeLayer(manager, name, { ...json, name, source: withModel(json.source, model) });
  manager.add(added);
  for (const list of managedLayer.containers) if (!list.has(added)) list.addManagedLayer(added.addRef());
  manager.root.selectedLayer.layer = added;
  manager.root.selectedLayer.visible = true;
}
