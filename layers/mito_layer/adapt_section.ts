import { throttle } from "lodash-es";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { AdaptationResult } from "../../workers/adaptation_api.js";
import { inferenceService } from "../mito/inference_service.js";
import { savedModels } from "../mito/models.js";
import { AdaptPlot } from "./adapt_plot.js";
import { AdaptSetup } from "./adapt_setup.js";
import { detailText, doneFraction, phaseText, resultText, worseThanBefore } from "./adapt_texts.js";
import type { AdaptationState } from "./adaptation.js";
import { addBeside } from "./beside.js";
import { element, setText } from "./dom.js";
import { downloadBytes } from "./download.js";
import type { MitoUserLayer } from "./layer.js";
import "./adapt.css";

/** A screen reader is told of progress this often at most, ms. */
const SPOKEN_INTERVAL = 8000;

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

export interface AdaptActions {
  /** Has the layer predict with another model. */
  use(model: string): void;
}

/** "Adapt this model to this volume": the form, then what happens, then what to do with what came out. */
export class AdaptSection extends RefCounted {
  readonly element: HTMLDetailsElement;
  private readonly setup: AdaptSetup;
  private readonly plot = this.registerDisposer(new AdaptPlot());
  private readonly phase = element("p", { class: "mito-adapt-phase" });
  private readonly detail = element("p", { class: "mito-soft" });
  private readonly spoken = element("p", { class: "mito-spoken", role: "status" });
  private readonly progress = element("progress", { max: 1, "aria-label": "Adaptation" });
  private readonly problem = element("p", { class: "mito-problems", role: "alert" });
  private readonly previews = element("div", { class: "mito-previews" });
  private readonly buttons = element("div", { class: "mito-buttons" });
  private readonly running: HTMLElement;
  private readonly pictures: HTMLElement;
  private shownKind: string | undefined;
  private shownCanvas: HTMLCanvasElement | undefined;
  private readonly speak = throttle((text: string) => setText(this.spoken, text), SPOKEN_INTERVAL);

  constructor(
    private readonly layer: MitoUserLayer,
    private readonly actions: AdaptActions,
  ) {
    super();
    this.setup = this.registerDisposer(new AdaptSetup(layer));
    this.running = element("div", { class: "mito-adapt-running" }, this.phase, this.progress, this.detail);
    this.pictures = element("div", {}, this.plot.element, this.previews);
    this.element = element(
      "details",
      { class: "mito-adapt" },
      element(
        "summary",
        { title: "Makes a model for this tissue from unlabelled EM, here in the browser" },
        "Adapt this model to this volume",
      ),
      this.setup.element,
      this.running,
      this.problem,
      this.buttons,
      this.pictures,
      this.spoken,
    );
    this.registerDisposer(() => this.speak.cancel());
    this.registerDisposer(layer.adaptation.changed.add(() => this.show()));
    if (layer.adaptation.state.kind !== "idle") this.element.open = true;
    this.show();
  }

  private show(): void {
    const { adaptation } = this.layer;
    const { state } = adaptation;
    const fresh = this.shownKind !== state.kind;
    this.shownKind = state.kind;
    const isSetup = state.kind === "idle" || state.kind === "failed";
    this.setup.element.hidden = !isSetup;
    this.running.hidden = isSetup;
    this.pictures.hidden = isSetup;
    if (fresh) {
      const focused = this.buttons.contains(document.activeElement);
      this.buttons.replaceChildren(...this.makeButtons(state));
      // The button that was pressed is gone: the keyboard stays where it was.
      if (focused) this.buttons.querySelector("button")?.focus();
    }
    setText(this.problem, problemOf(state));
    if (isSetup) {
      if (fresh) this.speak(state.kind === "failed" ? "The adaptation failed." : "");
      return;
    }
    this.showPreviews();
    const { losses, scores, trains } = adaptation;
    const running = state.kind === "running";
    this.progress.hidden = !running;
    if (running) this.showRunning(state);
    else this.showDone(state.result);
    const prior = this.prior();
    const steps = running ? (state.update?.steps ?? 0) : (losses.at(-1)?.step ?? 0);
    this.plot.element.hidden = scores.length === 0;
    if (scores.length > 0) this.plot.update(scores, trains ? losses : [], prior, steps);
  }

