import * as Comlink from "comlink";
import type { BackendPreference, DeviceLostMessage, InferenceApi, WorkerOptions } from "./inference_api.js";
import type { WorkerHandle } from "./supervisor.js";

/** Starts an inference worker thread (in a page) and wraps it for the supervisor. */
export function makeInferenceWorker(options: Omit<WorkerOptions, "preference">): WorkerHandle {
  const worker = new Worker(/* webpackChunkName: "inference" */ new URL("./inference.ts", import.meta.url), {
    type: "module",
  });
  const api = Comlink.wrap<InferenceApi>(worker);
  const handle: WorkerHandle = {
    onbroken: undefined,
    start: (preference: BackendPreference) => api.start({ ...options, preference }),
    status: () => api.status(),
    openPort() {
      const { port1, port2 } = new MessageChannel();
      void api.addPort(Comlink.transfer(port1, [port1]));
      return port2;
    },
    destroyDevice: () => api.destroyDevice(),
    terminate: () => worker.terminate(),
  };
  worker.addEventListener("error", (event) => {
    handle.onbroken?.(event.message || "the worker's script failed to load or threw", false);
  });
  worker.addEventListener("message", ({ data }: MessageEvent<Partial<DeviceLostMessage> | null>) => {
    if (typeof data?.deviceLost === "string") handle.onbroken?.(data.deviceLost, true);
  });
  worker.addEventListener("messageerror", () => {
    handle.onbroken?.("a message could not be read", false);
  });
  return handle;
}
