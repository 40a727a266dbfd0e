import type { BackendPreference, WorkerStatus } from "./inference_api.js";

/** One inference worker as the supervisor holds it: a thread that can die at any moment. */
export interface WorkerHandle {
  /** Chooses the engine. */
  start(preference: BackendPreference): Promise<WorkerStatus>;
  status(): Promise<WorkerStatus>;
  /** A port that serves the worker's API, to be given away. */
  openPort(): MessagePort;
  /** Set by the supervisor: the thread said that it broke (onerror, messageerror, device lost). */
  onbroken: ((reason: string, deviceLost: boolean) => void) | undefined;
  /** For tests: see the worker's API. */
  destroyDevice(): Promise<void>;
  terminate(): void;
}

/** What the supervisor tells of its workers; the receiver hands ports on to the chunk worker. */
export interface SupervisorEvents {
  connected(id: number, port: MessagePort): void;
  lost(id: number, reason: string): void;
  /** No worker can be kept alive; until a later `connected`, nothing can be computed. */
  failed(message: string): void;
  status(status: SupervisorStatus): void;
}

export interface SupervisorStatus {
  readonly state: "starting" | "ready" | "failed";
  readonly backend?: WorkerStatus["backend"];
  readonly detail: string;
  readonly workers: number;
  readonly restarts: number;
  readonly message?: string;
}

export interface SupervisorOptions {
  readonly preference: BackendPreference;
  /** Workers when the engine runs on the CPU; a GPU gets one. */
  readonly cpuWorkers: number;
  /** How often a worker is asked for a sign of life, ms. */
  readonly heartbeat: number;
  /** How long it may stay silent, ms. A WASM slice blocks the thread for seconds. */
  readonly silence: number;
  /** How long the engine may take to start, ms. */
  readonly startTime: number;
  /** First pause before a replacement, ms; doubles with each loss in a row. */
  readonly backoff: number;
  /** Losses in a row, with no prediction between them, after which it gives up. */
  readonly lossLimit: number;
}

export const DEFAULT_SUPERVISION: Omit<SupervisorOptions, "preference" | "cpuWorkers"> = {
  heartbeat: 3_000,
  silence: 60_000,
  startTime: 120_000,
  backoff: 250,
  lossLimit: 6,
};

const LONGEST_BACKOFF = 15_000;
/** WebGPU devices lost in a row after which WASM takes over. */
const DEVICE_LOSSES = 3;

interface Slot {
  handle: WorkerHandle;
  id: number;
  status?: WorkerStatus;
  /** When the question that is not answered yet was asked, and how many beats ago. */
  asked?: number;
  unanswered: number;
}

/**
 * Keeps the inference workers alive: starts them (one for a GPU, several for the CPU), asks for signs of life, replaces
 * what died or lost its device with growing pauses, changes from WebGPU to WASM after repeated losses, and gives up
 * with a message after too many. Small messages only: no EM passes here.
 */
export class Supervisor {
  private readonly slots = new Set<Slot>();
  private nextId = 1;
  private preference: BackendPreference;
  private restarts = 0;
  /** Losses, and device losses, since the last prediction that succeeded. */
  private losses = 0;
  private deviceLosses = 0;
  private message: string | undefined;
  private state: SupervisorStatus["state"] = "starting";
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private pending = 0;
  private closed = false;

  constructor(
    private readonly makeWorker: () => WorkerHandle,
    private readonly events: SupervisorEvents,
    private readonly options: SupervisorOptions,
  ) {
    this.preference = options.preference;
    this.spawn();
  }

  get ids(): number[] {
    return [...this.slots].map(({ id }) => id);
  }

  /** Ends a worker without telling anyone, as a crash does: for tests of the recovery. */
  kill(id: number): void {
    for (const slot of this.slots) if (slot.id === id) slot.handle.terminate();
  }

  /** Loses the GPU device of a worker, for tests. @throws Error without the debug option or a GPU. */
  async destroyDevice(id: number): Promise<void> {
    for (const slot of this.slots) if (slot.id === id) await slot.handle.destroyDevice();
  }

  /** Starts anew after it had given up. */
  retry(): void {
    if (this.state !== "failed" || this.closed) return;
    this.state = "starting";
    this.message = undefined;
    this.losses = 0;
    this.deviceLosses = 0;
    this.spawn();
  }

  dispose(): void {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    for (const { handle } of this.slots) handle.terminate();
    this.slots.clear();
  }

