import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import { checkbox, slider } from "../mito_layer/controls.js";
import { element, setText } from "../mito_layer/dom.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { modelColour } from "./colours.js";
import { type ComparisonController, namesOf } from "./controller.js";
import { referenceLayers } from "./reference.js";
import { swatch } from "./tables.js";

const RANGE = { minimum: 0, maximum: 1, step: 0.01 };

/** The compared models with their thresholds, and the reference. */
export class SettingsView extends RefCounted {
  readonly element: HTMLElement;
  private readonly models = element("div");
  private readonly reference = element("select", { "aria-label": "Reference" });
  private readonly problem = element("p", { class: "comparison-problem", role: "alert" });
  private rows: RefCounted | undefined;
  private shown = "";

  constructor(
    private readonly viewer: Viewer,
    private readonly controller: ComparisonController,
  ) {
    super();
    const { state } = controller;
    this.reference.addEventListener("change", () => {
      state.reference.value = this.reference.value === "" ? undefined : this.reference.value;
    });
    this.element = element(
      "section",
      {},
      this.models,
      checkbox(this, "comparison-same", state.sameThreshold, "the same threshold for all"),
      element(
        "label",
        {
          class: "comparison-reference",
          title: "A segmentation layer of the same place, as ground truth: models are scored against it",
        },
        "Reference ",
        this.reference,
      ),
      this.problem,
    );
    this.registerDisposer(() => this.rows?.dispose());
    this.registerDisposer(controller.changed.add(() => this.update()));
    this.update();
  }

  update(): void {
    const { agreement, layers, state, referenceError } = this.controller;
    const names = agreement === undefined ? [] : namesOf(agreement);
    const same = state.sameThreshold.value;
    const text = JSON.stringify([names, layers.map((layer) => layer?.managedLayer.name), same]);
    if (text !== this.shown) {
      this.shown = text;
      this.makeRows(names, layers, same);
    }
    const options = ["", ...referenceLayers(this.viewer).map(({ name }) => name)];
    const wanted = state.reference.value ?? "";
    if (!options.includes(wanted)) options.push(wanted);
    if ([...this.reference.options].map(({ value }) => value).join("\n") !== options.join("\n"))
      this.reference.replaceChildren(
        ...options.map((value) => element("option", { value }, value === "" ? "none" : value)),
      );
    this.reference.value = wanted;
    setText(this.problem, referenceError ?? "");
  }

  private makeRows(
    names: readonly string[],
    layers: readonly (MitoUserLayer | undefined)[],
    same: boolean,
  ): void {
    this.rows?.dispose();
    const rows = new RefCounted();
    this.rows = rows;
    const control = (layer: MitoUserLayer, id: string) => slider(rows, id, layer.state.threshold, RANGE);
    const first = layers.find((layer) => layer !== undefined);
    this.models.replaceChildren(
      ...names.map((name, k) => {
        const layer = layers[k];
        const id = `comparison-threshold-${k}`;
        return element(
          "div",
          { class: "comparison-model" },
          element("label", { for: id }, swatch(modelColour(k), name)),
          ...(layer === undefined
            ? [element("small", {}, "its layer is gone: at the default threshold")]
            : same
              ? []
              : [control(layer, id)]),
        );
      }),
      ...(same && first !== undefined
        ? [
            element(
              "div",
              { class: "comparison-model" },
              element("label", { for: "comparison-threshold" }, "Threshold"),
              control(first, "comparison-threshold"),
            ),
          ]
        : []),
    );
  }
}
