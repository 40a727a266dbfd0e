import * as Comlink from "comlink";
import { type RPC, registerPromiseRPC, registerRPC } from "neuroglancer/unstable/worker_rpc.js";
import type { AnalysisApi } from "../../workers/analyse.js";
import type { AnalysisWorker } from "../../workers/analysis.js";
import type { InferenceApi } from "../../workers/inference_api.js";
import { InferencePool } from "../../workers/inference_pool.js";
import { ProbabilityStore } from "../../workers/probability_store.js";
import { AnalysisPool, type AnalysisThread } from "./analysis_pool.js";
import { BlockCache } from "./block_cache.js";
import { ComputeQueue } from "./compute_queue.js";
import type { EmBlock } from "./gather.js";
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

/** What all sources of the chunk worker share; one of each in the thread. */

/** EM chunks between two predictions that need them: a screen of halos. */
const EM_BYTES = 192 * 2 ** 20;

export const inference = new InferencePool();
export const emCache = new BlockCache<EmBlock>(EM_BYTES);
/** To the page, known from its first message on. */
let page: RPC | undefined;
let storeProblem: string | undefined;
function tellStoreProblem(): void {
  if (page === undefined || storeProblem === undefined) return;
  page.invoke(STORE_PROBLEM, { message: storeProblem } satisfies StoreProblem);
  storeProblem = undefined;
}

export const store = new ProbabilityStore({
  onState: ({ reason }) => {
    storeProblem = reason;
    tellStoreProblem();
  },
});

/** One prediction for the workers, and the next one, gathered, so that they need not wait for it. */
export const queue = new ComputeQueue(() => 2);

export const counters = {
  forwardPasses: 0,
  chunksComputed: 0,
  memoryHits: 0,
  diskHits: 0,
  relabelled: 0,
  dropped: 0,
  failures: 0,
};

/** Says how many bytes of thumbnails there are, over all sources. */
export const thumbnailBytes: Set<() => number> = new Set();

type ObjectCounts = Pick<Counters, "objects" | "objectBytes" | "links" | "outdated" | "rewritten">;
/** Says what there is of objects, by source. */
export const objectCounts: Set<() => ObjectCounts> = new Set();

function makeAnalysisThread(): AnalysisThread {
  const worker = new Worker(
    /* webpackChunkName: "analysis" */ new URL("../../workers/analysis.ts", import.meta.url),
    { type: "module" },
  );
  const { port1, port2 } = new MessageChannel();
  void Comlink.wrap<AnalysisWorker>(worker).addPort(Comlink.transfer(port2, [port2]));
  const thread: AnalysisThread = {
    api: Comlink.wrap<AnalysisApi>(port1),
    onbroken: undefined,
    terminate: () => {
      port1.close();
      worker.terminate();
    },
  };
  worker.addEventListener("error", (event) =>
    thread.onbroken?.(event.message || "its script failed to load or threw"),
  );
  worker.addEventListener("messageerror", () => thread.onbroken?.("a message could not be read"));
  return thread;
}

let analysisPool: AnalysisPool | undefined;
/** Started with the first chunk: a page without our layers pays nothing. */
export function analysis(): AnalysisPool {
  analysisPool ??= new AnalysisPool(
    makeAnalysisThread,
    // All cores: chunks of a screen that are labelled anew are shown together, and each of them is waited for.
    Math.min(4, navigator.hardwareConcurrency || 2),
  );
  return analysisPool;
}

registerRPC(WORKER_CONNECTED, function ({ worker, port }: WorkerConnected) {
  page = this;
  tellStoreProblem();
  inference.add(worker, Comlink.wrap<InferenceApi>(port));
  queue.schedule();
});

registerRPC(WORKER_LOST, ({ worker, reason }: WorkerLost) => {
  inference.remove(worker, reason);
});

registerRPC(INFERENCE_FAILED, ({ message }: InferenceFailed) => {
  inference.fail(message);
});

registerPromiseRPC(COUNTERS, async (): Promise<{ value: Counters }> => {
  const { memory } = store.stats();
  let bytes = 0;
  for (const count of thumbnailBytes) bytes += count();
  const objects = { objects: 0, objectBytes: 0, links: 0, outdated: 0, rewritten: 0 };
  for (const count of objectCounts)
    for (const [name, value] of Object.entries(count())) objects[name as keyof ObjectCounts] += value;
  return {
    value: {
      ...counters,
      ...objects,
      emBytes: emCache.bytes,
      probabilityBytes: memory.bytes,
      thumbnailBytes: bytes,
      waiting: queue.length,
    },
  };
});
