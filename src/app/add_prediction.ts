import { type ManagedUserLayer, makeLayer, type UserLayer } from "neuroglancer/unstable/layer/index.js";
import { layerDataSourceSpecificationToJson } from "neuroglancer/unstable/layer/layer_data_source.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import { element } from "../../layers/mito_layer/dom.js";
import { availableModels, modelLabel } from "../../layers/mito_layer/model_list.js";
import { isMitoUrl } from "../../layers/mito_layer/source_url.js";
import { predictionLayer } from "./viewer_state.js";

/** Image layers that a prediction can be made from: those with a source. */
function imageLayers(viewer: Viewer): ManagedUserLayer[] {
  return viewer.layerManager.managedLayers.filter(
    ({ layer }) => layer !== null && sourceOf(layer) !== undefined,
  );
}

/** What an image layer shows; undefined for a layer of another type, or an empty one. */
function sourceOf(layer: UserLayer) {
  if (layer.type !== "image") return undefined;
  return layer.dataSources.map(({ spec }) => spec).find(({ url }) => url !== "" && !isMitoUrl(url));
}

/** Adds a prediction of `model` on an image layer's volume, in the same place, and selects it. */
export function addPrediction(viewer: Viewer, image: ManagedUserLayer, model: string): void {
  const spec = image.layer === null ? undefined : sourceOf(image.layer);
  if (spec === undefined) return;
  const name = viewer.layerManager.getUniqueLayerName(`mitochondria (${model})`);
  const json = predictionLayer(spec.url, model, name);
  const described = layerDataSourceSpecificationToJson(spec);
  // A volume that the user has moved or scaled takes its prediction along.
  const transform = typeof described === "string" ? undefined : described.transform;
  const source = transform === undefined ? json.source : { url: json.source, transform };
  const layer = makeLayer(viewer.layerSpecification, name, { ...json, source });
  viewer.layerSpecification.add(layer);
  // In a layout of several views each has its own list, and a layer that is in none of them is dropped: it is shown
  // wherever its EM is.
  for (const list of image.containers) if (!list.has(layer)) list.addManagedLayer(layer.addRef());
  viewer.selectedLayer.layer = layer;
  viewer.selectedLayer.visible = true;
}

/** Asks on which image layer, and with which model, to predict. */
export async function askForPrediction(viewer: Viewer): Promise<void> {
  const dialog = element("dialog", { class: "chondria-dialog", "aria-labelledby": "add-prediction-title" });
  const close = () => dialog.close();
  const title = element("h2", { id: "add-prediction-title" }, "Predict mitochondria");
  const cancel = element("button", { type: "button", onclick: close }, "Cancel");
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  const images = imageLayers(viewer);
  const say = (text: string) => dialog.replaceChildren(title, element("p", {}, text), cancel);
  say("Reading the list of models…");
  dialog.showModal();
  if (images.length === 0) {
    say("This state has no image layer. Add the EM volume as an image layer first.");
    return;
  }
  try {
    const models = await availableModels();
    if (models.length === 0) {
      say("No model is installed. Train one with: npm run chondria -- train");
      return;
    }
    const layer = element(
      "select",
      { id: "add-prediction-layer" },
      ...images.map(({ name }, index) => element("option", { value: index }, name)),
    );
    const model = element(
      "select",
      { id: "add-prediction-model" },
      ...models.map((one) => element("option", { value: one.id }, modelLabel(one))),
    );
    const submit = (event: Event) => {
      event.preventDefault();
      addPrediction(viewer, images[layer.selectedIndex], model.value);
      close();
    };
    dialog.replaceChildren(
      title,
      element(
        "form",
        { onsubmit: submit },
        element("label", { for: layer.id }, "On the image layer"),
        layer,
        element("label", { for: model.id }, "With the model"),
        model,
        element(
          "div",
          { class: "chondria-buttons" },
          cancel,
          element("button", { type: "submit" }, "Add the layer"),
        ),
      ),
    );
    layer.focus();
  } catch (error) {
    say(`The list of models could not be read: ${error instanceof Error ? error.message : error}`);
  }
}
