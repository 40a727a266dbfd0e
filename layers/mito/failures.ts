/** Pause before a failed chunk is tried again, ms: doubles with each failure in a row. */
const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 120_000;
/** Chunks remembered as failed; the oldest are forgotten, and tried again when they are looked at. */
const REMEMBERED = 2_000;

interface Failure {
  readonly count: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Which chunks failed, how often in a row, and when each is to be tried again. */
export class Failures {
  private readonly failures = new Map<string, Failure>();

  constructor(private readonly again: (key: string) => void) {}

  /** Notes a failure and plans the next attempt. @returns Failures in a row. */
  add(key: string): number {
    const count = (this.failures.get(key)?.count ?? 0) + 1;
    this.forget(key);
    const pause = Math.min(FIRST_PAUSE * 2 ** (count - 1), LONGEST_PAUSE);
    this.failures.set(key, { count, timer: setTimeout(() => this.again(key), pause) });
    if (this.failures.size > REMEMBERED) {
      const [oldest] = this.failures.keys();
      this.forget(oldest);
      this.again(oldest);
    }
    return count;
  }

  has(key: string): boolean {
    return this.failures.has(key);
  }

  forget(key: string): void {
    clearTimeout(this.failures.get(key)?.timer);
    this.failures.delete(key);
  }

  /** Does not wait any longer. */
  retryAll(): void {
    const keys = [...this.failures.keys()];
    this.clear();
    for (const key of keys) this.again(key);
  }

  clear(): void {
    for (const { timer } of this.failures.values()) clearTimeout(timer);
    this.failures.clear();
  }
}
