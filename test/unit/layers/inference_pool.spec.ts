import { describe, expect, it } from "vitest";
import type { PredictionRequest, PredictionResult } from "../../../src/inference/types.js";
import { boxSize, boxVolume } from "../../../src/volume/box.js";
import type { Box } from "../../../src/volume/types.js";
import type { ModelReference } from "../../../workers/inference_api.js";
import {
  InferenceFailedError,
  InferencePool,
  type InferencePort,
  joinSlices,
  splitSlices,
  WorkerLostError,
} from "../../../workers/inference_pool.js";

const model: ModelReference = { id: "m", url: "http://host/m/", digest: "0" };
const live = () => new AbortController().signal;
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

function request(core: Box, sliceAxis: 0 | 1 | 2 = 2): PredictionRequest {
  const planeAxes = ([0, 1, 2] as const).filter((axis) => axis !== sliceAxis) as unknown as [0, 1];
  const grow = (by: number) => (v: number, i: number) => (i === sliceAxis ? v : v + by);
  const gather: Box = {
    lower: core.lower.map(grow(-2)) as unknown as Box["lower"],
    upper: core.upper.map(grow(3)) as unknown as Box["upper"],
  };
  const em = Uint8Array.from({ length: boxVolume(gather) }, (_, i) => (i * 31) % 251);
  const bounds: Box = { lower: [0, 0, 0], upper: [1000, 1000, 1000] };
  const geometry = { scale: 0, sliceAxis, planeAxes, ratio: [1, 1] as const, bounds };
  return { em, gather, core, geometry, window: [0, 255], tta: "none" };
}

/** What a worker would do: each voxel's answer depends on its own EM voxel only. */
function answer({ em, gather, core }: PredictionRequest): PredictionResult {
  const [sx, sy, sz] = boxSize(core);
  const [gx, gy] = boxSize(gather);
  const probability = new Uint8Array(sx * sy * sz);
  const offset = core.lower.map((l, i) => l - gather.lower[i]);
  let o = 0;
  for (let z = 0; z < sz; z++)
    for (let y = 0; y < sy; y++)
      for (let x = 0; x < sx; x++)
        probability[o++] = 255 - em[x + offset[0] + gx * (y + offset[1] + gy * (z + offset[2]))];
  return { probability, milliseconds: 1, nonFinite: 0, backend: "wasm" };
}

interface Job {
  readonly id: number;
  readonly request: PredictionRequest;
  finish(): void;
  fail(error: Error): void;
}

/** A worker whose answers the test gives. */
class FakePort implements InferencePort {
  readonly jobs: Job[] = [];
  readonly cancelled: number[] = [];
  predict(id: number, _model: ModelReference, given: PredictionRequest): Promise<PredictionResult> {
    return new Promise((resolve, reject) => {
      this.jobs.push({ id, request: given, finish: () => resolve(answer(given)), fail: reject });
    });
  }
  async cancel(id: number): Promise<void> {
    this.cancelled.push(id);
  }
}

function named(name: string): Error {
  return Object.assign(new Error(name), { name });
}

const small = request({ lower: [10, 20, 30], upper: [14, 23, 31] });

describe("splitSlices and joinSlices", () => {
  it.each([
    [0, 3],
    [1, 2],
    [2, 3],
    [2, 5],
    [2, 99],
  ] as const)("along axis %i into %i give the same as the whole", (axis, count) => {
    const whole = request({ lower: [10, 20, 30], upper: [15, 26, 35] }, axis);
    const parts = splitSlices(whole, count);
    const extent = whole.core.upper[axis] - whole.core.lower[axis];
    expect(parts.length).toBe(Math.min(count, extent));
    const joined = joinSlices(whole, parts, parts.map(answer));
    expect(joined.probability).toEqual(answer(whole).probability);
  });

  it("keep the type of the EM", () => {
    const { em, ...rest } = request({ lower: [10, 20, 30], upper: [15, 26, 35] });
    const parts = splitSlices({ ...rest, em: Uint16Array.from(em, (v) => v * 200) }, 2);
    expect(parts[1].em).toBeInstanceOf(Uint16Array);
  });
});

