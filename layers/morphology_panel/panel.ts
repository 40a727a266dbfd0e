import { throttle } from "lodash-es";
import { SidePanel } from "neuroglancer/unstable/ui/side_panel.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import { element, setText } from "../mito_layer/dom.js";
import { MitoUserLayer } from "../mito_layer/layer.js";
import { ChunkTable, MAXIMUM_ROWS } from "./chunk_table.js";
import { formatCount } from "./format.js";
import { SolidityHistogram } from "./histogram.js";
import type { MorphologyPanelState, Scope } from "./panel_state.js";
import { chunkPrior } from "./prior.js";
import { orderedRows, overview } from "./rows.js";
import { SummaryView } from "./summary_view.js";

/** Reports arrive up to ten times a second; a person reads more slowly (ms). */
const REFRESH_INTERVAL = 400;

/** The prediction layers of a viewer, in the order of the layer bar. */
export function mitoLayers(viewer: Viewer): MitoUserLayer[] {
  return viewer.layerManager.managedLayers
    .map(({ layer }) => layer)
    .filter((layer) => layer instanceof MitoUserLayer);
}

/**
 * Morphology of what one layer predicts: the scope's numbers against the model's prior, a histogram, and a table of
 * chunks to jump to. It reads the layer's reports; nothing is computed here but sums.
 */
export class MorphologyPanel extends SidePanel {
  private readonly layerSelect = element("select", { "aria-label": "Prediction layer" });
  private readonly scopeSelect = element("select", { "aria-label": "Which chunks" });
  private readonly empty = element("p", { role: "status" });
  private readonly content = element("div");
  private readonly summary = new SummaryView();
  private readonly histogram = new SolidityHistogram();
  private readonly table: ChunkTable;
  private readonly rest = element("p", { class: "mito-soft" });
  private readonly refresh = throttle(() => this.update(), REFRESH_INTERVAL);
  private bound: MitoUserLayer | undefined;
  private unbind: (() => void)[] = [];

  constructor(
    private readonly viewer: Viewer,
    private readonly state: MorphologyPanelState,
  ) {
    super(viewer.sidePanelManager, state.location);
    this.addTitleBar({ title: "Morphology" });
    this.table = new ChunkTable(state.order, {
      onOrder: (order) => {
        state.order = order;
      },
      onJump: (report) => this.bound?.goTo(report),
    });
    for (const [value, label] of [
      ["view", "In view"],
      ["all", "All that are kept"],
    ])
      this.scopeSelect.append(element("option", { value }, label));
    this.scopeSelect.addEventListener("change", () => {
      state.scope.value = this.scopeSelect.value as Scope;
    });
    this.layerSelect.addEventListener("change", () => {
      state.layer.value = this.layerSelect.value;
    });
    this.content.append(this.summary.element, this.histogram.element, this.table.element, this.rest);
    this.addBody(
      element(
        "div",
        { class: "mito-panel" },
        element("div", { class: "mito-panel-head" }, this.layerSelect, this.scopeSelect),
        this.empty,
        this.content,
      ),
    );
    this.registerDisposer(() => this.refresh.cancel());
    this.registerDisposer(() => this.release());
    this.registerDisposer(viewer.layerManager.layersChanged.add(this.refresh));
    this.registerDisposer(viewer.layerManager.specificationChanged.add(this.refresh));
    this.registerDisposer(state.changed.add(this.refresh));
    this.update();
  }

  private release(): void {
    for (const stop of this.unbind) stop();
    this.unbind = [];
    this.bound = undefined;
  }

  /** Follows the reports of `layer` and of whatever source it loads. */
  private follow(layer: MitoUserLayer | undefined): void {
    if (layer === this.bound) return;
    this.release();
    this.bound = layer;
    if (layer === undefined) return;
    let stop: (() => void) | undefined;
    const bind = () => {
      stop?.();
      stop = layer.mito.value?.results.changed.add(this.refresh);
      this.refresh();
    };
    this.unbind = [layer.mito.changed.add(bind), () => stop?.()];
    bind();
  }

  private update(): void {
    if (this.wasDisposed) return;
    const { state } = this;
    const layers = mitoLayers(this.viewer);
    const wanted = layers.find(({ managedLayer }) => managedLayer.name === state.layer.value) ?? layers.at(0);
    this.showLayers(layers, wanted);
    this.follow(wanted);
    if (this.scopeSelect.value !== state.scope.value) this.scopeSelect.value = state.scope.value;
    const mito = wanted?.mito.value;
    this.content.hidden = mito === undefined;
    if (mito === undefined) {
      const text =
        layers.length === 0
          ? "No prediction layer. Add one to an image layer with the button “Predict” above (key: u)."
          : "The prediction's source is not loaded.";
      setText(this.empty, text);
      return;
    }
    const reports = state.scope.value === "view" ? mito.results.inView() : mito.results.all();
    setText(
      this.empty,
      reports.length > 0
        ? ""
        : state.scope.value === "view"
          ? "No chunk in view is computed yet. Zoomed out, nothing is computed."
          : "No chunk is computed yet.",
    );
    const prior = chunkPrior(mito.model.config.prior);
    const total = overview(reports);
    this.summary.update(total, prior, mito.status.value.backend ?? "");
    this.histogram.update(total.summary.solidityHistogram, prior?.solidity ?? null);
    this.table.update(orderedRows(reports, prior, state.order, MAXIMUM_ROWS));
    const hidden = reports.length - MAXIMUM_ROWS;
    setText(this.rest, hidden > 0 ? `${formatCount(hidden)} more chunks: sort to bring others up.` : "");
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

/** Gives the viewer the panel, its place in the state, the action "toggle-morphology-panel" and the key m. */
export function addMorphologyPanel(viewer: Viewer, state: MorphologyPanelState): void {
  viewer.state.add("morphologyPanel", state);
  viewer.registerDisposer(
    viewer.sidePanelManager.registerPanel({
      location: state.location,
      makePanel: () => new MorphologyPanel(viewer, state),
    }),
  );
  viewer.inputEventBindings.global.set("keym", "toggle-morphology-panel");
  viewer.bindAction("toggle-morphology-panel", () => {
    state.location.visible = !state.location.visible;
  });
}
