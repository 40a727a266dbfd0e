import type { Viewer } from "neuroglancer/unstable/viewer.js";
import { askForExport } from "../../layers/export_panel/dialog.js";
import { element } from "../../layers/mito_layer/dom.js";
import type { MitoUserLayer } from "../../layers/mito_layer/layer.js";
import { mitoLayers } from "../../layers/morphology_panel/panel.js";
import type { MorphologyPanelState } from "../../layers/morphology_panel/panel_state.js";
import { askForPrediction } from "./add_prediction.js";

const THRESHOLD_STEP = 0.05;

/** The prediction layer that keys act on: the selected one, else the first. */
function currentLayer(viewer: Viewer): MitoUserLayer | undefined {
  const layers = mitoLayers(viewer);
  return layers.find((layer) => layer.managedLayer === viewer.selectedLayer.layer) ?? layers.at(0);
}

function moveThreshold(viewer: Viewer, step: number): void {
  const threshold = currentLayer(viewer)?.state.threshold;
  if (threshold === undefined) return;
  // Rounded, so that the address does not fill with 0.6000000000000001.
  threshold.value = Math.min(1, Math.max(0, Math.round((threshold.value + step) * 100) / 100));
}

/** Our actions and their keys, none of which Neuroglancer uses; its help panel (key h) lists them by these names. */
function bindKeys(viewer: Viewer, panel: MorphologyPanelState, openStartPage: () => void): void {
  const bindings: readonly (readonly [key: string, action: string, run: () => void])[] = [
    ["keyu", "add-prediction-layer", () => void askForPrediction(viewer)],
    ["keyi", "open-start-page", openStartPage],
    ["keye", "export", () => askForExport(viewer, panel)],
    ["keyp", "toggle-probability-heat-map", () => currentLayer(viewer)?.state.showProbability.toggle()],
    ["minus", "lower-threshold", () => moveThreshold(viewer, -THRESHOLD_STEP)],
    ["equal", "raise-threshold", () => moveThreshold(viewer, THRESHOLD_STEP)],
  ];
  for (const [key, action, run] of bindings) {
    viewer.inputEventBindings.global.set(key, action);
    viewer.bindAction(action, run);
  }
}

export interface ToolbarActions {
  openStartPage(): void;
  /** Asks for models to compare, or shows the comparison that is open. */
  compare(): void;
  /** Shows or hides the panel for corrections. */
  readonly proofreading: { toggle(): void };
}

/** Puts our buttons at the left of Neuroglancer's top row and binds our keys. */
export function addToolbar(
  viewer: Viewer,
  panel: MorphologyPanelState,
  { openStartPage, compare, proofreading }: ToolbarActions,
): void {
  bindKeys(viewer, panel, openStartPage);
  const morphology = element(
    "button",
    {
      type: "button",
      title: "Show or hide the morphology panel (m)",
      onclick: () => {
        panel.location.visible = !panel.location.visible;
      },
    },
    "Morphology",
  );
  const showPressed = () => morphology.setAttribute("aria-pressed", String(panel.location.visible));
  viewer.registerDisposer(panel.location.locationChanged.add(showPressed));
  showPressed();
  const bar = element(
    "div",
    { class: "chondria-toolbar", role: "toolbar", "aria-label": "Chondria" },
    element(
      "button",
      { type: "button", title: "Open another volume (i)", onclick: openStartPage },
      "Chondria",
    ),
    element(
      "button",
      {
        type: "button",
        title: "Add a layer of predicted mitochondria to an image layer (u)",
        onclick: () => void askForPrediction(viewer),
      },
      "Predict…",
    ),
    element(
      "button",
      {
        type: "button",
        title: "See 2 to 4 models side by side, and which looks right (c)",
        onclick: compare,
      },
      "Compare…",
    ),
    morphology,
    element(
      "button",
      {
        type: "button",
        title: "Correct the predicted objects: merge, split, accept, reject, undo (Alt+p)",
        onclick: () => proofreading.toggle(),
      },
      "Proofread",
    ),
    element(
      "button",
      {
        type: "button",
        title: "Save objects, meshes, labels or probabilities as files (e)",
        onclick: () => askForExport(viewer, panel),
      },
      "Export…",
    ),
  );
  viewer.element.querySelector(".neuroglancer-viewer-top-row")?.prepend(bar);
}
