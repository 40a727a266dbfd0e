import * as Comlink from "comlink";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import {
  type ExportApi,
  type ExportRequest,
  type ExportResult,
  type ExportTarget,
  type ExportUpdate,
  type ExportUpdateMessage,
  UnfinishedError,
} from "../../workers/export_api.js";
import type { MitoSource } from "../mito/base.js";
import { SERVE_EXPORT, type ServeExport } from "../mito/export_protocol.js";
import { MitoState } from "../mito/frontend.js";

/** What a worker has to remove what it wrote, when an export is cancelled. */
const LAST_WORDS_MS = 20_000;

export type ExportState =
  | { readonly kind: "idle" }
  | { readonly kind: "running"; readonly update?: ExportUpdate; readonly stopping: boolean }
  | { readonly kind: "done"; readonly result: ExportResult }
  | {
      readonly kind: "failed";
      readonly message: string;
      readonly end: "cancelled" | "removed" | "unfinished";
    };

/** Has the chunk worker serve a source on a port. @throws Error while no layer shows it. */
function serveExport(mito: MitoSource, port: MessagePort): void {
  const [source] = mito instanceof MitoState ? mito.sources : [];
  if (source === undefined) throw new Error("no view shows this layer: make it visible, then try again");
  const message: ServeExport = { id: source.rpcId!, port, settings: mito.settings.value };
  source.rpc!.invoke(SERVE_EXPORT, message, [port]);
}

/**
 * One export in a worker of its own, which ends with it. Voxels and meshes go from the chunk worker to the export worker and from
 * there to the disk; this thread sees numbers, and at the end a handle of the file that is to be downloaded.
 */
export class ExportRun {
  readonly changed = new NullarySignal();
  private now: ExportState = { kind: "idle" };
  private worker: Worker | undefined;
  private api: Comlink.Remote<ExportApi> | undefined;

  get state(): ExportState {
    return this.now;
  }

  /** @throws Error when the source cannot be read now. */
  start(mito: MitoSource, request: ExportRequest, target: ExportTarget): void {
    if (this.now.kind === "running") return;
    const { port1, port2 } = new MessageChannel();
    serveExport(mito, port1);
    const worker = new Worker(
      /* webpackChunkName: "export" */ new URL("../../workers/export.ts", import.meta.url),
      { type: "module" },
    );
    this.worker = worker;
    this.api = Comlink.wrap<ExportApi>(worker);
    worker.addEventListener("message", ({ data }: MessageEvent<Partial<ExportUpdateMessage> | null>) => {
      if (data?.exporting !== undefined && this.now.kind === "running" && worker === this.worker)
        this.set({ ...this.now, update: data.exporting });
    });
    worker.addEventListener("error", (event) => {
      if (worker === this.worker)
        this.fail(new Error(event.message || "the export worker could not be started"));
    });
    this.set({ kind: "running", stopping: false });
    this.api.start(request, target, Comlink.transfer(port2, [port2])).then(
      (result) => {
        if (worker === this.worker) this.end({ kind: "done", result });
      },
      (error: unknown) => {
        if (worker === this.worker) this.fail(error);
      },
    );
  }

  /** Ends it and removes what was written. */
  cancel(): void {
    if (this.now.kind !== "running" || this.now.stopping) return;
    void this.api?.cancel();
    this.set({ ...this.now, stopping: true });
    const { worker } = this;
    setTimeout(() => {
      if (worker !== undefined && worker === this.worker)
        this.fail(new UnfinishedError("it did not end by itself", "that it wrote"));
    }, LAST_WORDS_MS);
  }

  /** Back to the beginning. */
  forget(): void {
    if (this.now.kind !== "running") this.set({ kind: "idle" });
  }

  private fail(error: unknown): void {
    const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
    const end = name === "AbortError" ? "cancelled" : name === "UnfinishedError" ? "unfinished" : "removed";
    this.end({ kind: "failed", message, end });
  }

  private end(state: ExportState): void {
    this.worker?.terminate();
    this.worker = undefined;
    this.api = undefined;
    this.set(state);
  }

  private set(state: ExportState): void {
    this.now = state;
    this.changed.dispatch();
  }
}
