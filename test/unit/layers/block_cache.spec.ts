import { describe, expect, it, vi } from "vitest";
import { BlockCache } from "../../../layers/mito/block_cache.js";

const live = () => new AbortController().signal;

describe("BlockCache", () => {
  it("loads once for all that ask, and remembers", async () => {
    const cache = new BlockCache<string>(100);
    const load = vi.fn(async () => ({ value: "a", bytes: 10 }));
    expect(await Promise.all([cache.get("k", load, live()), cache.get("k", load, live())])).toEqual([
      "a",
      "a",
    ]);
    expect(await cache.get("k", load, live())).toBe("a");
    expect(load).toHaveBeenCalledTimes(1);
    expect(cache.bytes).toBe(10);
  });

  it("keeps within its bound, dropping the least recently used", async () => {
    const cache = new BlockCache<string>(30);
    const load = (value: string) => vi.fn(async () => ({ value, bytes: 10 }));
    for (const key of ["a", "b", "c"]) await cache.get(key, load(key), live());
    await cache.get("a", load("a"), live());
    await cache.get("d", load("d"), live());
    expect(cache.bytes).toBe(30);
    const again = load("a");
    await cache.get("a", again, live());
    expect(again).not.toHaveBeenCalled();
    const gone = load("b");
    await cache.get("b", gone, live());
    expect(gone).toHaveBeenCalledTimes(1);
  });

  it("does not keep what is larger than itself", async () => {
    const cache = new BlockCache<string>(5);
    expect(await cache.get("k", async () => ({ value: "big", bytes: 6 }), live())).toBe("big");
    expect(cache.bytes).toBe(0);
  });

  it("tries again after a failure", async () => {
    const cache = new BlockCache<string>(100);
    const load = vi
      .fn()
      .mockRejectedValueOnce(new Error("404"))
      .mockResolvedValueOnce({ value: "ok", bytes: 1 });
    await expect(cache.get("k", load, live())).rejects.toThrow("404");
    expect(await cache.get("k", load, live())).toBe("ok");
  });

  it("aborts a load when the last one gives up, not before", async () => {
    const cache = new BlockCache<string>(100);
    let signal!: AbortSignal;
    let finish!: (result: { value: string; bytes: number }) => void;
    const load = (s: AbortSignal) => {
      signal = s;
      return new Promise<{ value: string; bytes: number }>((resolve) => {
        finish = resolve;
      });
    };
    const first = new AbortController();
    const second = new AbortController();
    const one = cache.get("k", load, first.signal);
    const two = cache.get("k", load, second.signal);
    first.abort(new Error("first"));
    await expect(one).rejects.toThrow("first");
    expect(signal.aborted).toBe(false);
    second.abort(new Error("second"));
    await expect(two).rejects.toThrow("second");
    expect(signal.aborted).toBe(true);
    finish({ value: "late", bytes: 1 });
    await Promise.resolve();
    expect(cache.bytes).toBe(0);
  });
});
