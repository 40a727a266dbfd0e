import * as Comlink from "comlink";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import type {
  AdaptationApi,
  AdaptationRequest,
  AdaptationResult,
  AdaptationUpdate,
  AdaptationUpdateMessage,
  ScoredPoint,
} from "../../workers/adaptation_api.js";
import type { BackendPreference, DeviceLostMessage } from "../../workers/inference_api.js";
import { modelsChanged } from "./model_list.js";

/** Points of the loss that are kept for the plot; beyond, every other one goes. */
const MOST_LOSSES = 2000;
/** What a worker has to end by itself. */
const LAST_WORDS_MS = 2000;
/** Of a preview before it is drawn. */
const PREVIEW_EDGE = 256;

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

/** What is known of the adaptation that runs, or of the last one. */
export type AdaptationState =
  | { readonly kind: "idle" }
  | { readonly kind: "running"; readonly update: AdaptationUpdate | undefined; readonly stopping: boolean }
  | { readonly kind: "done"; readonly result: AdaptationResult }
  | { readonly kind: "failed"; readonly message: string };

/** How the page reaches what an adaptation needs. */
export interface AdaptationSurroundings {
  readonly preference: BackendPreference;
  readonly wasmPath: string;
  /** See `MitoSource.servePatches`. */
  servePatches(port: MessagePort): void;
}

function makeCanvas(): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = PREVIEW_EDGE;
  canvas.height = PREVIEW_EDGE;
  return canvas;
}

function makeWorker(): Worker {
  return new Worker(
    /* webpackChunkName: "adaptation" */ new URL("../../workers/adaptation.ts", import.meta.url),
    { type: "module" },
  );
}

/**
 * One adaptation at a time of a layer's model, in a worker of its own that ends with it. The page sees numbers; EM goes
 * from the chunk worker to the adaptation worker, and previews are drawn there on canvases that the page only shows. Predictions
 * of the layer go on meanwhile: a GPU is shared, and on the CPU an adaptation takes one core.
 */
export class LayerAdaptation extends RefCounted {
  readonly changed = new NullarySignal();
  private now: AdaptationState = { kind: "idle" };
  /** Of the running adaptation, or the last one. */
  losses: LossPoint[] = [];
  scores: ScoredPoint[] = [];
  /** Whether it trains, so that its loss is to fall. */
  trains = false;
  /** Shown by whoever shows the state; new ones for each adaptation, for a canvas is handed over once. */
  previews: readonly [before: HTMLCanvasElement, now: HTMLCanvasElement] | undefined;
  private worker: Worker | undefined;
  private finished: Promise<unknown> = Promise.resolve();
  private api: Comlink.Remote<AdaptationApi> | undefined;

  get state(): AdaptationState {
    return this.now;
  }

  /** @param trains Whether the strategy trains. @throws Error when the layer cannot give EM. */
  start(request: AdaptationRequest, trains: boolean, surroundings: AdaptationSurroundings): void {
    if (this.now.kind === "running") return;
    const { port1, port2 } = new MessageChannel();
    surroundings.servePatches(port1);
    const { preference, wasmPath } = surroundings;
    const worker = makeWorker();
    this.worker = worker;
    this.api = Comlink.wrap<AdaptationApi>(worker);
    this.losses = [];
    this.scores = [];
    this.trains = trains;
    this.previews = [makeCanvas(), makeCanvas()];
    this.listen(worker);
    this.set({ kind: "running", update: undefined, stopping: false });
    const canvases = this.previews.map((shown) => shown.transferControlToOffscreen());
    const running = this.api.start(
      request,
      { preference, wasmPath },
      Comlink.transfer(port2, [port2]),
      Comlink.transfer(canvases as unknown as readonly [OffscreenCanvas, OffscreenCanvas], canvases),
    );
    this.finished = running.then(
      (result) => {
        // Saved, even if nobody waits for it any more.
        if (result.notSaved === undefined) modelsChanged.dispatch();
        if (worker === this.worker) this.end({ kind: "done", result });
      },
      (error: unknown) => {
        if (worker === this.worker) this.fail(error);
      },
    );
  }

  /** Ends after the running step and keeps the best so far. */
  stop(): void {
    if (this.now.kind !== "running") return;
    void this.api?.stop();
    this.set({ ...this.now, stopping: true });
  }

  /** Ends at once, keeps nothing, and forgets the last adaptation. A model that was saved stays. */
  discard(): void {
    this.losses = [];
    this.scores = [];
    this.previews = undefined;
    this.end({ kind: "idle" });
  }

  override disposed(): void {
    this.endWorker();
    super.disposed();
  }

  private listen(worker: Worker): void {
    worker.addEventListener(
      "message",
      ({ data }: MessageEvent<Partial<AdaptationUpdateMessage & DeviceLostMessage> | null>) => {
        if (worker !== this.worker) return;
        if (data?.adaptation !== undefined) this.take(data.adaptation);
        if (typeof data?.deviceLost === "string")
          this.fail(`${data.deviceLost}. The layer goes on by itself; start the adaptation again`);
      },
    );
    worker.addEventListener("error", (event) => {
      if (worker === this.worker) this.fail(event.message || "the adaptation worker could not be started");
    });
    worker.addEventListener("messageerror", () => {
      if (worker === this.worker) this.fail("a message of the adaptation worker could not be read");
    });
  }

  private take(update: AdaptationUpdate): void {
    if (this.now.kind !== "running") return;
    for (const { step, losses } of update.losses) this.losses.push({ step, loss: losses.loss });
    if (this.losses.length > MOST_LOSSES) this.losses = this.losses.filter((_, i) => i % 2 === 1);
    this.scores.push(...update.scores);
    this.set({ ...this.now, update });
  }

  private fail(error: unknown): void {
    const aborted = error instanceof Error && error.name === "AbortError";
    // Stopped before there was anything to keep.
    if (aborted && this.now.kind === "running" && this.now.stopping) this.end({ kind: "idle" });
    else this.end({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }

  private end(state: AdaptationState): void {
    this.endWorker();
    this.set(state);
  }

  /** Lets a worker that still runs close its end of the EM's port, but not for long: a step may take seconds. */
  private endWorker(): void {
    const { worker, api, finished } = this;
    this.worker = undefined;
    this.api = undefined;
    if (worker === undefined) return;
    void api?.cancel().catch(() => {});
    const late = new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS));
    void Promise.race([finished, late]).then(() => worker.terminate());
  }

  private set(state: AdaptationState): void {
    this.now = state;
    this.changed.dispatch();
  }
}
