import { throttle } from "lodash-es";
import { SidePanel } from "neuroglancer/unstable/ui/side_panel.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import { MapView } from "../chunk_map/map_view.js";
import { ChunkTint } from "../chunk_map/tint.js";
import { element, setText } from "../mito_layer/dom.js";
import { MitoUserLayer } from "../mito_layer/layer.js";
import { ChunksView } from "./chunks_view.js";
import { ObjectsView } from "./objects_view.js";
import type { MorphologyPanelState, PanelTab } from "./panel_state.js";
import "./style.css";
import { TabStrip } from "./tabs.js";

/** Layers come and go in bursts; the panel need not follow each change (ms). */
const REFRESH_INTERVAL = 100;

/** The prediction layers of a viewer, in the order of the layer bar. */
export function mitoLayers(viewer: Viewer): MitoUserLayer[] {
  return viewer.layerManager.managedLayers
    .map(({ layer }) => layer)
    .filter((layer) => layer instanceof MitoUserLayer);
}

/**
 * Morphology of what one layer predicts, in three tabs: its chunks in numbers against the model's source, a table of its objects, and a
 * map of its chunks. Only the tab that is seen follows the layer.
 */
export class MorphologyPanel extends SidePanel {
  private readonly layerSelect = element("select", { "aria-label": "Prediction layer" });
  private readonly empty = element("p", { role: "status" });
  private readonly content = element("div", { class: "mito-panel-content" });
  private readonly views;
  private readonly tabs: TabStrip<PanelTab>;
  private readonly refresh = throttle(() => this.update(), REFRESH_INTERVAL);
  private bound: MitoUserLayer | undefined;
  private unbind: (() => void) | undefined;

  constructor(
    private readonly viewer: Viewer,
    private readonly state: MorphologyPanelState,
  ) {
    super(viewer.sidePanelManager, state.location);
    this.addTitleBar({ title: "Morphology" });
    this.views = {
      chunks: this.registerDisposer(new ChunksView(state)),
      objects: this.registerDisposer(new ObjectsView(state)),
      map: this.registerDisposer(new MapView(state)),
    };
    const wrap = (view: { readonly element: HTMLElement }) =>
      element("div", { class: "mito-tab-panel" }, view.element);
    const panels = {
      chunks: wrap(this.views.chunks),
      objects: wrap(this.views.objects),
      map: wrap(this.views.map),
    };
    this.tabs = new TabStrip<PanelTab>(
      [
        {
          id: "chunks",
          label: "Chunks",
          title: "Numbers and distributions of the predicted chunks, against the model's source",
          panel: panels.chunks,
        },
        {
          id: "objects",
          label: "Objects",
          title: "Every mitochondrion with its measurements",
          panel: panels.objects,
        },
        { id: "map", label: "Map", title: "Where in the volume the prediction is off", panel: panels.map },
      ],
      (tab) => {
        state.tab.value = tab;
      },
    );
    this.layerSelect.addEventListener("change", () => {
      state.layer.value = this.layerSelect.value;
    });
    this.content.append(panels.chunks, panels.objects, panels.map);
    this.addBody(
      element(
        "div",
        { class: "mito-panel" },
        element("div", { class: "mito-panel-head" }, this.tabs.element, this.layerSelect),
        this.empty,
        this.content,
      ),
    );
    this.registerDisposer(() => this.refresh.cancel());
    this.registerDisposer(() => this.unbind?.());
    this.registerDisposer(viewer.layerManager.layersChanged.add(this.refresh));
    this.registerDisposer(viewer.layerManager.specificationChanged.add(this.refresh));
    this.registerDisposer(state.layer.changed.add(this.refresh));
    this.registerDisposer(state.tab.changed.add(() => this.update()));
    this.update();
  }

  /** Follows whatever source the layer loads. */
  private follow(layer: MitoUserLayer | undefined): void {
    if (layer !== this.bound) {
      this.unbind?.();
      this.bound = layer;
      this.unbind = layer?.mito.changed.add(this.refresh);
    }
    for (const view of Object.values(this.views)) view.follow(layer);
  }

  private update(): void {
    if (this.wasDisposed) return;
    const { state } = this;
    const layers = mitoLayers(this.viewer);
    const wanted = layers.find(({ managedLayer }) => managedLayer.name === state.layer.value) ?? layers.at(0);
    this.showLayers(layers, wanted);
    this.follow(wanted);
    const loaded = wanted?.mito.value !== undefined;
    const tab = state.tab.value;
    this.tabs.show(tab);
    for (const [id, view] of Object.entries(this.views)) view.setVisible(loaded && id === tab);
    this.content.hidden = !loaded;
    setText(
      this.empty,
      loaded
        ? ""
        : layers.length === 0
          ? "No prediction layer. Add one to an image layer with the button “Predict” above (key: u)."
          : "The prediction's source is not loaded.",
    );
    this.empty.hidden = loaded;
  }

  private showLayers(layers: readonly MitoUserLayer[], shown: MitoUserLayer | undefined): void {
    const names = layers.map(({ managedLayer }) => managedLayer.name);
    const present = [...this.layerSelect.options].map(({ value }) => value);
    if (names.length !== present.length || names.some((name, index) => name !== present[index]))
      this.layerSelect.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
    this.layerSelect.hidden = layers.length === 0;
    const name = shown?.managedLayer.name ?? "";
    if (this.layerSelect.value !== name) this.layerSelect.value = name;
  }
}

/**
 * Gives the viewer the panel and the map's tint, their place in the state, and the actions "toggle-morphology-panel" (key m) and
 * "toggle-chunk-tint" (key k).
 */
export function addMorphologyPanel(viewer: Viewer, state: MorphologyPanelState): void {
  viewer.state.add("morphologyPanel", state);
  viewer.registerDisposer(
    viewer.sidePanelManager.registerPanel({
      location: state.location,
      makePanel: () => new MorphologyPanel(viewer, state),
    }),
  );
  viewer.registerDisposer(new ChunkTint(viewer, () => mitoLayers(viewer), state));
  viewer.inputEventBindings.global.set("keym", "toggle-morphology-panel");
  viewer.bindAction("toggle-morphology-panel", () => {
    state.location.visible = !state.location.visible;
  });
  viewer.inputEventBindings.global.set("keyk", "toggle-chunk-tint");
  viewer.bindAction("toggle-chunk-tint", () => state.tint.toggle());
}
