import { bigintToStringJsonReplacer } from "neuroglancer/unstable/util/json.js";
import type { Viewer } from "neuroglancer/unstable/viewer.js";
import { MOST_COMPARED } from "../mito/agreement_url.js";
import { element, setText } from "../mito_layer/dom.js";
import { MitoUserLayer } from "../mito_layer/layer.js";
import { type AvailableModel, availableModels, modelLabel } from "../mito_layer/model_list.js";
import { arrangeComparison, type Comparison, endComparison, type ViewerJson } from "./arrange.js";
import { shortNames } from "./figures.js";

const FEWEST = 2;

/** The viewer's state as plain JSON. */
function stateOf(viewer: Viewer): ViewerJson {
  return JSON.parse(JSON.stringify(viewer.state.toJSON(), bigintToStringJsonReplacer));
}

/** Shows another state: a new entry in the browser's history, so that "back" undoes it. */
function show(state: ViewerJson): void {
  location.hash = `!${encodeURIComponent(JSON.stringify(state))}`;
}

export function startComparison(viewer: Viewer, comparison: Comparison): void {
  show(arrangeComparison(stateOf(viewer), comparison));
}

export function stopComparison(viewer: Viewer): void {
  show(endComparison(stateOf(viewer)));
}

/** The layer whose volume is compared on: the selected one, else the first visible, else the first. */
function baseLayer(viewer: Viewer): MitoUserLayer | undefined {
  const all = viewer.layerManager.managedLayers.filter(({ layer }) => layer instanceof MitoUserLayer);
  const chosen =
    all.find((managed) => managed === viewer.selectedLayer.layer) ??
    all.find(({ visible }) => visible) ??
    all.at(0);
  return chosen?.layer as MitoUserLayer | undefined;
}

/** Those of the same source first, in the order of the list otherwise. */
function inOrder(models: readonly AvailableModel[], current: string | undefined): AvailableModel[] {
  const stem = (id: string) => id.split("-to-")[0].replace(/-source-only$/, "");
  const near = (model: AvailableModel) =>
    model.id === current ? 0 : current !== undefined && stem(model.id) === stem(current) ? 1 : 2;
  return [...models].sort((a, b) => near(a) - near(b));
}

/** Asks which models to compare, and shows them side by side. */
export async function askForComparison(viewer: Viewer, compared: readonly string[]): Promise<void> {
  const dialog = element("dialog", { class: "chondria-dialog", "aria-labelledby": "compare-title" });
  const close = () => dialog.close();
  const title = element("h2", { id: "compare-title" }, "Compare models");
  const cancel = element("button", { type: "button", onclick: close }, "Cancel");
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  const say = (text: string) => dialog.replaceChildren(title, element("p", {}, text), cancel);
  say("Reading the list of models…");
  dialog.showModal();
  const base = baseLayer(viewer);
  const current = base?.mito.value?.model.id;
  if (base === undefined || current === undefined) {
    say(
      base === undefined
        ? "There is no prediction to compare with. Add one to an image layer first, with the button “Predict” (key: u)."
        : "The prediction's source is not loaded: wait until it is, or see its Source tab.",
    );
    return;
  }
  try {
    const models = inOrder(await availableModels(), current);
    const boxes = models.map(({ id }) =>
      element("input", {
        type: "checkbox",
        value: id,
        checked: compared.length > 0 ? compared.includes(id) : id === current,
        onchange: () => check(),
      }),
    );
    const hint = element("p", { role: "status" });
    const submit = element("button", { type: "submit" }, "Compare");
    const check = () => {
      const count = boxes.filter(({ checked }) => checked).length;
      const fits = count >= FEWEST && count <= MOST_COMPARED;
      submit.disabled = !fits;
      for (const box of boxes) box.disabled = !box.checked && count >= MOST_COMPARED;
      setText(hint, fits ? `${count} models side by side.` : `Choose ${FEWEST} to ${MOST_COMPARED} models.`);
    };
    const start = (event: Event) => {
      event.preventDefault();
      const chosen = models.filter((_, i) => boxes[i].checked);
      const labels = shortNames(chosen.map(({ id, strategy }) => ({ id, strategy })));
      close();
      startComparison(viewer, {
        layer: base.managedLayer.name,
        models: chosen.map(({ id }, i) => ({ id, label: labels[i] })),
      });
    };
    dialog.replaceChildren(
      title,
      element(
        "form",
        { onsubmit: start },
        element(
          "p",
          {},
          `On the volume of “${base.managedLayer.name}”, linked in position, zoom and orientation; one more panel shows where they agree.`,
        ),
        element(
          "fieldset",
          { class: "comparison-models" },
          element("legend", {}, "Models"),
          ...models.map((model, i) =>
            element("label", { title: model.id }, boxes[i], ` ${modelLabel(model)}`),
          ),
        ),
        hint,
        element("div", { class: "chondria-buttons" }, cancel, submit),
      ),
    );
    check();
    boxes.find(({ disabled }) => !disabled)?.focus();
  } catch (error) {
    say(`The list of models could not be read: ${error instanceof Error ? error.message : error}`);
  }
}
