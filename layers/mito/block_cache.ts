/** Loads what is not there. */
export type Load<Value> = (signal: AbortSignal) => Promise<{ readonly value: Value; readonly bytes: number }>;

interface Pending<Value> {
  readonly promise: Promise<Value>;
  readonly controller: AbortController;
  waiting: number;
}

/**
 * Least-recently-used cache of things that are loaded, bounded in bytes. A load under way is shared by all that ask
 * for it and aborted when the last of them gives up. Failures are not kept: whoever asks next tries again (which is why
 * this is not Neuroglancer's SimpleAsyncCache: that remembers a rejection for ever).
 */
export class BlockCache<Value> {
  private readonly entries = new Map<string, { value: Value; bytes: number }>();
  private readonly pending = new Map<string, Pending<Value>>();
  private total = 0;

  constructor(private readonly limit: number) {}

  get bytes(): number {
    return this.total;
  }

  async get(key: string, load: Load<Value>, signal: AbortSignal): Promise<Value> {
    signal.throwIfAborted();
    const entry = this.entries.get(key);
    if (entry !== undefined) {
      this.entries.delete(key);
      this.entries.set(key, entry);
      return entry.value;
    }
    const pending = this.pending.get(key) ?? this.start(key, load);
    pending.waiting++;
    let giveUp!: (reason: unknown) => void;
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    const onAbort = () => giveUp(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([pending.promise, givenUp]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (--pending.waiting === 0 && this.pending.get(key) === pending) {
        this.pending.delete(key);
        pending.controller.abort(new DOMException("nobody waits for it any more", "AbortError"));
      }
    }
  }

  has(key: string): boolean {
    return this.entries.has(key);
  }

  clear(): void {
    this.entries.clear();
    this.total = 0;
  }

  private start(key: string, load: Load<Value>): Pending<Value> {
    const controller = new AbortController();
    const promise = load(controller.signal).then(({ value, bytes }) => {
      if (!controller.signal.aborted) this.keep(key, value, bytes);
      return value;
    });
    const pending: Pending<Value> = { promise, controller, waiting: 0 };
    this.pending.set(key, pending);
    const done = () => {
      if (this.pending.get(key) === pending) this.pending.delete(key);
    };
    promise.then(done, done);
    return pending;
  }

  private keep(key: string, value: Value, bytes: number): void {
    if (bytes > this.limit) return;
    this.entries.set(key, { value, bytes });
    this.total += bytes;
    for (const [oldest, entry] of this.entries) {
      if (this.total <= this.limit) break;
      this.entries.delete(oldest);
      this.total -= entry.bytes;
    }
  }
}