  private spawn(): void {
    const slot: Slot = { handle: this.makeWorker(), id: this.nextId++, unanswered: 0 };
    this.slots.add(slot);
    slot.handle.onbroken = (reason, deviceLost) => this.lose(slot, reason, deviceLost);
    this.report();
    void this.bringUp(slot);
  }

  private async bringUp(slot: Slot): Promise<void> {
    try {
      const late = this.after(this.options.startTime, () => this.lose(slot, "did not start in time", false));
      slot.status = await slot.handle.start(this.preference).finally(() => this.cancel(late));
    } catch (error) {
      this.lose(slot, error instanceof Error ? error.message : String(error), false);
      return;
    }
    if (!this.slots.has(slot)) return;
    this.state = "ready";
    this.events.connected(slot.id, slot.handle.openPort());
    this.listen(slot);
    if (slot.status.backend !== "webgpu" && this.preference === "auto") this.preference = "wasm";
    this.fill(slot.status.backend);
    this.report();
  }

  /** The first worker to answer says which engine there is; the CPU's gets company. */
  private fill(backend: WorkerStatus["backend"]): void {
    const target = backend === "webgpu" ? 1 : this.options.cpuWorkers;
    while (this.slots.size + this.pending < target) this.spawn();
  }

  private listen(slot: Slot): void {
    this.after(this.options.heartbeat, () => {
      if (!this.slots.has(slot)) return;
      if (slot.asked === undefined) {
        slot.asked = Date.now();
        slot.handle.status().then(
          (status) => this.hear(slot, status),
          // A worker that cannot even say how it is stays unanswered.
          () => {},
        );
      } else slot.unanswered++;
      const silent = slot.asked === undefined ? 0 : Date.now() - slot.asked;
      // Counted in beats too: timers of a page in the background, or of a sleeping machine, come late.
      if (silent > this.options.silence && slot.unanswered >= 2)
        this.lose(slot, `no sign of life for ${Math.round(silent / 1000)} s`, false);
      else this.listen(slot);
    });
  }

  private hear(slot: Slot, status: WorkerStatus): void {
    slot.asked = undefined;
    slot.unanswered = 0;
    if (!this.slots.has(slot)) return;
    if (status.served > (slot.status?.served ?? 0) && this.losses > 0) {
      this.losses = 0;
      this.deviceLosses = 0;
      this.fill(status.backend);
    }
    slot.status = status;
  }

  private lose(slot: Slot, reason: string, deviceLost: boolean): void {
    if (!this.slots.delete(slot) || this.closed) return;
    slot.handle.onbroken = undefined;
    slot.handle.terminate();
    this.events.lost(slot.id, reason);
    this.losses++;
    if (deviceLost) this.deviceLosses++;
    if (this.deviceLosses >= DEVICE_LOSSES && this.preference !== "wasm") {
      this.preference = "wasm";
      this.message = `The GPU was lost ${this.deviceLosses} times in a row; computing on the CPU (WASM) instead. Reload the page to try the GPU again.`;
    }
    if (this.losses >= this.options.lossLimit) this.giveUp(reason);
    else {
      this.restarts++;
      this.pending++;
      this.after(Math.min(this.options.backoff * 2 ** (this.losses - 1), LONGEST_BACKOFF), () => {
        this.pending--;
        this.spawn();
      });
    }
    this.report();
  }

  private giveUp(reason: string): void {
    if (this.slots.size > 0) return; // others still work
    this.state = "failed";
    this.message = `Inference cannot run: ${this.losses} workers broke in a row, the last one because of: ${reason}. Reload the page, or choose another backend.`;
    this.events.failed(this.message);
  }

  private report(): void {
    const ready = [...this.slots].filter(({ status }) => status !== undefined);
    const status = ready[0]?.status;
    this.events.status({
      state: this.state === "failed" ? "failed" : status === undefined ? "starting" : "ready",
      ...(status !== undefined && { backend: status.backend }),
      detail: status?.detail ?? "",
      workers: ready.length,
      restarts: this.restarts,
      ...(this.message !== undefined && { message: this.message }),
    });
  }

  private after(milliseconds: number, action: () => void): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      action();
    }, milliseconds);
    this.timers.add(timer);
    return timer;
  }

  private cancel(timer: ReturnType<typeof setTimeout>): void {
    this.timers.delete(timer);
    clearTimeout(timer);
  }
}
