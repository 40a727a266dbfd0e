/** Entry of the adaptation worker: adapts one model to unlabelled EM, then the page ends it. */
import * as Comlink from "comlink";
import { STRATEGIES } from "../src/adaptation/registry.js";
import { selectBackend } from "../src/kernels/backend_worker.js";
import { licenceOf } from "../src/model/licence.js";
import { readPackage } from "../src/model/read.js";
import { ModelError } from "../src/model/types.js";
import type {
  AdaptationApi,
  AdaptationRequest,
  AdaptationResult,
  AdaptationUpdateMessage,
  AdaptationWorkerOptions,
  PatchesApi,
} from "./adaptation_api.js";
import { adaptedId, packageAdapted } from "./adaptation_package.js";
import { PreviewPainter } from "./adaptation_preview.js";
import { AdaptationProgress } from "./adaptation_progress.js";
import { adapt } from "./adaptation_session.js";
import { exposeApi } from "./expose.js";
import { type DeviceLostMessage, isOutOfMemory, OutOfMemoryError } from "./inference_api.js";
import { packageFiles } from "./model_files.js";
import { checkArchive, SavedModels } from "./saved_models.js";

const stop = new AbortController();
const cancel = new AbortController();
let started = false;

async function start(
  request: AdaptationRequest,
  { preference, wasmPath }: AdaptationWorkerOptions,
  port: MessagePort,
  [before, now]: readonly [OffscreenCanvas, OffscreenCanvas],
): Promise<AdaptationResult> {
  if (started) throw new Error("this worker adapts already: start another one");
  started = true;
  const began = performance.now();
  const patches = Comlink.wrap<PatchesApi>(port);
  const painter = new PreviewPainter({ before, now });
  const progress = new AdaptationProgress((adaptation) => {
    self.postMessage({ adaptation } satisfies AdaptationUpdateMessage);
  });
  progress.enter("starting");
  try {
    const { id, url, digest } = request.model;
    const [backend, model, licence] = await Promise.all([
      selectBackend(preference, { wasmPath }),
      readPackage(id, packageFiles(url), { signal: cancel.signal }),
      licenceOf(packageFiles(url)),
    ]);
    if (model.digest !== digest)
      throw new ModelError(id, "rdf.yaml: changed since the layer was opened; reload the page");
    void backend.lost?.then(({ reason, message }) => {
      const deviceLost = `the GPU device was lost (${reason}): ${message}`;
      self.postMessage({ deviceLost } satisfies DeviceLostMessage);
    });
    progress.computesOn(backend.description);
    const { gpuErrors } = backend;
    const adapted = await adapt(model, request, {
      backend: backend.name,
      progress,
      strategy: (name) => STRATEGIES[name](),
      gather: (box, signal) => gather(patches, box, signal),
      onPreview: (kind, preview) => painter.show(kind, preview),
      failure: () => gpuErrors[0],
      stop: stop.signal,
      cancel: cancel.signal,
    });
    progress.enter("saving");
    const when = new Date();
    const newId = adaptedId(id, when);
    const archive = await packageAdapted(newId, { model, licence, when }, adapted, request);
    cancel.signal.throwIfAborted();
    const { kept, before: first, criterion, prior, stopped } = adapted;
    const result: AdaptationResult = {
      ...(await keep(newId, archive)),
      stopped,
      kept,
      before: first,
      criterion,
      prior,
      seconds: (performance.now() - began) / 1000,
      backend: backend.name,
    };
    return result.archive === undefined ? result : Comlink.transfer(result, [result.archive.buffer]);
  } catch (error) {
    throw isOutOfMemory(error) ? outOfMemory(error) : error;
  } finally {
    void patches.close();
  }
}

let requests = 0;

/** Asks the chunk worker; an abort reaches it as a message. */
async function gather(
  patches: Comlink.Remote<PatchesApi>,
  box: Parameters<PatchesApi["gather"]>[1],
  signal: AbortSignal,
) {
  const request = requests++;
  const onAbort = () => void patches.cancel(request);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await patches.gather(request, box);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Saves the package in this browser, or hands it to the page when that cannot be: minutes of work are not lost. */
async function keep(
  id: string,
  archive: Uint8Array<ArrayBuffer>,
): Promise<Pick<AdaptationResult, "entry" | "notSaved" | "archive">> {
  try {
    return { entry: await new SavedModels().save(id, archive) };
  } catch (error) {
    if (!(error instanceof Error) || error.name === "ModelError") throw error;
    return { entry: await checkArchive(id, archive), notSaved: error.message, archive };
  }
}

function outOfMemory(cause: unknown): OutOfMemoryError {
  return new OutOfMemoryError(
    "the adaptation does not fit into the memory there is: close other tabs, or choose another strategy",
    { cause },
  );
}

exposeApi(
  {
    start,
    stop: () => stop.abort(new DOMException("the adaptation was stopped", "AbortError")),
    cancel: () => cancel.abort(new DOMException("the adaptation was cancelled", "AbortError")),
  } satisfies AdaptationApi,
  globalThis as unknown as Comlink.Endpoint,
);
