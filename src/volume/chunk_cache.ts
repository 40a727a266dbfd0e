/**
 * Least-recently-used cache of values that are fetched once for all who ask at the same time.
 *
 * A fetch is aborted only when everyone who waits for it has aborted; a failed one is forgotten, so that the next
 * reader tries again.
 */
export class ChunkCache<T> {
  readonly #values = new Map<string, { value: T; bytes: number }>();
  readonly #pending = new Map<string, { promise: Promise<T>; abort: AbortController; waiting: number }>();
  #bytes = 0;

  constructor(
    /** Most bytes kept. A value larger than this is handed out but not kept. */
    readonly capacity: number,
  ) {}

  /** Bytes kept now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws what `fetch` throws, or the signal's reason as soon as it fires. */
  async get(
    key: string,
    fetch: (signal: AbortSignal) => Promise<{ value: T; bytes: number }>,
    signal?: AbortSignal,
  ): Promise<T> {
    signal?.throwIfAborted();
    const kept = this.#values.get(key);
    if (kept) {
      this.#values.delete(key);
      this.#values.set(key, kept);
      return kept.value;
    }
    const entry = this.#pending.get(key) ?? this.#start(key, fetch);
    entry.waiting++;
    let stop: (() => void) | undefined;
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(signal?.reason);
      signal?.addEventListener("abort", stop, { once: true });
    });
    try {
      return await Promise.race([entry.promise, aborted]);
    } finally {
      if (stop) signal?.removeEventListener("abort", stop);
      entry.waiting--;
      if (entry.waiting === 0 && this.#pending.get(key) === entry) {
        // Out of the table first: who asks from now on must not join a fetch that is being aborted.
        this.#pending.delete(key);
        entry.abort.abort();
      }
    }
  }

  clear(): void {
    this.#values.clear();
    this.#bytes = 0;
  }

  #start(key: string, fetch: (signal: AbortSignal) => Promise<{ value: T; bytes: number }>) {
    const abort = new AbortController();
    const entry = {
      abort,
      waiting: 0,
      promise: fetch(abort.signal).then(
        ({ value, bytes }) => {
          if (this.#pending.get(key) === entry) this.#pending.delete(key);
          this.#keep(key, value, bytes);
          return value;
        },
        (error) => {
          if (this.#pending.get(key) === entry) this.#pending.delete(key);
          throw error;
        },
      ),
    };
    // Whoever waited may have left by abort; a failure that nobody awaits any more is not an unhandled one.
    entry.promise.catch(() => {});
    this.#pending.set(key, entry);
    return entry;
  }

  #keep(key: string, value: T, bytes: number): void {
    if (bytes > this.capacity) return;
    const before = this.#values.get(key);
    if (before) {
      this.#values.delete(key);
      this.#bytes -= before.bytes;
    }
    this.#values.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const [oldest, { bytes: size }] of this.#values) {
      if (this.#bytes <= this.capacity) break;
      this.#values.delete(oldest);
      this.#bytes -= size;
    }
  }
}
