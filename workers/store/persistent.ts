import type { Backing, StoredFile } from "./backing.js";
import { decodeEntry, encodeEntry } from "./entry.js";

export interface PersistentState {
  /** "off": nothing is read or written; "read only": the browser grants no more room. */
  readonly state: "opening" | Backing["kind"] | "read only" | "off";
  /** Why it is not as it should be, for the user. */
  readonly reason?: string;
}

export interface PersistentOptions {
  /** Bytes on disk. */
  readonly limit: number;
  /** Bytes that may wait to be written; what comes beyond is not stored. */
  readonly queueLimit: number;
  /** A read that takes longer counts as a miss, ms. */
  readonly patience: number;
  /** Called whenever the state changes, each state once. */
  readonly onState: (state: PersistentState) => void;
}

export interface PersistentStats extends PersistentState {
  /** Entries waiting to be written. */
  readonly queued: number;
  readonly written: number;
  readonly hits: number;
  /** Not stored, because too much was waiting or there was no room. */
  readonly dropped: number;
  /** Damaged entries, removed. */
  readonly damaged: number;
  /** Reads and writes that failed or took too long. */
  readonly failures: number;
  /** Bytes on disk as of the last listing and our own writes since; 0 before the first listing. */
  readonly bytes: number;
}

/** A write may take so many times the patience of a read. */
const WRITE_PATIENCE = 15;
/** After so many failures in a row the storage is left alone. */
const MAX_FAILURES = 3;
/** An entry that is used is written anew after this, so that its time says when it was last used. */
const REFRESH_MS = 3_600_000;
/** Other tabs write too: the directory is listed again after this many bytes of our own. */
const RELIST_BYTES = 2 ** 26;
/** Eviction goes down to this part of the limit, so that it does not run at every write. */
const EVICT_TO = 0.9;

/** The tier below the memory: reads with patience, writes in the background, evicts what was not used the longest. */
export class PersistentTier {
  private readonly opening: Promise<Backing | undefined>;
  private state: PersistentState = { state: "opening" };
  private readonly queue = new Map<string, Uint8Array<ArrayBuffer>>();
  private queuedBytes = 0;
  private pumping: Promise<void> | undefined;
  /** When entries were read since they were listed last; the time of a file only says when it was written. */
  private readonly used = new Map<string, number>();
  private failuresInRow = 0;
  private total: number | undefined;
  private sinceListing = 0;
  private readonly counts = { written: 0, hits: 0, dropped: 0, damaged: 0, failures: 0 };

  constructor(
    open: () => Promise<Backing>,
    private readonly options: PersistentOptions,
  ) {
    this.opening = open().then(
      (backing) => {
        this.enter({ state: backing.kind });
        return backing;
      },
      (error) => {
        this.enter({ state: "off", reason: `results are not kept on disk: ${message(error)}` });
        return undefined;
      },
    );
  }

  /** The voxels stored under a key; undefined when there are none, they are damaged, or the disk is too slow. */
  async load(key: string, length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const waiting = this.queue.get(key);
    if (waiting !== undefined) return waiting.length === length ? waiting : undefined;
    const file = await this.ask((backing) => backing.read(key));
    if (file === undefined) return undefined;
    const voxels = await decodeEntry(key, length, file.bytes);
    if (voxels === undefined) {
      this.counts.damaged += 1;
      await this.ask((backing) => backing.remove(key));
      return undefined;
    }
    this.counts.hits += 1;
    this.used.set(key, Date.now());
    if (Date.now() - file.time > REFRESH_MS) this.save(key, voxels);
    return voxels;
  }

  /** Queues voxels to be written; they must not change any more. */
  save(key: string, voxels: Uint8Array<ArrayBuffer>): void {
    if (this.state.state === "off" || this.state.state === "read only") return;
    if (this.queue.has(key)) return;
    if (this.queuedBytes + voxels.length > this.options.queueLimit) {
      this.counts.dropped += 1;
      return;
    }
    this.queue.set(key, voxels);
    this.queuedBytes += voxels.length;
    this.pumping ??= this.pump();
  }

  async has(key: string): Promise<boolean> {
    if (this.queue.has(key)) return true;
    return (await this.ask((backing) => backing.has(key))) ?? false;
  }

  /** Resolves when everything that was queued is written or given up. */
  async flush(): Promise<void> {
    while (this.pumping !== undefined) await this.pumping;
  }

