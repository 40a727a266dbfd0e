import { describe, expect, it } from "vitest";
import { AnalysisPool, type AnalysisThread } from "../../../layers/mito/analysis_pool.js";
import type { AnalysisRequest, AnalysisResult, MeasureRequest } from "../../../workers/analyse.js";

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

class FakeThread implements AnalysisThread {
  onbroken: AnalysisThread["onbroken"];
  terminated = false;
  readonly calls: { id: string; finish(): void; fail(error: Error): void }[] = [];
  readonly cancelled: string[] = [];
  readonly api: AnalysisThread["api"] = {
    label: (id) => this.call(id, { milliseconds: Number(id) } as AnalysisResult),
    measure: (id) => this.call(id, Float64Array.of(Number(id))),
    mesh: (id) =>
      this.call(id, {
        positions: new Float32Array(0),
        indices: new Uint32Array(0),
        step: [1, 1, 1] as const,
      }),
    cancel: async (id) => {
      this.cancelled.push(id);
    },
  };
  private call<T>(id: string, result: T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.calls.push({ id, finish: () => resolve(result), fail: reject });
    });
  }
  terminate() {
    this.terminated = true;
  }
}

function makePool(size: number) {
  const threads: FakeThread[] = [];
  const pool = new AnalysisPool(() => {
    const thread = new FakeThread();
    threads.push(thread);
    return thread;
  }, size);
  return { pool, threads };
}

const request = {} as AnalysisRequest;
const object = {} as MeasureRequest;
const running = (threads: FakeThread[]) => threads.map(({ calls }) => calls.map(({ id }) => id));

describe("AnalysisPool", () => {
  it("gives each worker one call at a time, in order", async () => {
    const { pool, threads } = makePool(2);
    const results = ["1", "2", "3"].map((id) => pool.label(id, request));
    expect(threads.map(({ calls }) => calls.map(({ id }) => id))).toEqual([["1"], ["2"]]);
    threads[1].calls[0].finish();
    await turn();
    expect(threads[1].calls.map(({ id }) => id)).toEqual(["2", "3"]);
    threads[0].calls[0].finish();
    threads[1].calls[1].finish();
    expect((await Promise.all(results)).map(({ milliseconds }) => milliseconds)).toEqual([1, 2, 3]);
  });

  it("passes an error on and goes on", async () => {
    const { pool, threads } = makePool(1);
    const first = pool.label("1", request);
    const second = pool.label("2", request);
    threads[0].calls[0].fail(new RangeError("does not fit"));
    await expect(first).rejects.toThrow("does not fit");
    threads[0].calls[1].finish();
    expect((await second).milliseconds).toBe(2);
  });

  it("replaces a worker that broke and does its call again", async () => {
    const { pool, threads } = makePool(1);
    const result = pool.label("1", request);
    threads[0].onbroken!("crashed");
    expect(threads[0].terminated).toBe(true);
    threads[0].calls[0].finish();
    threads[1].calls[0].finish();
    expect((await result).milliseconds).toBe(1);
    expect(threads.length).toBe(2);
  });

  it("gives up when its workers keep breaking, instead of waiting for ever", async () => {
    const { pool, threads } = makePool(2);
    const results = ["1", "2", "3"].map((id) =>
      pool.label(id, request).catch((error: Error) => error.message),
    );
    for (let i = 0; i < 20; i++) {
      for (const thread of threads) if (!thread.terminated) thread.onbroken?.("no script");
      await turn();
    }
    for (const message of await Promise.all(results))
      expect(message).toMatch(/analysis worker broke.*no script/);
    await expect(pool.label("4", request)).rejects.toThrow(/analysis worker broke/);
    expect(threads.length).toBeLessThan(10);
  });

  it("lets labelling go before objects, and keeps a worker for it", async () => {
    const { pool, threads } = makePool(2);
    const objects = ["1", "2"].map((id) => pool.measure(id, object));
    expect(running(threads)).toEqual([["1"], []]);
    const chunks = ["3", "4"].map((id) => pool.label(id, request));
    expect(running(threads)).toEqual([["1"], ["3"]]);
    threads[0].calls[0].finish();
    await turn();
    expect(running(threads)).toEqual([["1", "4"], ["3"]]);
    threads[1].calls[0].finish();
    await turn();
    expect(running(threads)).toEqual([
      ["1", "4"],
      ["3", "2"],
    ]);
    threads[0].calls[1].finish();
    threads[1].calls[1].finish();
    expect((await Promise.all(objects)).map(([value]) => value)).toEqual([1, 2]);
    await Promise.all(chunks);
  });

  it("forgets an object that is no longer wanted, also in the worker", async () => {
    const { pool, threads } = makePool(1);
    const stop = new AbortController();
    const first = pool.measure("1", object, stop.signal);
    const second = pool.mesh("2", { pieces: [], voxelSize: [1, 1, 1] }, stop.signal);
    stop.abort(new Error("changed"));
    await expect(first).rejects.toThrow("changed");
    await expect(second).rejects.toThrow("changed");
    expect(threads[0].cancelled).toEqual(["1"]);
    await expect(pool.measure("3", object, stop.signal)).rejects.toThrow("changed");
    threads[0].calls[0].fail(new DOMException("not wanted", "AbortError"));
    const third = pool.label("3", request);
    await turn();
    expect(running(threads)).toEqual([["1", "3"]]);
    threads[0].calls[1].finish();
    expect((await third).milliseconds).toBe(3);
  });

  it("does not try an object that breaks the worker again", async () => {
    const { pool, threads } = makePool(1);
    const result = pool.measure("1", object);
    threads[0].onbroken!("out of memory");
    await expect(result).rejects.toThrow(/out of memory/);
    expect(running(threads)).toEqual([["1"], []]);
  });
});
