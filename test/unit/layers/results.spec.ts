import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ChunkReport } from "../../../layers/mito/base.js";
import { readPageOptions } from "../../../layers/mito/page_options.js";
import { ResultStore } from "../../../layers/mito/results.js";

function report(key: string, more: Partial<ChunkReport> = {}): ChunkReport {
  return {
    key,
    box: { lower: [0, 0, 0], upper: [1, 1, 1] },
    modelLower: [0, 0, 0],
    modelUpper: [1, 1, 1],
    ms: { gather: 1, queue: 2, forward: 3, label: 4 },
    origin: "computed",
    failures: 0,
    ...more,
  };
}

describe("ResultStore", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("keeps a bounded number, newest last", () => {
    const results = new ResultStore(3);
    for (const key of ["a", "b", "c", "a", "d"]) results.add(report(key));
    expect(results.all().map(({ key }) => key)).toEqual(["c", "a", "d"]);
    expect(results.get("b")).toBeUndefined();
  });

  it("knows what is in view and how far it is", () => {
    const results = new ResultStore();
    for (const key of ["a", "b", "x"]) results.add(report(key));
    results.show(["a", "b", "c", "d"], [true, false, false, false]);
    expect(results.counts()).toEqual({ wanted: 4, finished: 1, failed: 0 });
    results.add(report("c"));
    results.add(report("d", { error: "unreadable", failures: 1 }));
    expect(results.counts()).toEqual({ wanted: 4, finished: 2, failed: 1 });
    expect(results.inView().map(({ key }) => key)).toEqual(["a", "b", "c", "d"]);
    results.show([], []);
    expect(results.inView()).toEqual([]);
  });

  it("keeps what a relabelled chunk once cost", () => {
    const results = new ResultStore();
    results.add(report("a", { backend: "wasm" }));
    results.add(report("a", { origin: "memory", ms: { gather: 0, queue: 0, forward: 0, label: 9 } }), true);
    expect(results.get("a")).toMatchObject({
      origin: "computed",
      backend: "wasm",
      ms: { gather: 1, queue: 2, forward: 3, label: 9 },
    });
  });

  it("tells its listeners at most every 100 ms", () => {
    const results = new ResultStore();
    const listener = vi.fn();
    results.changed.add(listener);
    for (let i = 0; i < 50; i++) results.add(report(String(i)));
    expect(listener).not.toHaveBeenCalled();
    vi.advanceTimersByTime(100);
    expect(listener).toHaveBeenCalledTimes(1);
  });
});

describe("readPageOptions", () => {
  it("has defaults that leave a core to the page", () => {
    expect(readPageOptions("", 2)).toEqual({ backend: "auto", workers: 1, debug: false });
    expect(readPageOptions("?debug=1&backend=wasm&workers=2&silence=4000", 16)).toEqual({
      backend: "wasm",
      workers: 2,
      debug: true,
      silence: 4000,
    });
    expect(readPageOptions("", 64).workers).toBe(4);
  });

  it.each([
    ["?backend=cuda", /backend=cuda.*auto, webgpu, wasm/],
    ["?workers=0", /workers=0.*from 1 to 8/],
    ["?workers=1.5", /workers=1.5/],
    ["?silence=1", /silence=1.*from 500/],
  ])("refuses %s", (search, message) => {
    expect(() => readPageOptions(search, 4)).toThrow(message);
  });
});
