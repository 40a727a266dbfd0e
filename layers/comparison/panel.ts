import { throttle } from "lodash-es";
import { SidePanel } from "neuroglancer/unstable/ui/side_panel.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import type { Ranking } from "../../src/evaluation/ranking.js";
import type { AgreementState } from "../mito/agreement.js";
import type { AgreementReport } from "../mito/agreement_protocol.js";
import { element, setText } from "../mito_layer/dom.js";
import { voxelAt } from "../mito_layer/region.js";
import { AgreementView } from "./agreement_view.js";
import { askForComparison, stopComparison } from "./choose.js";
import type { Scope } from "./comparison_state.js";
import { SCOPES } from "./comparison_state.js";
import type { ComparisonController } from "./controller.js";
import { namesOf } from "./controller.js";
import { comparisonFigures, type ModelPrior, rankingOf } from "./figures.js";
import { Pump } from "./pump.js";
import { RankingView } from "./ranking_view.js";
import { SettingsView } from "./settings_view.js";
import "./style.css";

/** Figures change with each chunk; a person reads more slowly, and a ranking resamples (ms). */
const REFRESH_INTERVAL = 700;

const NO_PRIOR =
  "The models cannot be ranked: a package among them says nothing of the morphology of its source.";

const SCOPE_LABELS: Record<Scope, string> = {
  chunk: "The chunk in the middle",
  view: "In view",
  all: "All compared so far",
};

/** How the compared models do in one chunk, in the view and so far: in words, a plot and tables. */
export class ComparisonPanel extends SidePanel {
  private readonly scope = element("select", { "aria-label": "Which chunks" });
  private readonly empty = element("p", { role: "status" });
  private readonly notes = element("p", { class: "comparison-soft" });
  private readonly content = element("div");
  private readonly ranking = new RankingView();
  private readonly agreementView = new AgreementView();
  private readonly end: HTMLButtonElement;
  private readonly refresh = throttle(() => this.update(), REFRESH_INTERVAL);
  private readonly pump = new Pump<Ranking>();
  /** Reports of which the ranking is shown, or under way. */
  private ranked: readonly AgreementReport[] = [];
  private bound: AgreementState | undefined;
  private unbind: (() => void) | undefined;

  constructor(
    private readonly viewer: Viewer,
    private readonly controller: ComparisonController,
  ) {
    super(viewer.sidePanelManager, controller.state.location);
    this.addTitleBar({ title: "Compare models" });
    const { state } = controller;
    this.scope.append(...SCOPES.map((value) => element("option", { value }, SCOPE_LABELS[value])));
    this.scope.addEventListener("change", () => {
      state.scope.value = this.scope.value as Scope;
    });
    const choose = element(
      "button",
      {
        type: "button",
        title: "Choose 2 to 4 models to see side by side (c)",
        onclick: () => void askForComparison(viewer, controller.agreement?.query.models ?? []),
      },
      "Models…",
    );
    this.end = element(
      "button",
      {
        type: "button",
        title: "Back to one panel; the layers are kept",
        onclick: () => stopComparison(viewer),
      },
      "End",
    );
    this.content.append(
      this.registerDisposer(new SettingsView(viewer, controller)).element,
      this.notes,
      this.ranking.element,
      this.agreementView.element,
    );
    this.addBody(
      element(
        "div",
        { class: "mito-panel comparison-panel" },
        element("div", { class: "mito-panel-head" }, this.scope, choose, this.end),
        this.empty,
        this.content,
      ),
    );
    this.registerDisposer(() => this.refresh.cancel());
    this.registerDisposer(() => this.unbind?.());
    this.registerDisposer(() => this.pump.stop());
    this.registerDisposer(controller.changed.add(this.refresh));
    this.registerDisposer(
      viewer.position.changed.add(() => {
        if (state.scope.value === "chunk") this.refresh();
      }),
    );
    this.update();
  }

