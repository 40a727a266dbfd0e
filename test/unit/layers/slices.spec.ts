import { describe, expect, it } from "vitest";
import { inSlices, Rerun } from "../../../layers/morphology_panel/slices.js";

describe("inSlices", () => {
  it("visits all items in order, and lets other tasks have their turn", async () => {
    const seen: number[] = [];
    let turns = 0;
    const timer = setInterval(() => ++turns, 1);
    const busy = (milliseconds: number) => {
      const until = performance.now() + milliseconds;
      while (performance.now() < until);
    };
    await inSlices(
      Array.from({ length: 200 }, (_, i) => i),
      (item) => {
        seen.push(item);
        busy(0.5);
      },
    );
    clearInterval(timer);
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(turns).toBeGreaterThan(2);
  });

  it("stops at an abort", async () => {
    const controller = new AbortController();
    const items = new Array<number>(1e6).fill(0);
    let visited = 0;
    const done = inSlices(
      items,
      () => {
        ++visited;
      },
      controller.signal,
    );
    controller.abort();
    await expect(done).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    expect(visited).toBeLessThan(items.length);
  });
});

describe("Rerun", () => {
  it("runs one task at a time, and once more for all that was asked meanwhile", async () => {
    let running = 0;
    let runs = 0;
    const waits: (() => void)[] = [];
    const rerun = new Rerun(async () => {
      expect(++running).toBe(1);
      ++runs;
      await new Promise<void>((resolve) => waits.push(resolve));
      --running;
    });
    for (let i = 0; i < 5; ++i) rerun.request();
    expect(runs).toBe(1);
    waits[0]();
    await new Promise((resolve) => setTimeout(resolve));
    expect(runs).toBe(2);
    waits[1]();
    await new Promise((resolve) => setTimeout(resolve));
    expect(runs).toBe(2);
    rerun.request();
    expect(runs).toBe(3);
    waits[2]();
  });
});
