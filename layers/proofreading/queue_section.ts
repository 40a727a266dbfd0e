import type { QueuePlace } from "../../src/proofreading/queue.js";
import { element, setText } from "../mito_layer/dom.js";
import type { LayerEditor } from "./editor.js";
import { METRICS, type PanelMetric, type ProofreadingState } from "./state.js";

const LABELS: Readonly<Record<PanelMetric, string>> = {
  margin: "least sure of first",
  border: "least sure border first",
  prior: "most unlike the source first",
  size: "largest first",
  touching: "most neighbours first",
};
const ROWS = 6;

/** What is to be looked at, in order, and how much is left. */
export class QueueSection {
  readonly element: HTMLElement;
  private readonly left = element("strong", { class: "proof-left" });
  private readonly list = element("ol", { class: "proof-queue" });
  private readonly metric = element(
    "select",
    { "aria-label": "Order of the queue" },
    ...METRICS.map((metric) => element("option", { value: metric }, LABELS[metric])),
  );
  private readonly reverse = element("input", { type: "checkbox" });
  private readonly goOn = element("input", { type: "checkbox" });
  private readonly minimum = element("input", {
    type: "number",
    min: 0,
    step: 100,
    "aria-label": "Smallest object of the queue, voxels",
  });

  constructor(
    private readonly editor: () => LayerEditor | undefined,
    private readonly state: ProofreadingState,
  ) {
    const button = (text: string, key: string, title: string, run: (editor: LayerEditor) => Promise<void>) =>
      element(
        "button",
        { type: "button", title: key === "" ? title : `${title} (key ${key})`, onclick: () => this.act(run) },
        text,
        ...(key === "" ? [] : [" ", element("kbd", {}, key)]),
      );
    this.metric.addEventListener("change", () => {
      state.metric.value = this.metric.value as PanelMetric;
    });
    this.reverse.addEventListener("change", () => {
      state.reverse.value = this.reverse.checked;
    });
    this.goOn.addEventListener("change", () => {
      state.goOn.value = this.goOn.checked;
    });
    this.minimum.addEventListener("change", () => {
      const voxels = this.minimum.valueAsNumber;
      if (Number.isInteger(voxels) && voxels >= 0 && voxels <= 1e9) state.minimumVoxels.value = voxels;
      else this.minimum.valueAsNumber = state.minimumVoxels.value;
    });
    this.element = element(
      "section",
      { "aria-label": "Queue" },
      element(
        "div",
        { class: "proof-head" },
        element("h3", {}, "Queue"),
        this.left,
        button("Measure", "", "Puts what is predicted now into the queue", (editor) => editor.load()),
      ),
      element(
        "div",
        { class: "proof-row" },
        this.metric,
        element("label", { title: "Turns the order round" }, this.reverse, "reverse"),
        element("label", { title: "Smaller objects are left out" }, "from ", this.minimum, " voxels"),
      ),
      element(
        "div",
        { class: "proof-row" },
        button("Previous", "g", "The object before", (editor) => editor.step(-1)),
        button("Next", "j", "The next object without a verdict", (editor) => editor.step(1)),
        element(
          "label",
          { title: "A verdict goes on to the next object" },
          this.goOn,
          "go on after a verdict",
        ),
      ),
      this.list,
    );
    this.update();
  }

  private act(run: (editor: LayerEditor) => Promise<void>): void {
    const editor = this.editor();
    if (editor !== undefined) void editor.quietly(run(editor));
  }

  update(): void {
    const { state } = this;
    this.metric.value = state.metric.value;
    this.reverse.checked = state.reverse.value;
    this.goOn.checked = state.goOn.value;
    if (document.activeElement !== this.minimum) this.minimum.valueAsNumber = state.minimumVoxels.value;
    const editor = this.editor();
    const { place, left, total } = editor?.queue.now ?? { place: undefined, left: 0, total: 0 };
    const progress = editor?.queue.progress ?? "";
    const count = (value: number) => value.toLocaleString("en");
    setText(
      this.left,
      progress || (total === 0 ? "not measured yet" : `${count(left)} of ${count(total)} left`),
    );
    const rows = editor?.queue.around(ROWS) ?? [];
    this.list.replaceChildren(...rows.map((row) => this.row(editor!, row, row === place)));
  }

  private row(editor: LayerEditor, place: QueuePlace, isCurrent: boolean): HTMLElement {
    const { value } = this.state.metric;
    const number = place.metrics[value];
    const shown =
      number === undefined ? "–" : Number.isInteger(number) ? number.toLocaleString("en") : number.toFixed(3);
    const size = value === "size" ? "" : `${(place.metrics.size ?? 0).toLocaleString("en")} voxels`;
    return element(
      "li",
      { "aria-current": isCurrent ? "true" : undefined },
      element(
        "button",
        { type: "button", title: "Go there", onclick: () => editor.goTo(place) },
        element("span", {}, editor.queue.isDone(place) ? "✓" : "•"),
        element("span", {}, String(place.object ?? place.key)),
        element("span", {}, `${value} ${shown}`),
        element("span", {}, size),
      ),
    );
  }
}
