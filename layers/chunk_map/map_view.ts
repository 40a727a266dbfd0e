import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { MitoSource } from "../mito/base.js";
import { element, setText } from "../mito_layer/dom.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { formatCount } from "../morphology_panel/format.js";
import { voxelAtView } from "../morphology_panel/here.js";
import type { MorphologyPanelState } from "../morphology_panel/panel_state.js";
import { inSlices, Rerun } from "../morphology_panel/slices.js";
import { ChunkValues } from "./chunk_values.js";
import { GRADIENT } from "./colour_scale.js";
import { MapCanvas } from "./map_canvas.js";
import { CellBuilder, type MapCells } from "./map_cells.js";
import { metricOf, metricsChanged, metricsOf } from "./metrics.js";
import "./style.css";

const AXES = "xyz";

/** All computed chunks of a layer seen across its slices, coloured by a metric: where in a large volume a model is off, and a way there. */
export class MapView extends RefCounted {
  readonly element: HTMLElement;
  private readonly metricSelect = element("select", { "aria-label": "What the colours mean" });
  private readonly from = element("input", { type: "number", step: 1, placeholder: "first" });
  private readonly to = element("input", { type: "number", step: 1, placeholder: "last" });
  private readonly depthLabel = element("span");
  private readonly tint = element("input", { type: "checkbox" });
  private readonly low = element("span");
  private readonly high = element("span");
  private readonly legendTitle = element("span");
  private readonly said = element("p", { class: "mito-map-said", role: "status" });
  private readonly canvas: MapCanvas;
  private readonly rerun = new Rerun(() => this.update());
  private values: ChunkValues | undefined;
  private layer: MitoUserLayer | undefined;
  private mito: MitoSource | undefined;
  private cells: MapCells | undefined;
  private shownReports: readonly { box: { lower: readonly number[] } }[] = [];
  private unbind: (() => void)[] = [];
  private shown = false;

  constructor(private readonly state: MorphologyPanelState) {
    super();
    this.canvas = this.registerDisposer(
      new MapCanvas({
        point: (cell) => setText(this.said, this.describe(cell)),
        open: (cell) => this.open(cell),
      }),
    );
    this.element = element(
      "div",
      { class: "mito-map-view" },
      this.controls(),
      this.canvas.element,
      this.legend(),
      this.said,
    );
    this.registerDisposer(() => this.release());
    this.registerDisposer(state.metric.changed.add(() => this.showMetric()));
    this.registerDisposer(state.tint.changed.add(() => this.showTint()));
    this.registerDisposer(metricsChanged.add(() => this.listMetrics()));
    this.showTint();
  }

  private controls(): HTMLElement {
    const { state } = this;
    this.metricSelect.addEventListener("change", () => {
      state.metric.value = this.metricSelect.value;
    });
    const changed = () => this.rerun.request();
    for (const [input, label] of [
      [this.from, "First slice of the map"],
      [this.to, "Last slice of the map"],
    ] as const) {
      input.setAttribute("aria-label", label);
      input.addEventListener("change", changed);
    }
    this.tint.addEventListener("change", () => {
      state.tint.value = this.tint.checked;
    });
    return element(
      "div",
      { class: "mito-map-controls" },
      element("label", {}, "Colour by ", this.metricSelect),
      element(
        "label",
        { title: "Colours the chunks in the views, too. Key: k" },
        this.tint,
        "also in the views",
      ),
      element(
        "span",
        { title: "Slices whose chunks are on the map; those behind each other show the highest value" },
        this.depthLabel,
        this.from,
        " to ",
        this.to,
      ),
      element(
        "button",
        { type: "button", title: "Only the chunks at the view's slice", onclick: () => this.atView() },
        "At the view",
      ),
      element("button", { type: "button", title: "All slices", onclick: () => this.allSlices() }, "All"),
      element(
        "button",
        {
          type: "button",
          title: "Show the whole map (key 0 on the map; + and - zoom)",
          onclick: () => this.canvas.fit(),
        },
        "Fit",
      ),
    );
  }

  private legend(): HTMLElement {
    const bar = element("span", { class: "mito-map-scale" });
    bar.style.background = GRADIENT;
    return element("div", { class: "mito-map-legend" }, this.legendTitle, this.low, bar, this.high);
  }

  setVisible(visible: boolean): void {
    if (this.shown === visible) return;
    this.shown = visible;
    this.bind();
  }

