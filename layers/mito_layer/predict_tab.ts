import { StatusMessage } from "neuroglancer/unstable/status.js";
import { Tab } from "neuroglancer/unstable/widget/tab_view.js";
import type { TestTimeAugmentation } from "../../src/inference/types.js";
import type { MitoQuery } from "../mito/base.js";
import { chunkPrior } from "../morphology_panel/prior.js";
import { AdaptSection } from "./adapt_section.js";
import { checkbox, field, numberInput, slider } from "./controls.js";
import { element, setText } from "./dom.js";
import type { MitoUserLayer } from "./layer.js";
import { availableModels, modelLabel, modelsChanged } from "./model_list.js";
import { SavedModelsView } from "./saved_models_view.js";
import { editQuery, isMitoUrl } from "./source_url.js";
import { LARGEST_MINIMUM } from "./state.js";
import { StatusView } from "./status_view.js";
import "./style.css";

const AUGMENTATIONS: readonly (readonly [TestTimeAugmentation, string])[] = [
  ["none", "None"],
  ["flip", "Flips (4 passes)"],
  ["d4", "Flips and turns (8 passes)"],
];

/**
 * What is predicted and how it is shown. Above, what changes the network's output and so stands in the source's URL;
 * below, what is done with probabilities that are there; then what the workers are doing.
 */
export class PredictTab extends Tab {
  private readonly model = element("select");
  private readonly about = element("p", { class: "mito-about" });
  private readonly augmentation = element("select");
  private readonly windowLower = element("input", {
    type: "number",
    step: "any",
    "aria-label": "Intensity that becomes 0",
  });
  private readonly windowUpper = element("input", {
    type: "number",
    step: "any",
    "aria-label": "Intensity that becomes 1",
  });

  constructor(private readonly layer: MitoUserLayer) {
    super();
    this.element.classList.add("mito-predict-tab");
    const { state, displayState } = layer;
    this.element.append(
      this.makeSourceControls(),
      element(
        "fieldset",
        {},
        element("legend", {}, "Objects"),
        field(
          "Threshold",
          "A voxel belongs to a mitochondrion from this probability on. Keys: − and =",
          (id) => slider(this, id, state.threshold, { minimum: 0, maximum: 1, step: 0.01 }),
        ),
        field("Smallest object", "Whole objects of fewer voxels, over all chunks, are left out", (id) =>
          numberInput(this, id, state.minimumVoxels, {
            minimum: 0,
            maximum: LARGEST_MINIMUM,
            step: 1,
            unit: "voxels",
          }),
        ),
        field("Opacity", "Of the objects in the cross-sections", (id) =>
          slider(this, id, displayState.selectedAlpha, { minimum: 0, maximum: 1, step: 0.05 }),
        ),
        field("Probability", "Shows the network's output as a heat map. Key: p", (id) =>
          checkbox(this, id, state.showProbability, "as a heat map"),
        ),
      ),
      this.registerDisposer(new StatusView(layer)).element,
      this.registerDisposer(new AdaptSection(layer, { use: (model) => this.change({ model }) })).element,
      element(
        "details",
        { class: "mito-adapt" },
        element("summary", { title: "Adapted here, or opened from a file" }, "Models in this browser"),
        this.registerDisposer(new SavedModelsView()).element,
      ),
    );
    this.registerDisposer(modelsChanged.add(() => void this.listModels()));
    this.registerDisposer(layer.mito.changed.add(() => this.showSource()));
    this.registerDisposer(layer.dataSourcesChanged.add(() => this.showSource()));
    this.showSource();
    void this.listModels();
  }

  private makeSourceControls(): HTMLElement {
    const apply = () => this.applyWindow();
    for (const input of [this.windowLower, this.windowUpper]) input.addEventListener("change", apply);
    this.model.addEventListener("change", () => this.change({ model: this.model.value }));
    for (const [value, label] of AUGMENTATIONS) this.augmentation.append(element("option", { value }, label));
    this.augmentation.addEventListener("change", () =>
      this.change({ tta: this.augmentation.value as TestTimeAugmentation }),
    );
    const ownWindow = element(
      "button",
      {
        type: "button",
        title: "Use the intensity window that the model was trained with",
        onclick: () => this.change({ window: undefined }),
      },
      "Model's",
    );
    return element(
      "fieldset",
      {},
      element("legend", {}, "Network"),
      field("Model", "Which network predicts; another one computes everything in view again", (id) => {
        this.model.id = id;
        return this.model;
      }),
      this.about,
      field("Window", "EM intensities that become the network's 0 and 1", (id) => {
        this.windowLower.id = id;
        return element("span", { class: "mito-window" }, this.windowLower, "to", this.windowUpper, ownWindow);
      }),
      field(
        "Averaging",
        "Test-time augmentation: the mean over mirrored and turned copies, at that many times the cost",
        (id) => {
          this.augmentation.id = id;
          return this.augmentation;
        },
      ),
    );
  }

  private async listModels(): Promise<void> {
    let options: readonly (readonly [string, string])[] = [];
    try {
      options = (await availableModels()).map((model) => [model.id, modelLabel(model)] as const);
    } catch (error) {
      StatusMessage.showTemporaryMessage(error instanceof Error ? error.message : String(error), 10_000);
    }
    if (this.wasDisposed) return;
    this.model.replaceChildren(...options.map(([value, label]) => element("option", { value }, label)));
    this.showSource();
  }

  /** Writes what the loaded source says into the controls. */
  private showSource(): void {
    const mito = this.layer.mito.value;
    const enabled = this.sourceIndex() !== -1;
    for (const control of [this.model, this.augmentation, this.windowLower, this.windowUpper])
      control.disabled = !enabled;
    if (mito === undefined) {
      setText(this.about, "");
      return;
    }
    const { id, name, config } = mito.model;
    const prior = chunkPrior(config.prior);
    // A model that is not in the list (any more) is still shown as what it is.
    if (![...this.model.options].some(({ value }) => value === id))
      this.model.append(element("option", { value: id }, name));
    this.model.value = id;
    setText(
      this.about,
      `${config.strategy}, trained on ${config.source}${config.target === null ? "" : ` for ${config.target}`}; ` +
        `prior ${prior === null ? "not known" : `solidity ${prior.solidity.toFixed(3)}`}. Runs at ${mito.voxelSize.map((nm) => +nm.toFixed(2)).join(" × ")} nm.`,
    );
    this.augmentation.value = mito.query.tta;
    const [lower, upper] = mito.window;
    this.windowLower.valueAsNumber = lower;
    this.windowUpper.valueAsNumber = upper;
  }

  private applyWindow(): void {
    const lower = this.windowLower.valueAsNumber;
    const upper = this.windowUpper.valueAsNumber;
    const usable = lower < upper;
    this.windowUpper.setCustomValidity(
      usable ? "" : "The upper intensity must be larger than the lower one.",
    );
    if (usable) this.change({ window: [lower, upper] });
    else this.windowUpper.reportValidity();
  }

  private sourceIndex(): number {
    return this.layer.dataSources.findIndex(({ spec }) => isMitoUrl(spec.url));
  }

  /** Puts a change of what is predicted into the source's URL, which loads the source again. */
  private change(change: { [Key in keyof MitoQuery]?: MitoQuery[Key] | undefined }): void {
    const source = this.layer.dataSources[this.sourceIndex()];
    if (source === undefined) return;
    try {
      const url = editQuery(source.spec.url, change);
      if (url !== source.spec.url) source.spec = { ...source.spec, url };
    } catch (error) {
      StatusMessage.showTemporaryMessage(error instanceof Error ? error.message : String(error), 10_000);
    }
  }
}
