import { StatusMessage } from "neuroglancer/unstable/status.js";
import { WatchableValue, type WatchableValueInterface } from "neuroglancer/unstable/trackable_value.js";
import { type RPC, registerRPC } from "neuroglancer/unstable/worker_rpc.js";
import { DEFAULT_SUPERVISION, Supervisor } from "../../workers/supervisor.js";
import { makeInferenceWorker } from "../../workers/worker_handle.js";
import type { InferenceStatus } from "./base.js";
import { installDebug } from "./debug.js";
import { type PageOptions, readPageOptions } from "./page_options.js";
import {
  COUNTERS,
  type Counters,
  INFERENCE_FAILED,
  type InferenceFailed,
  STORE_PROBLEM,
  type StoreProblem,
  WORKER_CONNECTED,
  WORKER_LOST,
  type WorkerConnected,
  type WorkerLost,
} from "./protocol.js";

/** The page's inference workers and how they are; all sources of one chunk worker share it. */
export interface InferenceService {
  readonly status: WatchableValueInterface<InferenceStatus>;
  readonly supervisor: Supervisor;
  readonly options: PageOptions;
  counters(): Promise<Counters>;
}

/** Long enough to be read; the results themselves are not in danger. */
const MESSAGE_TIME = 15_000;

registerRPC(STORE_PROBLEM, ({ message }: StoreProblem) => {
  StatusMessage.showTemporaryMessage(`Predictions: ${message}`, MESSAGE_TIME);
});

const services = new WeakMap<RPC, InferenceService>();

/**
 * The service of a chunk worker, started with the first source that needs it.
 * @param rpc To the chunk worker.
 * @throws Error when the page's address has options that cannot be read.
 */
export function inferenceService(rpc: RPC): InferenceService {
  const known = services.get(rpc);
  if (known !== undefined) return known;
  const options = readPageOptions(location.search, navigator.hardwareConcurrency || 2);
  const status = new WatchableValue<InferenceStatus>({
    state: "starting",
    detail: "",
    workers: 0,
    restarts: 0,
  });
  const wasmPath = new URL("wasm/", document.baseURI).href;
  const supervisor = new Supervisor(
    () => makeInferenceWorker({ wasmPath, debug: options.debug }),
    {
      connected: (worker, port) =>
        rpc.invoke(WORKER_CONNECTED, { worker, port } satisfies WorkerConnected, [port]),
      lost: (worker, reason) => rpc.invoke(WORKER_LOST, { worker, reason } satisfies WorkerLost),
      failed: (message) => rpc.invoke(INFERENCE_FAILED, { message } satisfies InferenceFailed),
      status: (now) => {
        status.value = now;
      },
    },
    {
      ...DEFAULT_SUPERVISION,
      ...(options.silence !== undefined && {
        silence: options.silence,
        heartbeat: Math.min(DEFAULT_SUPERVISION.heartbeat, options.silence / 4),
      }),
      preference: options.backend,
      cpuWorkers: options.workers,
    },
  );
  const service: InferenceService = {
    status,
    supervisor,
    options,
    counters: () => rpc.promiseInvoke<Counters>(COUNTERS, {}),
  };
  services.set(rpc, service);
  installDebug(service);
  return service;
}
