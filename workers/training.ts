import type * as Comlink from "comlink";
import { selectBackend, type WorkerBackend } from "../src/kernels/backend_worker.js";
import type { TrainingOutcome } from "../src/training/loop.js";
import { type TrainingJob, TrainingSession, type TrainingStatus } from "../src/training/session.js";
import { exposeApi } from "./expose.js";

export interface TrainingWorkerOptions {
  readonly preference: "auto" | "webgpu" | "wasm";
  /** Folder URL of the WASM backend's binaries, with a trailing slash. */
  readonly wasmPath: string;
}

/** What a training worker offers through Comlink; one training at a time. */
export interface TrainingApi {
  /** Trains on labelled slices that were handed over; call `status` meanwhile. */
  start(job: TrainingJob, options: TrainingWorkerOptions): Promise<TrainingOutcome & { engine: string }>;
  status(): TrainingStatus;
  stop(): void;
}

const session = new TrainingSession();
let backend: Promise<WorkerBackend> | undefined;

const api = {
  async start(job, { preference, wasmPath }) {
    backend ??= selectBackend(preference, { wasmPath });
    const { description, gpuErrors } = await backend.catch((error) => {
      backend = undefined;
      throw error;
    });
    const outcome = await session.start(job, () => gpuErrors[0]);
    return { ...outcome, engine: description };
  },
  status: () => session.status(),
  stop: () => session.stop(),
} satisfies TrainingApi;

exposeApi(api, globalThis as unknown as Comlink.Endpoint);
