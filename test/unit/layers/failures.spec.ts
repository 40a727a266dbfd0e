import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Failures } from "../../../layers/mito/failures.js";

describe("Failures", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("tries again after pauses that double, up to two minutes", () => {
    const again = vi.fn();
    const failures = new Failures(again);
    let pause = 2000;
    for (let i = 1; i <= 10; i++) {
      expect(failures.add("k")).toBe(i);
      vi.advanceTimersByTime(pause - 1);
      expect(again).toHaveBeenCalledTimes(i - 1);
      vi.advanceTimersByTime(1);
      expect(again).toHaveBeenCalledTimes(i);
      pause = Math.min(2 * pause, 120_000);
    }
  });

  it("forgets what succeeded", () => {
    const again = vi.fn();
    const failures = new Failures(again);
    failures.add("k");
    failures.forget("k");
    vi.runAllTimers();
    expect(again).not.toHaveBeenCalled();
    expect(failures.add("k")).toBe(1);
  });

  it("tries all at once when asked to, and remembers a bounded number", () => {
    const again = vi.fn();
    const failures = new Failures(again);
    for (let i = 0; i < 2500; i++) failures.add(String(i));
    expect(again).toHaveBeenCalledTimes(500);
    failures.retryAll();
    expect(again).toHaveBeenCalledTimes(2500);
    vi.runAllTimers();
    expect(again).toHaveBeenCalledTimes(2500);
  });
});
