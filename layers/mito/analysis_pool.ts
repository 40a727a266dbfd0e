import type { AnalysisApi, AnalysisRequest, AnalysisResult } from "../../workers/analyse.js";

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
  readonly request: AnalysisRequest;
  attempts: number;
  resolve(result: AnalysisResult): void;
  reject(error: unknown): void;
}

interface Slot {
  thread: AnalysisThread;
  call?: Call;
}

const ATTEMPTS = 3;

/**
 * Labels and measures chunks on a few workers, one call a worker at a time, so that what waits can still be ordered and
 * replaced. A worker that breaks is replaced and its call done again.
 */
export class AnalysisPool {
  private readonly slots: Slot[];
  private readonly waiting: Call[] = [];
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
  label(id: string, request: AnalysisRequest): Promise<AnalysisResult> {
    if (this.broken !== undefined) return Promise.reject(this.broken);
    return new Promise((resolve, reject) => {
      this.waiting.push({ id, request, attempts: 0, resolve, reject });
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
      const call = this.waiting.shift();
      if (call === undefined) return;
      void this.work(slot, call);
    }
  }

  private async work(slot: Slot, call: Call): Promise<void> {
    slot.call = call;
    call.attempts++;
    try {
      const result = await slot.thread.api.label(call.id, call.request);
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
        for (const waiting of this.waiting.splice(0)) waiting.reject(broken);
      }
    } else {
      slot.thread = this.makeThread();
      slot.thread.onbroken = (next) => this.replace(slot, next);
    }
    if (call === undefined) return;
    if (call.attempts < ATTEMPTS && this.slots.length > 0) this.waiting.unshift(call);
    else call.reject(broken);
    this.deal();
  }
}