  follow(layer: MitoUserLayer | undefined): void {
    const mito = layer?.mito.value;
    if (layer === this.layer && mito === this.mito) return;
    this.layer = layer;
    this.mito = mito;
    this.bind();
  }

  private release(): void {
    for (const stop of this.unbind) stop();
    this.unbind = [];
    this.values?.dispose();
    this.values = undefined;
  }

  private bind(): void {
    this.release();
    const { layer } = this;
    if (!this.shown || layer === undefined) return;
    const values = new ChunkValues(layer, this.state.metric.value);
    this.values = values;
    this.unbind = [
      values.changed.add(() => this.rerun.request()),
      layer.manager.root.globalPosition.changed.add(() => this.showHere()),
    ];
    this.listMetrics();
    setText(this.depthLabel, `${this.axisName()} `);
    this.showHere();
    this.rerun.request();
  }

  private axisName(): string {
    return AXES[this.mito?.geometry.sliceAxis ?? 2];
  }

  private listMetrics(): void {
    const { mito } = this;
    this.metricSelect.replaceChildren(
      ...(mito === undefined ? [] : metricsOf(mito)).map(({ id, title, description }) =>
        element("option", { value: id, title: description }, title),
      ),
    );
    this.showMetric();
  }

  private showMetric(): void {
    const id = this.state.metric.value;
    const metric = this.mito && metricOf(this.mito, id);
    this.metricSelect.value = metric?.id ?? "";
    this.metricSelect.title = metric?.description ?? "";
    this.values?.setMetric(id);
  }

  private showTint(): void {
    this.tint.checked = this.state.tint.value;
  }

  private showHere(): void {
    const { layer, mito } = this;
    const voxel = layer && voxelAtView(layer);
    const [columns, rows] = mito?.geometry.planeAxes ?? [0, 1];
    this.canvas.setHere(voxel && [voxel[columns], voxel[rows]]);
  }

  private atView(): void {
    const { layer, mito } = this;
    const voxel = layer && voxelAtView(layer);
    if (voxel === undefined || mito === undefined) return;
    const slice = Math.floor(voxel[mito.geometry.sliceAxis]);
    this.from.valueAsNumber = slice;
    this.to.valueAsNumber = slice;
    this.rerun.request();
  }

  private allSlices(): void {
    this.from.value = "";
    this.to.value = "";
    this.rerun.request();
  }

  private async update(): Promise<void> {
    const { mito } = this;
    const mapped = this.values?.value;
    if (this.wasDisposed || !this.shown || mito === undefined) return;
    if (mapped === undefined) {
      setText(this.said, "Nothing is known of this source's chunks yet.");
      return;
    }
    const { planeAxes, sliceAxis } = mito.geometry;
    const [from, to] = [this.from.valueAsNumber, this.to.valueAsNumber];
    const builder = new CellBuilder({
      columns: planeAxes[0],
      rows: planeAxes[1],
      across: sliceAxis,
      from: Number.isNaN(from) ? Number.NEGATIVE_INFINITY : from,
      to: Number.isNaN(to) ? Number.POSITIVE_INFINITY : to + 1,
    });
    const { reports, values, range, metric } = mapped;
    await inSlices(reports, ({ box }, index) => builder.add(box, values[index], index));
    if (this.wasDisposed || mapped !== this.values?.value) return;
    this.cells = builder.result();
    this.shownReports = reports;
    // Says what is pointed at, too.
    this.canvas.setCells(this.cells, range);
    setText(this.legendTitle, metric.title);
    setText(this.low, metric.format(range[0]));
    setText(this.high, `≥ ${metric.format(range[1])}`);
  }

  private describe(cell: number): string {
    const { cells, values } = this;
    const mapped = values?.value;
    if (cells === undefined || mapped === undefined) return "";
    if (cell === -1 || cell >= cells.count) {
      if (cells.count === 0) return "No chunk is computed yet in these slices.";
      return `${formatCount(cells.count)} places of the map. Point at one, or use the arrow keys; click or Enter goes there.`;
    }
    const { box } = this.shownReports[cells.chunks[cell]];
    const value = cells.values[cell];
    const depth = cells.depths[cell];
    return (
      `Chunk at ${box.lower.join(", ")}: ` +
      `${Number.isNaN(value) ? "no value" : mapped.metric.format(value)}` +
      `${depth > 1 ? ` (the highest of ${formatCount(depth)} behind each other)` : ""}`
    );
  }

  private open(cell: number): void {
    const report = this.cells && this.values?.value?.reports[this.cells.chunks[cell]];
    if (report !== undefined) this.layer?.goTo(report);
  }
}
