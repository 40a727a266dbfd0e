/**
 * Import this in the chunk worker: the chunks of phantoms are then made in workers of their own, since one takes up to a
 * second in which the chunk worker could do nothing else, and each is made once for the EM layer and the predictions.
 */
import * as Comlink from "comlink";
import { VolumeError } from "../src/volume/types.js";
import type { PhantomApi } from "../workers/phantom.js";
import { BlockCache } from "./mito/block_cache.js";
import { usePhantomReader } from "./phantom_kvstore.js";

/** Chunks kept for the other reader: a screen or two. */
const CACHE_BYTES = 64 * 2 ** 20;
/** Chunks along each axis that one worker makes, as it keeps the tissue of its part of the volume. */
const REGION = 4;

type Value = Uint8Array<ArrayBuffer> | undefined;

class PhantomThread {
  private api: Comlink.Remote<PhantomApi> | undefined;
  private worker: Worker | undefined;
  private readonly waiting = new Map<number, (error: Error) => void>();
  private nextId = 1;

  async read(path: string, signal: AbortSignal): Promise<Value> {
    const api = this.api ?? this.start();
    const id = this.nextId++;
    const cancel = () => void api.cancel(id);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      return await new Promise<Value>((resolve, reject) => {
        this.waiting.set(id, reject);
        api.read(id, path).then(resolve, reject);
      });
    } finally {
      this.waiting.delete(id);
      signal.removeEventListener("abort", cancel);
    }
  }

  private start(): Comlink.Remote<PhantomApi> {
    const worker = new Worker(
      /* webpackChunkName: "phantom" */ new URL("../workers/phantom.ts", import.meta.url),
      { type: "module" },
    );
    worker.addEventListener("error", ({ message }) => this.broke(message || "its script failed"));
    this.worker = worker;
    this.api = Comlink.wrap<PhantomApi>(worker);
    return this.api;
  }

  /** What was asked fails and is asked again by whoever wants it; the next read starts a new worker. */
  private broke(reason: string): void {
    this.worker?.terminate();
    this.worker = undefined;
    this.api = undefined;
    for (const reject of [...this.waiting.values()])
      reject(new VolumeError("phantom", `the worker that makes it broke: ${reason}`));
  }
}

const threads = Array.from(
  { length: Math.max(1, Math.min(3, navigator.hardwareConcurrency || 1)) },
  () => new PhantomThread(),
);
const cache = new BlockCache<Value>(CACHE_BYTES);

/** The same worker for chunks of one region. */
function threadOf(path: string): PhantomThread {
  const match = /(\d+)-(\d+)_(\d+)-(\d+)_(\d+)-(\d+)$/.exec(path);
  if (match === null) return threads[0];
  const [x0, x1, y0, y1, z0, z1] = match.slice(1).map(Number);
  const region = (from: number, to: number) => Math.floor(from / Math.max(1, to - from) / REGION);
  return threads[(region(x0, x1) + region(y0, y1) + region(z0, z1)) % threads.length];
}

usePhantomReader((path, { signal = new AbortController().signal } = {}) =>
  cache.get(
    path,
    async (shared) => {
      const value = await threadOf(path).read(path, shared);
      return { value, bytes: (value?.byteLength ?? 0) + 64 };
    },
    signal,
  ),
);
