import type { InferenceService } from "./inference_service.js";
import type { Counters } from "./protocol.js";

/**
 * `globalThis.chondria` of a page that has a prediction open, for tests and for looking inside. `counters` and
 * `status` are always there; what breaks things needs `?debug=1` in the page's address.
 *
 *     await chondria.counters()      // { forwardPasses, chunksComputed, memoryHits, diskHits, relabelled, ... }
 *     chondria.status()              // { state, backend, detail, workers, restarts, message? }
 *     chondria.workers()             // ids of the inference workers
 *     chondria.killWorker(id)        // ends a worker without telling anyone, as a crash does
 *     await chondria.destroyDevice(id)  // loses the worker's GPU device
 */
export interface Debug {
  counters(): Promise<Counters>;
  status(): InferenceService["status"]["value"];
  workers(): number[];
  killWorker?(id: number): void;
  destroyDevice?(id: number): Promise<void>;
}

export function installDebug({ counters, status, supervisor, options }: InferenceService): void {
  const debug: Debug = {
    counters,
    status: () => status.value,
    workers: () => supervisor.ids,
    ...(options.debug && {
      killWorker: (id: number) => supervisor.kill(id),
      destroyDevice: (id: number) => supervisor.destroyDevice(id),
    }),
  };
  const holder = globalThis as { chondria?: object };
  holder.chondria = Object.assign(holder.chondria ?? {}, debug);
}
