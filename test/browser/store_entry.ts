/** What the page and the worker of probability_store.spec.ts load. */
import { ProbabilityStore } from "../../workers/probability_store.js";
import { openIndexedDb } from "../../workers/store/indexed_db.js";
import { openOpfs } from "../../workers/store/opfs.js";

const loaded = { ProbabilityStore, openIndexedDb, openOpfs };
export type Loaded = typeof loaded;

// In a worker: stores a chunk, and says what it finds of the one that the page stored.
if (!("document" in globalThis)) {
  const store = new ProbabilityStore({ patience: 20_000, memoryBytes: 0 });
  self.addEventListener("message", async ({ data }: MessageEvent<{ find: string; keep: string }>) => {
    const found = await store.get(data.find, 1000);
    store.put(data.keep, new Uint8Array(1000).fill(9));
    await store.flush();
    postMessage({ found: found?.probability[0], disk: store.stats().disk.state });
  });
}
Object.assign(globalThis, { loaded });
