/** How much a computation is wanted now. Lower tier first (0 = on screen), then higher priority. */
export interface Wanted {
  readonly tier: number;
  readonly priority: number;
}

/** What waits or runs. `wanted` is asked again at every decision, so the order follows the view. */
export interface QueueItem {
  /** Undefined when nobody wants the result any more. */
  wanted(): Wanted | undefined;
}

/** The result is not wanted any more: nothing was computed. Not a failure. */
export class UnwantedError extends Error {
  override name = "UnwantedError";
  constructor() {
    super("left the view before it was computed");
  }
}

interface Waiting {
  readonly item: QueueItem;
  start(): void;
  drop(): void;
}

interface Running {
  readonly item: QueueItem;
  readonly controller: AbortController;
}

function before(a: Wanted, b: Wanted): boolean {
  return a.tier < b.tier || (a.tier === b.tier && a.priority > b.priority);
}

/**
 * Starts what is most wanted at the moment when a place is free, drops what is not wanted any more before it costs
 * anything, and stops what runs unwanted when something wanted waits.
 */
export class ComputeQueue {
  private readonly waiting = new Set<Waiting>();
  private readonly running = new Set<Running>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** @param places How many run at once; asked at every decision. */
  constructor(private readonly places: () => number) {}

  get length(): number {
    return this.waiting.size;
  }

  /**
   * Waits for a place, then runs the task. The task's signal fires when it is no longer wanted but others wait.
   * @throws UnwantedError when dropped; the signal's reason when aborted while waiting; what the task throws.
   */
  async run<T>(item: QueueItem, signal: AbortSignal, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    await this.place(item, signal);
    const running: Running = { item, controller: new AbortController() };
    this.running.add(running);
    try {
      return await task(AbortSignal.any([signal, running.controller.signal]));
    } finally {
      this.running.delete(running);
      this.schedule();
    }
  }

  /** Decides again, soon: call when priorities or places may have changed. */
  schedule(): void {
    // A timer, not at once: all chunks that one change of the view brings shall arrive before the choice.
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.decide();
    }, 0);
  }

  private place(item: QueueItem, signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.waiting.delete(waiting);
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        leave();
        reject(signal.reason);
      };
      const waiting: Waiting = {
        item,
        start: () => {
          leave();
          resolve();
        },
        drop: () => {
          leave();
          reject(new UnwantedError());
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.waiting.add(waiting);
      this.schedule();
    });
  }

  private decide(): void {
    const wanted: { waiting: Waiting; wanted: Wanted }[] = [];
    for (const waiting of [...this.waiting]) {
      const now = waiting.item.wanted();
      if (now === undefined) waiting.drop();
      else wanted.push({ waiting, wanted: now });
    }
    wanted.sort((a, b) => (before(a.wanted, b.wanted) ? -1 : before(b.wanted, a.wanted) ? 1 : 0));
    const free = Math.max(0, this.places() - this.running.size);
    for (const { waiting } of wanted.slice(0, free)) waiting.start();
    if (wanted.length <= free) return;
    // Started items enter `running` in a later microtask, so only what ran before this decision is looked at.
    for (const { item, controller } of this.running)
      if (item.wanted() === undefined) controller.abort(new UnwantedError());
  }
}