  private follow(agreement: AgreementState | undefined): void {
    if (agreement === this.bound) return;
    this.unbind?.();
    this.bound = agreement;
    this.ranked = [];
    this.unbind = agreement?.changed.add(this.refresh);
  }

  private update(): void {
    if (this.wasDisposed) return;
    const { agreement, state } = this.controller;
    this.follow(agreement);
    if (this.scope.value !== state.scope.value) this.scope.value = state.scope.value;
    this.end.hidden = agreement === undefined;
    this.content.hidden = agreement === undefined;
    if (agreement === undefined) {
      setText(this.empty, "No comparison is open. Choose 2 to 4 models to see them side by side.");
      return;
    }
    const reports = this.reports(agreement);
    const figures = comparisonFigures(reports);
    const waiting = agreement.wanted - agreement.inView().length;
    setText(
      this.empty,
      figures !== undefined
        ? ""
        : agreement.wanted === 0
          ? "No chunk is in view. Zoomed out, nothing is computed."
          : state.scope.value === "chunk"
            ? "The chunk in the middle of the view is not compared yet."
            : "No chunk is compared yet.",
    );
    const failed = reports.find(({ error }) => error !== undefined)?.error;
    const unread = reports.find(({ referenceError }) => referenceError !== undefined)?.referenceError;
    setText(
      this.notes,
      [
        figures && `${figures.chunks} ${figures.chunks === 1 ? "chunk" : "chunks"} compared`,
        waiting > 0 && state.scope.value !== "chunk" && `${waiting} in view to come`,
        figures?.reference &&
          figures.referenceChunks < figures.chunks &&
          `${figures.referenceChunks} with the reference`,
        failed,
        unread,
      ]
        .filter((text) => typeof text === "string")
        .join("; "),
    );
    this.ranking.element.hidden = figures === undefined;
    this.agreementView.element.hidden = figures === undefined;
    if (figures === undefined) return;
    this.rank(agreement, reports);
    this.agreementView.update(figures, namesOf(agreement));
  }

  /** Ranks anew when there is something new; what was ranked before is shown until then. */
  private rank(agreement: AgreementState, reports: readonly AgreementReport[]): void {
    const { ranked } = this;
    if (ranked.length === reports.length && reports.every((report, i) => report === ranked[i])) return;
    this.ranked = reports;
    const names = namesOf(agreement);
    const foreground = comparisonFigures(reports)?.agreement.foreground ?? [];
    const show = (ranking: Ranking | undefined) => this.ranking.update(ranking, names, foreground, NO_PRIOR);
    const steps = rankingOf(reports, priorsOf(agreement));
    if (steps === undefined) show(undefined);
    else this.pump.run(steps, show);
  }

  private reports(agreement: AgreementState): AgreementReport[] {
    switch (this.controller.state.scope.value) {
      case "all":
        return agreement.all();
      case "view":
        return agreement.inView();
      case "chunk": {
        const key = this.middleChunk(agreement);
        const report = key === undefined ? undefined : agreement.get(key);
        return report === undefined ? [] : [report];
      }
    }
  }

  /** Key of the chunk in the middle of the view. */
  private middleChunk(agreement: AgreementState): string | undefined {
    const placement = this.controller.layers.find((layer) => layer !== undefined)?.placement();
    if (placement === undefined) return undefined;
    try {
      const { chunkSize } = agreement.models[0].description;
      return voxelAt(placement, this.viewer.position.value)
        .map((voxel, axis) => Math.floor(voxel / chunkSize[axis]))
        .join();
    } catch {
      // The layer does not lie in three axes of the view: no chunk is in its middle.
      return undefined;
    }
  }
}

function priorsOf(agreement: AgreementState): ModelPrior[] {
  return agreement.models.map(({ model: { config }, geometry, voxelSize }) => {
    const [columns, rows] = geometry.planeAxes;
    return {
      distribution: config.sourceSummary?.regions ?? null,
      pixelRatio: (voxelSize[columns] * voxelSize[rows]) / (config.voxelSize[0] * config.voxelSize[1]),
    };
  });
}
