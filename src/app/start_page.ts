import { element } from "../../layers/mito_layer/dom.js";
import {
  type AvailableModel,
  availableModels,
  modelLabel,
  modelsChanged,
} from "../../layers/mito_layer/model_list.js";
import { SavedModelsView } from "../../layers/mito_layer/saved_models_view.js";
import { PHANTOM, PUBLIC_VOLUMES, type Volume } from "./catalogue.js";
import { chooseModel } from "./choose_model.js";
import { describeEngine } from "./engine.js";
import { localVolumes } from "./local_volumes.js";
import { parseOpenInput } from "./open_input.js";
import { stateFragment, volumeState } from "./viewer_state.js";

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

/**
 * The first page: what can be opened, with which model. It knows nothing of the viewer; it hands the fragment of an
 * address to `open`, with `turn` where the volume's dimensions are not known yet.
 */
export class StartPage {
  private readonly model = element("select", { id: "start-model" });
  private readonly modelText = element("p", { class: "start-soft", id: "start-model-text" });
  private readonly local = element("div", { id: "start-local" });
  private readonly input = element("textarea", {
    id: "start-input",
    rows: 2,
    spellcheck: "false",
    autocomplete: "off",
    placeholder: 'precomputed://gs://bucket/em    or    https://…/#!{…}    or    {"layers": …}',
    "aria-describedby": "start-error",
  });
  private readonly error = element("p", { id: "start-error", class: "start-error", role: "alert" });
  private readonly phantom: HTMLElement;
  private models: readonly AvailableModel[] = [];

  constructor(
    private readonly root: HTMLElement,
    private readonly open: (fragment: string, options?: { readonly turn?: boolean }) => void,
  ) {
    this.phantom = this.card(PHANTOM, "start-first");
    const form = element(
      "form",
      { class: "start-form", onsubmit: (event) => this.submit(event) },
      element(
        "label",
        { for: "start-input" },
        "Any volume that Neuroglancer reads, a Neuroglancer link, or a state as JSON",
      ),
      this.input,
      element("button", { type: "submit" }, "Open"),
      this.error,
    );
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.input.addEventListener("input", () => this.error.replaceChildren());
    root.replaceChildren(
      element(
        "header",
        {},
        element("h1", {}, "Chondria"),
        element(
          "p",
          {},
          "Mitochondria in electron microscopy volumes, predicted in this page where you look. Nothing is uploaded.",
        ),
      ),
      element(
        "div",
        { class: "start-model" },
        element("label", { for: "start-model" }, "Model"),
        this.model,
        this.modelText,
      ),
      section("Start here", element("ul", { class: "start-cards" }, this.phantom)),
      section("Volumes on this computer", this.local),
      section(
        "Public volumes",
        element("ul", { class: "start-cards" }, ...PUBLIC_VOLUMES.map((v) => this.card(v))),
      ),
      section("Open anything", form),
      section("Models in this browser", new SavedModelsView().element),
      element("footer", { class: "start-soft" }, this.engineLine()),
    );
    this.model.addEventListener("change", () => this.describeModel());
    modelsChanged.add(() => void this.listModels());
    void this.listModels();
    void this.listLocal();
  }

  show(): void {
    this.root.hidden = false;
    this.phantom.querySelector("button")?.focus();
  }

  hide(): void {
    this.root.hidden = true;
  }

  private engineLine(): HTMLElement {
    const line = element("p", { role: "status" }, "Looking for WebGPU…");
    void describeEngine().then((text) => line.replaceChildren(text));
    return line;
  }

  private card(volume: Volume, id?: string): HTMLElement {
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", class: "start-card", id, onclick: () => this.openVolume(volume) },
        element("strong", {}, volume.title),
        element("span", {}, volume.description),
        element("code", {}, volume.source),
      ),
    );
  }

  private openVolume(volume: Volume): void {
    const state = volumeState(volume, chooseModel(this.models, this.model.value, volume));
    this.open(stateFragment(state), { turn: volume.voxelSize === undefined });
  }

  private submit(event: Event): void {
    event.preventDefault();
    try {
      const parsed = parseOpenInput(this.input.value);
      if (parsed.kind === "state") this.open(parsed.fragment);
      else this.openVolume({ title: "", description: "", source: parsed.url, layer: "em" });
    } catch (error) {
      this.error.replaceChildren(message(error));
    }
  }

  private async listModels(): Promise<void> {
    try {
      this.models = await availableModels();
    } catch (error) {
      this.modelText.replaceChildren(`The list of models could not be read: ${message(error)}`);
      return;
    }
    const chosen = this.model.value;
    this.model.replaceChildren(element("option", { value: "" }, "Suggested for each volume"));
    for (const one of this.models) this.model.append(element("option", { value: one.id }, modelLabel(one)));
    this.model.value = this.models.some(({ id }) => id === chosen) ? chosen : "";
    this.describeModel();
  }

  private describeModel(): void {
    const chosen = this.models.find(({ id }) => id === this.model.value);
    const text =
      this.models.length === 0
        ? "No model is installed: volumes open without predictions. Train one with: npm run chondria -- train"
        : (chosen?.description ?? "The model that was trained on the tissue most like the volume's.");
    this.modelText.replaceChildren(text);
  }

  private async listLocal(): Promise<void> {
    try {
      const { volumes, problems } = await localVolumes();
      const command = element("code", {}, "npm start -- --data <folder>");
      this.local.replaceChildren(
        volumes.length > 0
          ? element("ul", { class: "start-cards" }, ...volumes.map((volume) => this.card(volume)))
          : element(
              "p",
              { class: "start-soft" },
              "None is served. Start with ",
              command,
              " to see what is in a folder.",
            ),
        ...problems.map((text) => element("p", { class: "start-error" }, text)),
      );
    } catch (error) {
      this.local.replaceChildren(element("p", { class: "start-error" }, message(error)));
    }
  }
}

function section(title: string, ...content: Node[]): HTMLElement {
  const id = `start-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return element("section", { "aria-labelledby": id }, element("h2", { id }, title), ...content);
}
