import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BackendPreference, WorkerStatus } from "../../../workers/inference_api.js";
import {
  Supervisor,
  type SupervisorOptions,
  type SupervisorStatus,
  type WorkerHandle,
} from "../../../workers/supervisor.js";

const OPTIONS: SupervisorOptions = {
  preference: "auto",
  cpuWorkers: 3,
  heartbeat: 100,
  silence: 1000,
  startTime: 5000,
  backoff: 100,
  lossLimit: 4,
};

class FakeWorker implements WorkerHandle {
  onbroken: WorkerHandle["onbroken"];
  terminated = false;
  silent = false;
  served = 0;
  private backend: WorkerStatus["backend"] = "wasm";
  preference: BackendPreference | undefined;
  constructor(private readonly start_: (preference: BackendPreference) => Promise<WorkerStatus["backend"]>) {}
  async start(preference: BackendPreference) {
    this.preference = preference;
    this.backend = await this.start_(preference);
    return { backend: this.backend, detail: "fake", served: 0, models: [] };
  }
  status(): Promise<WorkerStatus> {
    if (this.silent || this.terminated) return new Promise(() => {});
    return Promise.resolve({ backend: this.backend, detail: "fake", served: this.served, models: [] });
  }
  openPort() {
    return {} as MessagePort;
  }
  async destroyDevice() {}
  terminate() {
    this.terminated = true;
  }
}

function supervise(
  backend: (preference: BackendPreference) => Promise<WorkerStatus["backend"]>,
  options: Partial<SupervisorOptions> = {},
) {
  const workers: FakeWorker[] = [];
  const events: string[] = [];
  let status!: SupervisorStatus;
  const supervisor = new Supervisor(
    () => {
      const worker = new FakeWorker(backend);
      workers.push(worker);
      return worker;
    },
    {
      connected: (id) => void events.push(`connected ${id}`),
      lost: (id) => void events.push(`lost ${id}`),
      failed: (message) => void events.push(`failed ${message}`),
      status: (now) => {
        status = now;
      },
    },
    { ...OPTIONS, ...options },
  );
  return { supervisor, workers, events, status: () => status };
}

const wasm = async () => "wasm" as const;
const webgpu = async (preference: BackendPreference) => (preference === "wasm" ? "wasm" : "webgpu");
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("Supervisor", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("starts one worker for a GPU", async () => {
    const { workers, events, status } = supervise(webgpu);
    expect(status().state).toBe("starting");
    await pass(1000);
    expect(events).toEqual(["connected 1"]);
    expect(workers.length).toBe(1);
    expect(status()).toMatchObject({ state: "ready", backend: "webgpu", workers: 1, restarts: 0 });
  });

  it("starts several for the CPU, and asks only the first to look for a GPU", async () => {
    const { workers, status } = supervise(wasm);
    await pass(1000);
    expect(workers.map(({ preference }) => preference)).toEqual(["auto", "wasm", "wasm"]);
    expect(status()).toMatchObject({ state: "ready", backend: "wasm", workers: 3 });
  });

  it("replaces a worker that says that it broke", async () => {
    const { workers, events, status } = supervise(wasm, { cpuWorkers: 1 });
    await pass(50);
    workers[0].onbroken!("threw", false);
    expect(workers[0].terminated).toBe(true);
    await pass(100);
    expect(events).toEqual(["connected 1", "lost 1", "connected 2"]);
    expect(status()).toMatchObject({ state: "ready", workers: 1, restarts: 1 });
  });

  it("replaces a worker that gives no sign of life, and not one that is slow", async () => {
    const { supervisor, workers, events } = supervise(wasm, { cpuWorkers: 1 });
    await pass(50);
    workers[0].silent = true;
    await pass(800);
    expect(events).toEqual(["connected 1"]);
    await pass(1000);
    expect(events.slice(0, 2)).toEqual(["connected 1", "lost 1"]);
    supervisor.kill(2);
    await pass(2000);
    expect(events).toEqual(["connected 1", "lost 1", "connected 2", "lost 2", "connected 3"]);
  });

  it("replaces a worker whose engine does not start in time", async () => {
    let first = true;
    const { events } = supervise(
      () => {
        if (!first) return wasm();
        first = false;
        return new Promise(() => {});
      },
      { cpuWorkers: 1 },
    );
    await pass(5200);
    expect(events).toEqual(["lost 1", "connected 2"]);
  });

  it("changes to WASM after three lost devices in a row, and says so", async () => {
    const { workers, status } = supervise(webgpu, { lossLimit: 6 });
    for (let i = 0; i < 3; i++) {
      await pass(2000);
      expect(status().backend).toBe("webgpu");
      workers[i].onbroken!("device lost", true);
    }
    await pass(5000);
    expect(status()).toMatchObject({ backend: "wasm", workers: 3, restarts: 3 });
    expect(status().message).toMatch(/GPU was lost 3 times in a row.*WASM/);
  });

  it("counts losses in a row only: a prediction between them starts anew", async () => {
    const { workers, status } = supervise(webgpu, { lossLimit: 3 });
    for (let i = 0; i < 8; i++) {
      await pass(1000);
      expect(status().state).toBe("ready");
      workers[i].served = 1;
      await pass(300);
      workers[i].onbroken!("device lost", true);
    }
    await pass(1000);
    expect(status()).toMatchObject({ state: "ready", backend: "webgpu", restarts: 8 });
  });

  it("gives up with a message after too many losses, pausing longer each time, and can be told to try again", async () => {
    let broken = true;
    const { supervisor, workers, events, status } = supervise(
      async () => {
        if (broken) throw new Error("no engine here");
        return "wasm";
      },
      { cpuWorkers: 1 },
    );
    await pass(99);
    expect(workers.length).toBe(1);
    await pass(2);
    expect(workers.length).toBe(2);
    await pass(190);
    expect(workers.length).toBe(2);
    await pass(20);
    expect(workers.length).toBe(3);
    await pass(60_000);
    expect(workers.length).toBe(4);
    expect(status().state).toBe("failed");
    expect(status().message).toMatch(/4 workers broke in a row.*no engine here/);
    expect(events.at(-1)).toMatch(/^failed /);
    broken = false;
    supervisor.retry();
    await pass(100);
    expect(status()).toMatchObject({ state: "ready", workers: 1 });
  });

  it("ends all workers when it is disposed of, and starts none", async () => {
    const { supervisor, workers } = supervise(wasm);
    await pass(100);
    supervisor.dispose();
    expect(workers.every(({ terminated }) => terminated)).toBe(true);
    const count = workers.length;
    await pass(60_000);
    expect(workers.length).toBe(count);
  });
});
