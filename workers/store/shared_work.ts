interface Job<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
  settled: boolean;
}

/** Work by key that is done once for all who ask while it runs. */
export class SharedWork<T> {
  private readonly jobs = new Map<string, Job<T>>();

  /**
   * Joins the running work of `key`, or starts it. `signal` takes only this caller out (AbortError); the work itself
   * is aborted when nobody waits for it any more, and whoever asks after that starts anew.
   */
  async run(key: string, start: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const job = this.jobs.get(key) ?? this.start(key, start);
    ++job.waiting;
    let leave = () => {};
    const left = new Promise<never>((_resolve, reject) => {
      leave = () => reject(signal?.reason);
    });
    signal?.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([job.result, left]);
    } finally {
      signal?.removeEventListener("abort", leave);
      if (--job.waiting === 0 && !job.settled) {
        this.forget(key, job);
        job.controller.abort(new DOMException("nobody waits for this any more", "AbortError"));
      }
    }
  }

  get size(): number {
    return this.jobs.size;
  }

  private start(key: string, start: (signal: AbortSignal) => Promise<T>): Job<T> {
    const controller = new AbortController();
    const result = start(controller.signal);
    const job: Job<T> = { result, controller, waiting: 0, settled: false };
    this.jobs.set(key, job);
    const settle = () => {
      job.settled = true;
      this.forget(key, job);
    };
    // Also handles the rejection of work that everybody has left.
    result.then(settle, settle);
    return job;
  }

  private forget(key: string, job: Job<T>): void {
    if (this.jobs.get(key) === job) this.jobs.delete(key);
  }
}
