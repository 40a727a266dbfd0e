import * as Comlink from "comlink";
import { createPredictor } from "../src/inference/predictor.js";
import type { PredictionRequest, PredictionResult, Predictor } from "../src/inference/types.js";
import { selectBackend } from "../src/kernels/backend_worker.js";
import { tf } from "../src/kernels/tf.js";
import { readPackage } from "../src/model/read.js";
import { ModelError, type ModelPackage } from "../src/model/types.js";
import { exposeApi } from "./expose.js";
import {
  type DeviceLostMessage,
  type InferenceApi,
  isOutOfMemory,
  type ModelReference,
  OutOfMemoryError,
  type WorkerOptions,
  type WorkerStatus,
} from "./inference_api.js";
import { packageFiles } from "./model_files.js";

/** Networks kept on the device; the least recently used one makes room. */
const MODELS = 2;
/** Largest windows given to the network, in pixels: each next one is tried when the device had no memory for the one before. */
const TILE_PIXELS = [800 * 800, 512 * 512, 384 * 384, 256 * 256, 192 * 192];

interface Loaded {
  readonly model: ModelPackage;
  predictor: Promise<Predictor>;
}

let options: WorkerOptions | undefined;
let engine: Pick<WorkerStatus, "backend" | "detail"> | undefined;
/** Errors that no job's guard caught; the backend adds to it. */
let gpuErrors: readonly string[] = [];
let served = 0;
/** Where on the ladder of TILE_PIXELS this device is; it stays down once it went down. */
let tileStep = 0;
const loaded = new Map<string, Promise<Loaded>>();
const running = new Map<number, AbortController>();

async function start(given: WorkerOptions): Promise<WorkerStatus> {
  if (options !== undefined) throw new Error("the inference worker was started before");
  options = given;
  const backend = await selectBackend(given.preference, { wasmPath: given.wasmPath });
  engine = { backend: backend.name, detail: backend.description };
  gpuErrors = backend.gpuErrors;
  // Told apart from the failure of the jobs, which a device that is lost while idle does not have.
  void backend.lost?.then(({ reason, message }) => {
    self.postMessage({
      deviceLost: `the GPU device was lost (${reason}): ${message}`,
    } satisfies DeviceLostMessage);
  });
  return status();
}

function status(): WorkerStatus {
  if (engine === undefined) throw new Error("the inference worker is not started");
  return { ...engine, served, models: [...loaded.keys()] };
}

function modelOf(reference: ModelReference): Promise<Loaded> {
  const key = `${reference.id} ${reference.digest}`;
  const known = loaded.get(key);
  if (known !== undefined) {
    loaded.delete(key);
    loaded.set(key, known);
    return known;
  }
  const loading = readModel(reference);
  loaded.set(key, loading);
  loading.catch(() => loaded.delete(key));
  for (const [oldest, entry] of loaded) {
    if (loaded.size <= MODELS) break;
    loaded.delete(oldest);
    void entry.then(
      async ({ predictor }) => (await predictor).dispose(),
      () => {},
    );
  }
  return loading;
}

async function readModel({ id, url, digest }: ModelReference): Promise<Loaded> {
  const model = await readPackage(id, packageFiles(url));
  if (model.digest !== digest)
    throw new ModelError(id, "rdf.yaml: changed since the layer was opened; reload the page");
  return { model, predictor: build(model) };
}

function build(model: ModelPackage): Promise<Predictor> {
  return createPredictor(model, status().backend, { maxTilePixels: TILE_PIXELS[tileStep] });
}

async function predict(
  id: number,
  reference: ModelReference,
  request: PredictionRequest,
): Promise<PredictionResult> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const model = await modelOf(reference);
    for (;;) {
      controller.signal.throwIfAborted();
      const step = tileStep;
      const predictor = await model.predictor;
      try {
        const before = gpuErrors.length;
        const result = await predictor.predict(request, { signal: controller.signal });
        if (gpuErrors.length > before) throw new Error(`GPU: ${gpuErrors[before]}`);
        served++;
        return Comlink.transfer(result, [result.probability.buffer]);
      } catch (error) {
        if (!isOutOfMemory(error)) throw error;
        if (step + 1 >= TILE_PIXELS.length) throw outOfMemory(reference, error);
        if (tileStep === step) tileStep++;
        predictor.dispose();
        model.predictor = build(model.model);
      }
    }
  } finally {
    running.delete(id);
  }
}

function outOfMemory({ id }: ModelReference, cause: unknown): OutOfMemoryError {
  const side = Math.sqrt(TILE_PIXELS[TILE_PIXELS.length - 1]);
  return new OutOfMemoryError(
    `model ${id} does not fit into the memory of ${status().detail}, not even in tiles of ${side} x ${side} pixels: ` +
      "close other tabs, or choose a smaller model or the WASM backend",
    { cause },
  );
}

function destroyDevice(): void {
  if (!options?.debug) throw new Error("destroyDevice is for tests: open the page with ?debug=1");
  const { device } = tf.backend() as { device?: GPUDevice };
  if (device === undefined) throw new Error("there is no GPU device: the backend is not WebGPU");
  device.destroy();
}

const api = {
  start,
  load: async (reference: ModelReference) => void (await (await modelOf(reference)).predictor),
  predict,
  cancel: (id: number) =>
    running.get(id)?.abort(new DOMException("the prediction was cancelled", "AbortError")),
  status,
  addPort: (port: MessagePort) => exposeApi(api, port),
  destroyDevice,
} satisfies InferenceApi;

exposeApi(api, globalThis as unknown as Comlink.Endpoint);
