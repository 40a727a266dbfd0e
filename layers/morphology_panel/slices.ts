/** Work at a stretch, ms: well below a long task, also on a machine three times slower. */
const BUDGET = 8;

/**
 * Visits all items on this thread without keeping the page from answering: after each few milliseconds other tasks get their turn.
 * @throws DOMException AbortError.
 */
export async function inSlices<T>(
  items: readonly T[],
  visit: (item: T, index: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  let until = performance.now() + BUDGET;
  for (let index = 0; index < items.length; ++index) {
    visit(items[index], index);
    // The clock is read after some items: it costs more than most of them.
    if ((index & 15) !== 15 || performance.now() < until) continue;
    await nextTask();
    signal?.throwIfAborted();
    until = performance.now() + BUDGET;
  }
}

export function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/**
 * A task that is asked for more often than it can be done: one runs at a time, and what is asked for meanwhile runs once more
 * at its end, so that neither does it pile up nor does it starve.
 */
export class Rerun {
  private running = false;
  private again = false;

  /** @param task its error is thrown where nobody waits: it must deal with what can fail. */
  constructor(private readonly task: () => Promise<void>) {}

  request(): void {
    this.again = true;
    if (!this.running) void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.again) {
        this.again = false;
        await this.task();
      }
    } finally {
      this.running = false;
    }
  }
}