  private prior(): number | null {
    const prior = this.layer.mito.value?.model.config.prior;
    return (prior?.chunks?.summary ?? prior)?.solidity ?? null;
  }

  private showRunning({ update, stopping }: AdaptationState & { kind: "running" }): void {
    const text = phaseText(update, stopping);
    setText(this.phase, text);
    setText(
      this.detail,
      detailText(update) || "The layer goes on predicting meanwhile; both share the engine.",
    );
    const done = doneFraction(update);
    if (done === undefined) this.progress.removeAttribute("value");
    else this.progress.value = done;
    this.speak(`${text} ${detailText(update)}`);
  }

  private showDone(result: AdaptationResult): void {
    setText(this.phase, resultText(result));
    setText(
      this.detail,
      worseThanBefore(result)
        ? "By this measure the model as it was is nearer to the source: compare the two before you use it."
        : "Saved in this browser. The outlines below are at a probability of 0.5.",
    );
    this.speak.cancel();
    setText(this.spoken, "The adaptation is done.");
  }

  private showPreviews(): void {
    const { previews } = this.layer.adaptation;
    if (this.shownCanvas === previews?.[0]) return;
    this.shownCanvas = previews?.[0];
    this.previews.replaceChildren(
      ...(previews ?? []).map((canvas, i) => {
        const caption = i === 0 ? "Before" : "Now";
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `One patch with what is predicted in it: ${caption.toLowerCase()}`);
        return element("figure", {}, canvas, element("figcaption", {}, caption));
      }),
    );
  }

  private makeButtons(state: AdaptationState): HTMLElement[] {
    const { adaptation } = this.layer;
    const button = (text: string, title: string, onclick: () => void) =>
      element("button", { type: "button", title, onclick }, text);
    if (state.kind === "running")
      return [
        button("Stop", "End after this step and keep the best so far", () => adaptation.stop()),
        button("Discard", "End now and keep nothing", () => adaptation.discard()),
      ];
    if (state.kind === "done") return this.resultButtons(state.result, button);
    return [
      button("Start", "Adapt a copy of this model. The layer goes on predicting meanwhile, more slowly", () =>
        this.start(),
      ),
    ];
  }

  private resultButtons(
    { entry: { id, name }, archive }: AdaptationResult,
    button: (text: string, title: string, onclick: () => void) => HTMLButtonElement,
  ): HTMLElement[] {
    const { adaptation } = this.layer;
    const again = button("Adapt again", "Back to the form; the saved model stays", () =>
      adaptation.discard(),
    );
    const download = button("Download", "As a .zip file that this page and the command line read", () => {
      const bytes = archive === undefined ? savedModels.archive(id) : Promise.resolve(archive);
      bytes.then(
        (file) => downloadBytes(`${id}.zip`, file, "application/zip"),
        (error: unknown) => setText(this.problem, message(error)),
      );
    });
    if (archive !== undefined) return [download, again];
    const use = button("Use this model", "This layer predicts with the adapted model", () => {
      this.actions.use(id);
      use.disabled = true;
    });
    return [
      use,
      button("Compare", "Adds another layer with the adapted model", () => addBeside(this.layer, id, name)),
      download,
      again,
    ];
  }

  private start(): void {
    const { layer } = this;
    try {
      const request = this.setup.request();
      const { options, status } = inferenceService(layer.manager.chunkManager.rpc!);
      layer.adaptation.start(request, this.setup.chosen?.trains === true, {
        // What the predictions had to fall back to is what works here.
        preference: status.value.backend === "wasm" ? "wasm" : options.backend,
        wasmPath: new URL("wasm/", document.baseURI).href,
        servePatches: (port) => layer.mito.value!.servePatches(port),
      });
    } catch (error) {
      setText(this.problem, message(error));
    }
  }
}

function problemOf(state: AdaptationState): string {
  if (state.kind === "failed") return `The adaptation failed: ${state.message}.`;
  if (state.kind === "done" && state.result.notSaved !== undefined)
    return `The adapted model is not saved: ${state.result.notSaved}. Download it now; “Open a model file” brings it back.`;
  return "";
}
