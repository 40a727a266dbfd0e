import { type Backing, KEY } from "./store/backing.js";
import { MemoryCache } from "./store/memory.js";
import { openBacking } from "./store/open.js";
import { type PersistentState, type PersistentStats, PersistentTier } from "./store/persistent.js";
import { SharedWork } from "./store/shared_work.js";

/** Where a probability chunk came from; only "computed" cost a forward pass. */
export type ProbabilityOrigin = "memory" | "disk" | "computed";

export interface StoredProbability {
  /** round(255 p) of each voxel: the caller's own copy, free to be transferred. */
  readonly probability: Uint8Array<ArrayBuffer>;
  readonly origin: ProbabilityOrigin;
}

export interface ProbabilityStoreOptions {
  /** Bytes in memory (256 MiB). */
  readonly memoryBytes?: number;
  /** Bytes on disk (1 GiB); 0 keeps nothing there. */
  readonly diskBytes?: number;
  /** Bytes that may wait to be written to disk (64 MiB). */
  readonly queueBytes?: number;
  /** A disk that takes longer than this counts as a miss, ms (2000). */
  readonly patience?: number;
  /** Called when the persistent tier opens, is full, or fails; each time with what the user should know. */
  readonly onState?: (state: PersistentState) => void;
  /** Opens the persistent storage; the browser's best by default. */
  readonly open?: () => Promise<Backing>;
}

export interface ProbabilityStats {
  readonly memory: { readonly entries: number; readonly bytes: number; readonly hits: number };
  readonly disk: PersistentStats;
  /** Forward passes that `getOrCompute` asked for. */
  readonly computed: number;
  readonly running: number;
}

/** Name of the directory (or database); a new layout of the entries gets a new one. */
const DIRECTORY = "chondria-probability-1";

/**
 * Probability chunks by key: memory first, then the disk of the browser, both bounded, the least recently used goes
 * first. Nothing waits for the disk to be written; a disk that is missing, full, slow or damaged costs forward
 * passes, never an error. Runs in any worker (or page); several tabs share the disk.
 *
 * A key says everything that determines the voxels (see `KEY` for its letters): a digest of model, source, geometry,
 * chunk, intensity window and augmentation.
 */
export class ProbabilityStore {
  private readonly memory: MemoryCache;
  private readonly disk: PersistentTier;
  private readonly work = new SharedWork<Uint8Array<ArrayBuffer>>();
  private memoryHits = 0;
  private computed = 0;

  constructor(options: ProbabilityStoreOptions = {}) {
    const limit = options.diskBytes ?? 2 ** 30;
    const open = options.open ?? (() => openBacking(DIRECTORY));
    this.memory = new MemoryCache(options.memoryBytes ?? 2 ** 28);
    this.disk = new PersistentTier(limit > 0 ? open : refuse, {
      limit,
      queueLimit: options.queueBytes ?? 2 ** 26,
      patience: options.patience ?? 2000,
      onState: options.onState ?? (() => {}),
    });
  }

  /**
   * The chunk stored under `key`, or undefined.
   * @param voxels how many it must have; an entry of another length is damaged.
   * @throws RangeError when the key has letters that a file name cannot have.
   */
  async get(key: string, voxels: number): Promise<StoredProbability | undefined> {
    checkKey(key);
    const held = this.remembered(key, voxels);
    if (held !== undefined) return { probability: held.slice(), origin: "memory" };
    const stored = await this.disk.load(key, voxels);
    if (stored === undefined) return undefined;
    this.memory.put(key, stored);
    return { probability: stored.slice(), origin: "disk" };
  }

  /** Stores a copy; the disk is written in the background. @throws RangeError, see `get`. */
  put(key: string, probability: Uint8Array): void {
    checkKey(key);
    const copy = probability.slice();
    this.memory.put(key, copy);
    this.disk.save(key, copy);
  }

  /** Whether `get` would find something; what is on disk is not read. @throws RangeError, see `get`. */
  async has(key: string): Promise<boolean> {
    checkKey(key);
    return this.memory.has(key) || this.disk.has(key);
  }

  /**
   * The chunk stored under `key`, else the result of `compute`, which runs once for all who ask in the meantime.
   * `signal` takes this caller out; `compute` is aborted when nobody waits any more.
   * @throws what `compute` throws; RangeError when it gives another number of voxels; AbortError; see `get`.
   */
  async getOrCompute(
    key: string,
    voxels: number,
    compute: (signal: AbortSignal) => Promise<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<StoredProbability> {
    checkKey(key);
    signal?.throwIfAborted();
    const held = this.remembered(key, voxels);
    if (held !== undefined) return { probability: held.slice(), origin: "memory" };
    // Those who join work of another caller get its result from memory: they cost nothing.
    let origin: ProbabilityOrigin = "memory";
    const start = async (shared: AbortSignal) => {
      origin = "disk";
      const stored = await this.disk.load(key, voxels);
      if (stored !== undefined) {
        this.memory.put(key, stored);
        return stored;
      }
      shared.throwIfAborted();
      origin = "computed";
      this.computed += 1;
      const fresh = (await compute(shared)).slice();
      if (fresh.length !== voxels) {
        throw new RangeError(`the forward pass gave ${fresh.length} voxels, not ${voxels}`);
      }
      this.memory.put(key, fresh);
      this.disk.save(key, fresh);
      return fresh;
    };
    const probability = await this.work.run(key, start, signal);
    return { probability: probability.slice(), origin };
  }

  /** Forgets everything, on disk as well. Work that runs goes on and is stored when it is done. */
  async clear(): Promise<void> {
    this.memory.clear();
    await this.disk.clear();
  }

  /** Resolves when everything that waits is on disk (or given up): before a worker is closed. */
  flush(): Promise<void> {
    return this.disk.flush();
  }

  stats(): ProbabilityStats {
    return {
      memory: { entries: this.memory.size, bytes: this.memory.bytes, hits: this.memoryHits },
      disk: this.disk.stats(),
      computed: this.computed,
      running: this.work.size,
    };
  }

  private remembered(key: string, voxels: number): Uint8Array<ArrayBuffer> | undefined {
    const held = this.memory.get(key);
    if (held === undefined || held.length !== voxels) return undefined;
    this.memoryHits += 1;
    return held;
  }
}

function checkKey(key: string): void {
  if (!KEY.test(key))
    throw new RangeError(`"${key.slice(0, 80)}" cannot be a key: 1 to 200 of A-Z a-z 0-9 _ -`);
}

async function refuse(): Promise<never> {
  throw new Error("switched off");
}