  /** Removes all entries, also those of other tabs. */
  async clear(): Promise<void> {
    for (const key of [...this.queue.keys()]) this.unqueue(key);
    await this.flush();
    const backing = await this.opening;
    if (backing === undefined) return;
    for (const { name } of await backing.list()) await backing.remove(name);
    this.total = 0;
    if (this.state.state === "read only") this.enter({ state: backing.kind });
  }

  stats(): PersistentStats {
    return { ...this.state, ...this.counts, queued: this.queue.size, bytes: this.total ?? 0 };
  }

  /** Asks the backing, unless it is off; undefined when it fails, or does not open and answer in time. */
  private async ask<T>(question: (backing: Backing) => Promise<T>): Promise<T | undefined> {
    if (this.state.state === "off") return undefined;
    const answer = async () => {
      const backing = await this.opening;
      return backing === undefined ? undefined : question(backing);
    };
    return this.attempt(() => patiently(answer(), this.options.patience));
  }

  /** Runs an operation; its failure counts, and too many in a row turn the tier off. */
  private async attempt<T>(operation: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await operation();
      this.failuresInRow = 0;
      return result;
    } catch (error) {
      this.counts.failures += 1;
      if (++this.failuresInRow >= MAX_FAILURES && this.state.state !== "off") {
        for (const key of [...this.queue.keys()]) this.unqueue(key);
        this.enter({ state: "off", reason: `results are no longer kept on disk: ${message(error)}` });
      }
      return undefined;
    }
  }

  private async pump(): Promise<void> {
    const backing = await this.opening;
    for (const [key, voxels] of this.queue) {
      if (backing !== undefined && this.state.state === backing.kind) await this.write(backing, key, voxels);
      else this.counts.dropped += 1;
      // Only now: until it is written, a load is answered from the queue.
      if (this.queue.get(key) === voxels) this.unqueue(key);
    }
    this.pumping = undefined;
  }

  private async write(backing: Backing, key: string, voxels: Uint8Array<ArrayBuffer>): Promise<void> {
    let bytes = 0;
    const written = await this.attempt(async () => {
      const entry = await encodeEntry(key, voxels);
      bytes = entry.length;
      const write = () => patiently(fits(backing, key, entry), WRITE_PATIENCE * this.options.patience);
      if (await write()) return true;
      // The browser grants less than our limit: make room once, then go without.
      const used = await this.evict(backing, Number.POSITIVE_INFINITY);
      await this.evict(backing, used / 2);
      return write();
    });
    if (written === undefined) return;
    if (!written) {
      this.counts.dropped += 1;
      this.enter({
        state: "read only",
        reason: "the browser grants no more room: new results are not kept on disk",
      });
      return;
    }
    this.counts.written += 1;
    this.sinceListing += bytes;
    if (this.total !== undefined) this.total += bytes;
    if (this.total === undefined || this.total > this.options.limit || this.sinceListing > RELIST_BYTES) {
      await this.attempt(() => this.evict(backing, this.options.limit));
    }
  }

  /**
   * Removes the entries that were not used the longest until at most `EVICT_TO` of `limit` bytes are left, if there are
   * more than `limit`. Other tabs may do the same at the same time: a file that is gone already is no error.
   */
  private async evict(backing: Backing, limit: number): Promise<number> {
    const files = await backing.list();
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total > limit) {
      const lastUse = ({ name, time }: StoredFile) => Math.max(time, this.used.get(name) ?? 0);
      files.sort((a, b) => lastUse(a) - lastUse(b));
      for (const { name, bytes } of files) {
        if (total <= limit * EVICT_TO) break;
        await backing.remove(name);
        total -= bytes;
      }
    }
    const names = new Set(files.map(({ name }) => name));
    for (const name of this.used.keys()) if (!names.has(name)) this.used.delete(name);
    this.total = total;
    this.sinceListing = 0;
    return total;
  }

  private unqueue(key: string): void {
    const voxels = this.queue.get(key);
    if (voxels === undefined) return;
    this.queue.delete(key);
    this.queuedBytes -= voxels.length;
  }

  private enter(state: PersistentState): void {
    this.state = state;
    this.options.onState(state);
  }
}

/** Writes an entry; false when the browser has no room for it. */
async function fits(backing: Backing, key: string, entry: Uint8Array<ArrayBuffer>): Promise<boolean> {
  try {
    await backing.write(key, entry);
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === "QuotaExceededError") return false;
    throw error;
  }
}

/** Rejects when `work` takes longer than `ms`; the work goes on, its result is not wanted any more. */
async function patiently<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the storage did not answer in ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
