import { throttle } from "lodash-es";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { ChunkReport, MitoSource } from "../mito/base.js";
import { element, setText } from "../mito_layer/dom.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { ChunkTable, MAXIMUM_ROWS } from "./chunk_table.js";
import { formatCount } from "./format.js";
import { chunkAtView } from "./here.js";
import type { MorphologyPanelState, Scope } from "./panel_state.js";
import { chunkPrior, sourceRegions } from "./prior.js";
import { RegionPlots } from "./region_plots.js";
import { OverviewBuilder, orderedRows } from "./rows.js";
import { inSlices, Rerun } from "./slices.js";
import { SummaryView } from "./summary_view.js";

/** Reports arrive up to ten times a second; a person reads more slowly (ms). */
const REFRESH_INTERVAL = 400;

const SCOPE_LABELS: readonly (readonly [Scope, string])[] = [
  ["chunk", "This chunk"],
  ["view", "In view"],
  ["all", "All that are kept"],
];
const NOTHING: Readonly<Record<Scope, string>> = {
  chunk: "The chunk in the middle of the view is not computed yet.",
  view: "No chunk in view is computed yet. Zoomed out, nothing is computed.",
  all: "No chunk is computed yet.",
};

/** The numbers of one chunk, of those in view, or of all seen so far, against the model's source; and a table of those chunks. */
export class ChunksView extends RefCounted {
  readonly element: HTMLElement;
  private readonly scopeSelect = element("select", {
    "aria-label": "Which chunks",
    title:
      "Whose numbers are shown: of the chunk in the middle of the view, of all in view, or of all computed so far",
  });
  private readonly empty = element("p", { role: "status" });
  private readonly content = element("div");
  private readonly summary = new SummaryView();
  private readonly plots = this.registerDisposer(new RegionPlots());
  private readonly table: ChunkTable;
  private readonly rest = element("p", { class: "mito-soft" });
  private readonly rerun = new Rerun(() => this.update());
  private readonly refresh = throttle(() => this.rerun.request(), REFRESH_INTERVAL);
  private layer: MitoUserLayer | undefined;
  private mito: MitoSource | undefined;
  private unbind: (() => void)[] = [];
  private shown = false;

  constructor(private readonly state: MorphologyPanelState) {
    super();
    this.table = new ChunkTable(state.order, {
      onOrder: (order) => {
        state.order = order;
      },
      onJump: (report) => this.layer?.goTo(report),
    });
    for (const [value, label] of SCOPE_LABELS) this.scopeSelect.append(element("option", { value }, label));
    this.scopeSelect.addEventListener("change", () => {
      state.scope.value = this.scopeSelect.value as Scope;
    });
    this.content.append(this.summary.element, this.plots.element, this.table.element, this.rest);
    this.element = element(
      "div",
      {},
      element("div", { class: "mito-scope" }, "Numbers of ", this.scopeSelect),
      this.empty,
      this.content,
    );
    this.registerDisposer(() => this.refresh.cancel());
    this.registerDisposer(() => this.release());
    for (const part of [state.scope, state.sorting])
      this.registerDisposer(part.changed.add(() => this.rerun.request()));
  }

  setVisible(visible: boolean): void {
    if (this.shown === visible) return;
    this.shown = visible;
    if (visible) this.rerun.request();
  }

  follow(layer: MitoUserLayer | undefined): void {
    const mito = layer?.mito.value;
    if (layer === this.layer && mito === this.mito) return;
    this.release();
    this.layer = layer;
    this.mito = mito;
    if (layer !== undefined && mito !== undefined)
      this.unbind = [
        mito.results.changed.add(this.refresh),
        layer.manager.root.globalPosition.changed.add(() => {
          if (this.state.scope.value === "chunk") this.refresh();
        }),
      ];
    this.rerun.request();
  }

  private release(): void {
    for (const stop of this.unbind) stop();
    this.unbind = [];
  }

  private reports(mito: MitoSource, layer: MitoUserLayer): ChunkReport[] {
    const { results } = mito;
    switch (this.state.scope.value) {
      case "view":
        return results.inView();
      case "all":
        return results.all();
      case "chunk": {
        const report = chunkAtView(layer, results);
        return report === undefined ? [] : [report];
      }
    }
  }

  private async update(): Promise<void> {
    const { state, mito, layer } = this;
    if (this.wasDisposed || !this.shown || mito === undefined || layer === undefined) return;
    const scope = state.scope.value;
    if (this.scopeSelect.value !== scope) this.scopeSelect.value = scope;
    const reports = this.reports(mito, layer);
    const builder = new OverviewBuilder();
    await inSlices(reports, (report) => builder.add(report));
    // The source or the scope may be another one by now: then this runs again.
    if (this.wasDisposed || mito !== this.mito || scope !== state.scope.value) return;
    setText(this.empty, reports.length > 0 ? "" : NOTHING[scope]);
    const prior = chunkPrior(mito.model.config.prior);
    const source = sourceRegions(mito);
    const total = builder.result();
    this.summary.update(total, prior, source, mito.status.value.backend ?? "");
    this.plots.update(total, source.distribution, source.pixelRatio, source.pixelArea);
    this.table.update(orderedRows(reports, prior, state.order, MAXIMUM_ROWS));
    const hidden = reports.length - MAXIMUM_ROWS;
    setText(this.rest, hidden > 0 ? `${formatCount(hidden)} more chunks: sort to bring others up.` : "");
  }
}
