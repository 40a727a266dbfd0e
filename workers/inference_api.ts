import type { BackendName, PredictionRequest, PredictionResult } from "../src/inference/types.js";

/** Which engine to try: "auto" is WebGPU, else WASM. */
export type BackendPreference = "auto" | "webgpu" | "wasm";

/** A model package by the URL of its folder, or its address in this browser; the digest of its rdf.yaml says which version is meant. */
export interface ModelReference {
  readonly id: string;
  readonly url: string;
  readonly digest: string;
}

export interface WorkerOptions {
  readonly preference: BackendPreference;
  /** Folder URL of the WASM backend's binaries, with a trailing slash. */
  readonly wasmPath: string;
  /** Allows `destroyDevice`, for tests. */
  readonly debug: boolean;
}

export interface WorkerStatus {
  readonly backend: BackendName;
  /** Adapter or thread description. */
  readonly detail: string;
  /** Predictions since the worker started: shows progress to the supervisor. */
  readonly served: number;
  /** Ids of the models that are loaded, least recently used first. */
  readonly models: readonly string[];
}

/** What an inference worker offers on its ports, through Comlink. */
export interface InferenceApi {
  /** Chooses and starts the engine; must be called first, once. */
  start(options: WorkerOptions): Promise<WorkerStatus>;
  /** Reads a model before it is needed. */
  load(model: ModelReference): Promise<void>;
  /**
   * Predicts; the request's `id` is for `cancel`. A model that is not loaded is loaded first.
   * @throws Error by name: AbortError (cancelled), DeviceLostError (the worker is of no use any more), OutOfMemoryError,
   * ModelError, and what the engine throws.
   */
  predict(id: number, model: ModelReference, request: PredictionRequest): Promise<PredictionResult>;
  /** Stops a prediction between slices. Unknown ids are ignored. */
  cancel(id: number): void;
  /** Answers at once, or when the present slice is done. */
  status(): WorkerStatus;
  /** Serves the same API on another port. */
  addPort(port: MessagePort): void;
  /** Loses the GPU device on purpose. @throws Error without the debug option. */
  destroyDevice(): void;
}

/** What the worker posts to its owner, beside Comlink's messages. */
export interface DeviceLostMessage {
  readonly deviceLost: string;
}

/** The model does not fit the device, even in the smallest tiles. */
export class OutOfMemoryError extends Error {
  override name = "OutOfMemoryError";
}

/** Whether the engine said that it has no memory: a GPU's error scope, or WebAssembly's allocator. */
export function isOutOfMemory(error: unknown): boolean {
  return (
    error instanceof Error &&
    /out[ -]of[ -]memory|cannot enlarge memory|allocation failed|\bOOM\b|exceeds the max buffer size/i.test(
      error.message,
    )
  );
}