describe("InferencePool", () => {
  it("waits for the first worker", async () => {
    const pool = new InferencePool();
    const result = pool.predict(model, small, live());
    const port = new FakePort();
    pool.add(1, port);
    await turn();
    port.jobs[0].finish();
    expect((await result).probability).toEqual(answer(small).probability);
  });

  it("deals slices to all workers and one part a worker at a time", async () => {
    const pool = new InferencePool();
    const ports = [new FakePort(), new FakePort()];
    ports.forEach((port, i) => void pool.add(i, port));
    const whole = request({ lower: [10, 20, 30], upper: [14, 23, 36] });
    const first = pool.predict(model, whole, live());
    const second = pool.predict(model, whole, live());
    expect(ports.map(({ jobs }) => jobs.length)).toEqual([1, 1]);
    for (const { jobs } of ports) jobs[0].finish();
    await turn();
    expect(ports.map(({ jobs }) => jobs.length)).toEqual([2, 2]);
    for (const { jobs } of ports) jobs[1].finish();
    expect((await first).probability).toEqual(answer(whole).probability);
    expect((await second).probability).toEqual(answer(whole).probability);
  });

  it("does what a lost worker was at again on another", async () => {
    const pool = new InferencePool();
    const dying = new FakePort();
    pool.add(1, dying);
    const result = pool.predict(model, small, live());
    pool.remove(1, "crashed");
    const next = new FakePort();
    pool.add(2, next);
    await turn();
    next.jobs[0].finish();
    expect((await result).probability).toEqual(answer(small).probability);
    expect(pool.size).toBe(1);
  });

  it("does not use a worker again that lost its device", async () => {
    const pool = new InferencePool();
    const lost = new FakePort();
    pool.add(1, lost);
    const result = pool.predict(model, small, live());
    lost.jobs[0].fail(named("DeviceLostError"));
    await turn();
    expect(pool.size).toBe(0);
    expect(lost.jobs.length).toBe(1);
    const next = new FakePort();
    pool.add(2, next);
    await turn();
    next.jobs[0].finish();
    await result;
  });

  it("gives up on what three workers died over, and goes on with the rest", async () => {
    const pool = new InferencePool();
    const result = pool.predict(model, small, live());
    const caught = result.catch((error: unknown) => error);
    for (let id = 1; id <= 3; id++) {
      pool.add(id, new FakePort());
      await turn();
      pool.remove(id, "killed");
      await turn();
    }
    expect(await caught).toBeInstanceOf(WorkerLostError);
    const port = new FakePort();
    pool.add(4, port);
    const other = pool.predict(model, small, live());
    port.jobs[0].finish();
    await other;
  });

  it("passes a worker's own error on, keeps the worker, and stops the other parts", async () => {
    const pool = new InferencePool();
    const ports = [new FakePort(), new FakePort()];
    ports.forEach((port, i) => void pool.add(i, port));
    const result = pool.predict(model, request({ lower: [10, 20, 30], upper: [14, 23, 32] }), live());
    ports[0].jobs[0].fail(named("OutOfMemoryError"));
    await expect(result).rejects.toMatchObject({ name: "OutOfMemoryError" });
    expect(ports[1].cancelled).toEqual([ports[1].jobs[0].id]);
    expect(pool.size).toBe(2);
  });

  it("cancels what runs and forgets what waits when the signal fires", async () => {
    const pool = new InferencePool();
    const port = new FakePort();
    pool.add(1, port);
    const running = new AbortController();
    const waiting = new AbortController();
    const one = pool.predict(model, small, running.signal);
    const two = pool.predict(model, small, waiting.signal);
    waiting.abort(named("AbortError"));
    await expect(two).rejects.toMatchObject({ name: "AbortError" });
    running.abort(named("AbortError"));
    await expect(one).rejects.toMatchObject({ name: "AbortError" });
    expect(port.cancelled).toEqual([port.jobs[0].id]);
    // The worker is busy until it says that it has stopped.
    const three = pool.predict(model, small, live());
    expect(port.jobs.length).toBe(1);
    port.jobs[0].fail(named("AbortError"));
    await turn();
    expect(port.jobs.length).toBe(2);
    port.jobs[1].finish();
    await three;
  });

  it("rejects everything once no worker can be kept alive, until one comes", async () => {
    const pool = new InferencePool();
    const waiting = pool.predict(model, small, live());
    pool.fail("nothing works here");
    await expect(waiting).rejects.toBeInstanceOf(InferenceFailedError);
    await expect(pool.predict(model, small, live())).rejects.toThrow("nothing works here");
    const port = new FakePort();
    pool.add(1, port);
    const result = pool.predict(model, small, live());
    port.jobs[0].finish();
    await result;
  });
});
