import { describe, expect, it } from "vitest";
import { AnalysisPool, type AnalysisThread } from "../../../layers/mito/analysis_pool.js";
import type { AnalysisRequest, AnalysisResult } from "../../../workers/analyse.js";

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

class FakeThread implements AnalysisThread {
  onbroken: AnalysisThread["onbroken"];
  terminated = false;
  readonly calls: { id: string; finish(): void; fail(error: Error): void }[] = [];
  readonly api: AnalysisThread["api"] = {
    label: (id) =>
      new Promise((resolve, reject) => {
        this.calls.push({ id, finish: () => resolve({ count: Number(id) } as AnalysisResult), fail: reject });
      }),
    cancel: async () => {},
  };
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
    expect((await Promise.all(results)).map(({ count }) => count)).toEqual([1, 2, 3]);
  });

  it("passes an error on and goes on", async () => {
    const { pool, threads } = makePool(1);
    const first = pool.label("1", request);
    const second = pool.label("2", request);
    threads[0].calls[0].fail(new RangeError("does not fit"));
    await expect(first).rejects.toThrow("does not fit");
    threads[0].calls[1].finish();
    expect((await second).count).toBe(2);
  });

  it("replaces a worker that broke and does its call again", async () => {
    const { pool, threads } = makePool(1);
    const result = pool.label("1", request);
    threads[0].onbroken!("crashed");
    expect(threads[0].terminated).toBe(true);
    threads[0].calls[0].finish();
    threads[1].calls[0].finish();
    expect((await result).count).toBe(1);
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
});
