/** Entry of the export worker: one export, after which the page ends it. Voxels and meshes come from the chunk worker's port. */
import * as Comlink from "comlink";
import type { ExportSink } from "../src/export/types.js";
import {
  type ExportApi,
  type ExportRequest,
  type ExportResult,
  type ExportSourceApi,
  type ExportTarget,
  type ExportUpdate,
  type ExportUpdateMessage,
  UnfinishedError,
} from "./export_api.js";
import { type ExportHost, type ExportSource, runExport } from "./export_session.js";
import { DirectorySink, FileSink, ZipTarget } from "./export_targets.js";
import { exposeApi } from "./expose.js";

/** The page hears of progress at most this often, ms. */
const INTERVAL = 100;

const cancel = new AbortController();
let started = false;

/** Calls on the port that a signal ends. */
function clientOf(port: MessagePort): ExportSource {
  const api = Comlink.wrap<ExportSourceApi>(port);
  let calls = 0;
  const call = async <T>(signal: AbortSignal, make: (id: number) => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    const id = ++calls;
    const stop = () => void api.cancel(id);
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await make(id);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
  return {
    chunksOf: (box) => api.chunksOf(box),
    prepare: (key, labels, signal) => call(signal, (id) => api.prepare(id, key, labels)),
    holdIds: (keys) => api.holdIds(keys),
    readLabels: (box, signal) => call(signal, (id) => api.readLabels(id, box)),
    readProbability: (box, signal) => call(signal, (id) => api.readProbability(id, box)),
    mesh: (id, signal) => call(signal, (number) => api.mesh(number, id)),
  };
}

let toldAt = Number.NEGATIVE_INFINITY;
let toldOf = "";

function tell(exporting: ExportUpdate): void {
  const now = performance.now();
  if (now < toldAt + INTERVAL && exporting.doing === toldOf) return;
  toldAt = now;
  toldOf = exporting.doing;
  self.postMessage({ exporting } satisfies ExportUpdateMessage);
}

async function start(request: ExportRequest, target: ExportTarget, port: MessagePort): Promise<ExportResult> {
  if (started) throw new Error("this worker exports already: start another one");
  started = true;
  const host = { source: clientOf(port), onUpdate: tell, signal: cancel.signal };
  try {
    if (target.kind === "folder") return await toFolder(request, target.folder, host);
    const [part] = request.parts;
    const single = request.parts.length === 1 && (part.kind === "objects" || part.kind === "chunks");
    return single ? await toFile(request, host) : await toArchive(request, host);
  } finally {
    void Comlink.wrap<ExportSourceApi>(port).close();
  }
}

type Host = Omit<ExportHost, "sink" | "archive">;

async function toFolder(
  request: ExportRequest,
  folder: FileSystemDirectoryHandle,
  host: Host,
): Promise<ExportResult> {
  const sink = await DirectorySink.make(folder, request.name);
  try {
    const archive = async (name: string, write: (zip: ExportSink) => Promise<void>) => {
      const zip = new ZipTarget(name);
      await write(zip.sink);
      await sink.write(name, [zip.finish()]);
    };
    const { items, notes } = await runExport(request, { ...host, sink, archive });
    host.signal.throwIfAborted();
    return { items, notes, bytes: sink.bytes };
  } catch (error) {
    await sink.remove().catch(() => {
      throw new UnfinishedError(`${error instanceof Error ? error.message : error}`, sink.name);
    });
    throw error;
  }
}

async function toArchive(request: ExportRequest, host: Host): Promise<ExportResult> {
  const fileName = `${request.name}.zip`;
  const zip = new ZipTarget(fileName);
  const { items, notes } = await runExport(request, { ...host, sink: zip.sink });
  const file = zip.finish();
  return { items, notes, bytes: file.size, file, fileName };
}

/** A table by itself: its units are in the names of its columns. */
async function toFile(request: ExportRequest, host: Host): Promise<ExportResult> {
  const sink = new FileSink(request.name);
  const { items, notes } = await runExport(request, { ...host, sink });
  const file = sink.files.get(items[0])!;
  return { items, notes, bytes: file.size, file, fileName: `${request.name}-${items[0]}` };
}

const api = {
  start,
  cancel: () => cancel.abort(new DOMException("the export was cancelled", "AbortError")),
} satisfies ExportApi;
exposeApi(api, globalThis as unknown as Comlink.Endpoint);
