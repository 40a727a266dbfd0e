import type { AnalysisApi } from "../../workers/analyse.js";

/** What a call gives: the worker's answer. */
type Answer<K extends Task> = Awaited<ReturnType<AnalysisApi[K]>>;
type Request<K extends Task> = Parameters<AnalysisApi[K]>[1];
/** Calls that compute; `cancel` is the pool's own business. */
type Task = Exclude<keyof AnalysisApi, "cancel">;

/** An analysis worker as the pool holds it. */
export interface AnalysisThread {
  readonly api: {
    [K in keyof AnalysisApi]: (
      ...args: Parameters<AnalysisApi[K]>
    ) => Promise<Awaited<ReturnType<AnalysisApi[K]>>>;
  };
  /** Set by the pool: called when the thread broke. */
  onbroken: ((reason: string) => void) | undefined;
  terminate(): void;
}

interface Call {
  readonly id: string;
  readonly background: boolean;
  attempts: number;
  run(thread: AnalysisThread): Promise<unknown>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Slot {
  thread: AnalysisThread;
  call?: Call;
}

const ATTEMPTS = 3;

/**
 * Labels, measures and meshes on a few workers, one call a worker at a time, so that what waits can still be ordered and
 * replaced. Labelling goes before what can wait (measuring and meshing whole objects), which never has all workers to itself
 * where there are several. A worker that breaks is replaced and its call done again.
 */
export class AnalysisPool {
  private readonly slots: Slot[];
  private readonly waiting: Call[] = [];
  private readonly background: Call[] = [];
  /** Since the last call that succeeded. */
  private breaks = 0;
  private broken: Error | undefined;

  constructor(
    private readonly makeThread: () => AnalysisThread,
    readonly size: number,
  ) {
    this.slots = Array.from({ length: size }, () => this.slot());
  }

  /** @throws what the analysis throws; Error when its workers keep breaking. */
  label(id: string, request: Request<"label">): Promise<Answer<"label">> {
    return this.call("label", id, request, false);
  }

  /** Measures a whole object when no chunk waits. @throws as `label`; the signal's reason. */
  measure(id: string, request: Request<"measure">, signal?: AbortSignal): Promise<Answer<"measure">> {
    return this.call("measure", id, request, true, signal);
  }

  /** Makes the mesh of a whole object when no chunk waits. @throws as `label`; the signal's reason. */
  mesh(id: string, request: Request<"mesh">, signal?: AbortSignal): Promise<Answer<"mesh">> {
    return this.call("mesh", id, request, true, signal);
  }

  private call<K extends Task>(
    task: K,
    id: string,
    request: Request<K>,
    background: boolean,
    signal?: AbortSignal,
  ): Promise<Answer<K>> {
    if (this.broken !== undefined) return Promise.reject(this.broken);
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise<Answer<K>>((resolve, reject) => {
      const onAbort = () => {
        const queue = background ? this.background : this.waiting;
        const at = queue.indexOf(call);
        if (at !== -1) queue.splice(at, 1);
        // In the worker it may not have begun.
        else void this.slots.find((slot) => slot.call === call)?.thread.api.cancel(id);
        reject(signal!.reason);
      };
      const call: Call = {
        id,
        background,
        attempts: 0,
        // The compiler cannot see that request and method belong together.
        run: (thread) =>
          (thread.api[task] as (id: string, request: Request<K>) => Promise<unknown>)(id, request),
        resolve: (result) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(result as Answer<K>);
        },
        reject: (error) => {
          signal?.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      (background ? this.background : this.waiting).push(call);
      this.deal();
    });
  }

  private slot(): Slot {
    const thread = this.makeThread();
    const slot: Slot = { thread };
    thread.onbroken = (reason) => this.replace(slot, reason);
    return slot;
  }

  private deal(): void {
    for (const slot of this.slots) {
      if (slot.call !== undefined) continue;
      const call = this.waiting.shift() ?? this.nextBackground();
      if (call === undefined) return;
      void this.work(slot, call);
    }
  }

  /** One worker is kept for labelling, where there are two. */
  private nextBackground(): Call | undefined {
    const busy = this.slots.filter(({ call }) => call?.background).length;
    return busy < Math.max(1, this.slots.length - 1) ? this.background.shift() : undefined;
  }

  private async work(slot: Slot, call: Call): Promise<void> {
    slot.call = call;
    call.attempts++;
    try {
      const result = await call.run(slot.thread);
      if (slot.call === call) {
        this.breaks = 0;
        call.resolve(result);
      }
    } catch (error) {
      if (slot.call === call) call.reject(error);
    }
    if (slot.call !== call) return; // replaced in the meantime
    slot.call = undefined;
    this.deal();
  }

  private replace(slot: Slot, reason: string): void {
    const { call } = slot;
    slot.call = undefined;
    slot.thread.onbroken = undefined;
    slot.thread.terminate();
    const broken = new Error(`the analysis worker broke ${ATTEMPTS} times: ${reason}; reload the page`);
    if (++this.breaks >= ATTEMPTS * this.size) {
      // Not started again: a script that does not load would go on for ever.
      this.slots.splice(this.slots.indexOf(slot), 1);
      if (this.slots.length === 0) {
        this.broken = broken;
        for (const waiting of [...this.waiting.splice(0), ...this.background.splice(0)])
          waiting.reject(broken);
      }
    } else {
      slot.thread = this.makeThread();
      slot.thread.onbroken = (next) => this.replace(slot, next);
    }
    if (call === undefined) return;
    // An object that breaks the worker (too large for its memory) does so again: it may not take chunks along.
    if (!call.background && call.attempts < ATTEMPTS && this.slots.length > 0) this.waiting.unshift(call);
    else call.reject(broken);
    this.deal();
  }
}
