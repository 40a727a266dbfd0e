import { throttle } from "lodash-es";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { InferenceStatus, MitoSource } from "../mito/base.js";
import { element, setText } from "./dom.js";
import type { MitoUserLayer } from "./layer.js";

/** Errors listed at most: many chunks fail for one reason. */
const MAXIMUM_ERRORS = 5;
const REFRESH_INTERVAL = 250;

const ENGINES = {
  webgpu: "WebGPU",
  wasm: "WebAssembly (no WebGPU here: slower)",
  tensorflow: "TensorFlow",
} as const;

function engineText({ state, backend, workers, restarts }: InferenceStatus): string {
  if (state === "starting") return "Starting the inference workers…";
  if (state === "failed" || backend === undefined) return "No inference worker runs.";
  const count = workers === 1 ? "1 worker" : `${workers} workers`;
  return `${ENGINES[backend]}, ${count}${restarts === 0 ? "" : `, replaced ${restarts} times`}`;
}

function progressText({ results }: MitoSource): string {
  const { wanted, finished, failed } = results.counts();
  if (wanted === 0) return "Nothing to compute in this view: zoom in to see predictions at full resolution.";
  const missing = wanted - finished - failed;
  const parts = [`${finished} of ${wanted} chunks in view are ready`];
  if (missing > 0) parts.push(`${missing} in the queue`);
  if (failed > 0) parts.push(`${failed} failed`);
  return `${parts.join(", ")}.`;
}

/** Which engine runs, how far it is with what is in view, and what went wrong, with a way to try again. */
export class StatusView extends RefCounted {
  readonly element: HTMLElement;
  private readonly engine = element("p", { class: "mito-engine" });
  private readonly progress = element("progress", { max: 1, "aria-label": "Chunks in view that are ready" });
  private readonly text = element("p", { role: "status" });
  private readonly cached = element("p", { class: "mito-soft" });
  private readonly problems = element("div", { class: "mito-problems", role: "alert" });
  private shownProblems = "";

  constructor(private readonly layer: MitoUserLayer) {
    super();
    this.element = element(
      "fieldset",
      { class: "mito-status" },
      element("legend", {}, "Now"),
      this.engine,
      this.progress,
      this.text,
      this.cached,
      this.problems,
    );
    const refresh = throttle(() => this.refresh(), REFRESH_INTERVAL);
    this.registerDisposer(() => refresh.cancel());
    let unbind: (() => void)[] = [];
    const bind = () => {
      for (const stop of unbind) stop();
      const mito = layer.mito.value;
      unbind =
        mito === undefined ? [] : [mito.results.changed.add(refresh), mito.status.changed.add(refresh)];
      refresh();
    };
    this.registerDisposer(layer.mito.changed.add(bind));
    this.registerDisposer(layer.dataSourcesChanged.add(refresh));
    this.registerDisposer(() => {
      for (const stop of unbind) stop();
    });
    bind();
  }

  private refresh(): void {
    const mito = this.layer.mito.value;
    const loadErrors = this.layer.dataSources.flatMap(({ spec, loadState }) =>
      loadState?.error === undefined ? [] : [`${spec.url}: ${loadState.error.message}`],
    );
    if (mito === undefined) {
      setText(this.engine, loadErrors.length > 0 ? "The source could not be loaded." : "Loading the source…");
      for (const part of [this.text, this.cached]) setText(part, "");
      this.progress.hidden = true;
      this.showProblems(loadErrors, undefined);
      return;
    }
    const status = mito.status.value;
    setText(this.engine, engineText(status));
    this.engine.title = status.detail;
    setText(this.text, progressText(mito));
    const { wanted, finished } = mito.results.counts();
    this.progress.hidden = wanted === 0;
    this.progress.value = wanted === 0 ? 0 : finished / wanted;
    const reports = mito.results.inView();
    const kept = reports.filter(({ origin, error }) => origin !== "computed" && error === undefined).length;
    setText(this.cached, kept === 0 ? "" : `${kept} of them came from the cache, without a forward pass.`);
    const failed = reports.filter(({ error }) => error !== undefined);
    const lines = failed
      .slice(0, MAXIMUM_ERRORS)
      .map(({ box, error }) => `Chunk at ${box.lower.join(", ")}: ${error}`);
    if (failed.length > MAXIMUM_ERRORS) lines.push(`… and ${failed.length - MAXIMUM_ERRORS} more chunks.`);
    if (status.message !== undefined) lines.unshift(status.message);
    const stuck = failed.length > 0 || status.state === "failed";
    this.showProblems([...loadErrors, ...lines], stuck ? mito : undefined);
  }

  /** Rebuilt only when it says something else: an alert is read out each time. */
  private showProblems(lines: readonly string[], retry: MitoSource | undefined): void {
    const text = `${lines.join("\n")}\n${retry === undefined}`;
    if (text === this.shownProblems) return;
    this.shownProblems = text;
    this.problems.replaceChildren(...lines.map((line) => element("p", {}, line)));
    if (retry === undefined) return;
    this.problems.append(
      element(
        "button",
        {
          type: "button",
          title: "They are tried again by themselves too, after a while",
          onclick: () => retry.retry(),
        },
        "Try again now",
      ),
    );
  }
}
