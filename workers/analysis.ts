/**
 * Entry of the analysis worker: labels and measures chunks, measures and meshes whole objects, off the main thread and off the chunk worker.
 * The page that starts it calls `addPort` to hand out connections, on which `AnalysisApi` is spoken.
 */
import * as Comlink from "comlink";
import { createAnalysis } from "./analyse.js";
import { exposeApi } from "./expose.js";

/** What the page that starts the worker can call. */
export interface AnalysisWorker {
  /** Answers as soon as the worker runs: for supervision. */
  ping(): void;
  /** Serves `AnalysisApi` on a port of a MessageChannel, which must be transferred. */
  addPort(port: MessagePort): void;
}

const worker: AnalysisWorker = {
  ping() {},
  addPort(port) {
    if (!(port instanceof MessagePort)) throw new TypeError("addPort takes a MessagePort");
    const api = createAnalysis((result, transfer) => Comlink.transfer(result, transfer as ArrayBuffer[]));
    exposeApi({ ...api }, port);
  },
};

exposeApi({ ...worker }, globalThis as unknown as Comlink.Endpoint);
