import { describe, expect, it, vi } from "vitest";
import { ProbabilityStore, type ProbabilityStoreOptions } from "../../../workers/probability_store.js";
import type { PersistentState } from "../../../workers/store/persistent.js";
import { FakeBacking } from "./fake_backing.js";

const VOXELS = 4096;

/** Bytes that hardly compress, different for each seed. */
function chunk(seed: number, length = VOXELS): Uint8Array {
  let state = seed * 2654435761 + 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

function open(options: ProbabilityStoreOptions = {}, disk = new FakeBacking()) {
  const states: PersistentState[] = [];
  const store = new ProbabilityStore({
    open: async () => disk,
    onState: (state) => states.push(state),
    ...options,
  });
  return { store, disk, states };
}

/** A store without memory, so that every read goes to the disk. */
const diskOnly = { memoryBytes: 0 };
const never = () => Promise.reject(new Error("must not be computed"));

describe("ProbabilityStore", () => {
  it("gives back what was put, from memory and, in the next session, from disk", async () => {
    const { store, disk, states } = open();
    store.put("a", chunk(1));
    expect(await store.get("a", VOXELS)).toEqual({ probability: chunk(1), origin: "memory" });
    expect(await store.get("b", VOXELS)).toBeUndefined();
    await store.flush();
    const next = open({}, disk).store;
    expect(await next.has("a")).toBe(true);
    expect(await next.has("b")).toBe(false);
    expect(await next.getOrCompute("a", VOXELS, never)).toEqual({ probability: chunk(1), origin: "disk" });
    expect((await next.get("a", VOXELS))?.origin).toBe("memory");
    expect(next.stats()).toMatchObject({
      computed: 0,
      disk: { hits: 1, state: "opfs" },
      memory: { hits: 1 },
    });
    expect(states).toEqual([{ state: "opfs" }]);
  });

  it("hands out copies: a transferred result does not take the stored one along", async () => {
    const { store } = open();
    const own = chunk(1);
    store.put("a", own);
    own.fill(0);
    const first = (await store.get("a", VOXELS))!.probability;
    structuredClone(first, { transfer: [first.buffer] });
    expect(first.length).toBe(0);
    expect((await store.get("a", VOXELS))?.probability).toEqual(chunk(1));
  });

  it("computes once for all who ask meanwhile, and answers before the disk is written", async () => {
    const { store, disk } = open();
    let release = () => {};
    await store.get("warm", VOXELS);
    const compute = vi.fn(async () => {
      disk.delay = new Promise((resolve) => {
        release = resolve;
      });
      return chunk(2);
    });
    const asked = [1, 2, 3].map(() => store.getOrCompute("a", VOXELS, compute));
    const results = await Promise.all(asked);
    expect(compute).toHaveBeenCalledTimes(1);
    expect(results.map(({ origin }) => origin)).toEqual(["computed", "memory", "memory"]);
    for (const { probability } of results) expect(probability).toEqual(chunk(2));
    expect(new Set(results.map(({ probability }) => probability.buffer)).size).toBe(3);
    expect(disk.files.size).toBe(0);
    release();
    await store.flush();
    expect(disk.files.size).toBe(1);
    expect(store.stats()).toMatchObject({ computed: 1, running: 0 });
  });

  it("answers from the queue what is not written yet", async () => {
    const disk = new FakeBacking();
    const { store } = open(diskOnly, disk);
    let release = () => {};
    disk.delay = new Promise((resolve) => {
      release = resolve;
    });
    store.put("a", chunk(1));
    expect((await store.get("a", VOXELS))?.probability).toEqual(chunk(1));
    release();
    await store.flush();
    expect(disk.calls.read).toBe(0);
  });

  it("aborts work when the last caller has left, and starts anew after that", async () => {
    const { store } = open();
    const signals: AbortSignal[] = [];
    const compute = (signal: AbortSignal) => {
      signals.push(signal);
      return new Promise<Uint8Array>((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        if (signals.length === 2) resolve(chunk(3));
      });
    };
    const controllers = [new AbortController(), new AbortController()];
    const asked = controllers.map(({ signal }) => store.getOrCompute("a", VOXELS, compute, signal));
    await vi.waitFor(() => expect(signals).toHaveLength(1));
    controllers[0].abort();
    await expect(asked[0]).rejects.toThrow(/abort/i);
    expect(signals[0].aborted).toBe(false);
    controllers[1].abort();
    await expect(asked[1]).rejects.toThrow(/abort/i);
    const anew = store.getOrCompute("a", VOXELS, compute);
    expect(signals[0].aborted).toBe(true);
    expect((await anew).probability).toEqual(chunk(3));
    expect(signals[1].aborted).toBe(false);
    await expect(store.getOrCompute("b", VOXELS, compute, AbortSignal.abort())).rejects.toThrow(/abort/i);
    expect(signals).toHaveLength(2);
  });

  it("passes on what the forward pass throws, keeps nothing of it, and tries again", async () => {
    const { store } = open();
    const failing = store.getOrCompute("a", VOXELS, () => Promise.reject(new Error("device lost")));
    await expect(failing).rejects.toThrow("device lost");
    await expect(store.getOrCompute("a", VOXELS, async () => chunk(1, 7))).rejects.toThrow("7 voxels");
    expect(await store.get("a", VOXELS)).toBeUndefined();
    expect((await store.getOrCompute("a", VOXELS, async () => chunk(1))).origin).toBe("computed");
  });

  it("keeps the memory bounded: the least recently used goes first", async () => {
    const { store } = open({ memoryBytes: 3 * VOXELS, diskBytes: 0 });
    for (const key of ["a", "b", "c"]) store.put(key, chunk(1));
    await store.get("a", VOXELS);
    store.put("d", chunk(1));
    await store.flush();
    expect(await Promise.all(["a", "b", "c", "d"].map((key) => store.has(key)))).toEqual([
      true,
      false,
      true,
      true,
    ]);
    store.put("huge", chunk(1, 4 * VOXELS));
    await store.flush();
    expect(await store.has("huge")).toBe(false);
    expect(store.stats().memory).toMatchObject({ entries: 3, bytes: 3 * VOXELS });
  });

  it("keeps the disk bounded: the least recently used goes first, also before the session", async () => {
    const disk = new FakeBacking();
    const before = open(diskOnly, disk).store;
    for (let i = 0; i < 20; ++i) before.put(`old${i}`, chunk(i));
    await before.flush();
    const now = vi.spyOn(Date, "now").mockImplementation(() => ++disk.clock);
    try {
      const { store } = open({ ...diskOnly, diskBytes: 10 * VOXELS }, disk);
      await store.get("old3", VOXELS);
      store.put("new", chunk(99));
      await store.flush();
      expect(disk.bytes).toBeLessThanOrEqual(10 * VOXELS);
      expect(disk.files.has("new")).toBe(true);
      expect(disk.files.has("old3")).toBe(true);
      expect(disk.files.has("old19")).toBe(true);
      expect(disk.files.has("old4")).toBe(false);
      for (let i = 0; i < 50; ++i) store.put(`next${i}`, chunk(i));
      await store.flush();
      expect(disk.bytes).toBeLessThanOrEqual(10 * VOXELS);
      expect(store.stats().disk.bytes).toBe(disk.bytes);
    } finally {
      now.mockRestore();
    }
  });

  it("writes an entry anew when it is used long after it was written", async () => {
    const { store, disk } = open(diskOnly);
    store.put("a", chunk(1));
    await store.flush();
    await store.get("a", VOXELS);
    await store.flush();
    // The fake clock starts at 1970, so the entry is old.
    expect(disk.calls.write).toBe(2);
    disk.files.get("a")!.time = Date.now();
    await store.get("a", VOXELS);
    await store.flush();
    expect(disk.calls.write).toBe(2);
  });

  it("compresses, and treats damaged, torn, foreign or wrong-sized entries as missing and removes them", async () => {
    const { store, disk } = open(diskOnly);
    const smooth = new Uint8Array(VOXELS).fill(3, 1000, 2000);
    store.put("a", smooth);
    await store.flush();
    const { bytes } = disk.files.get("a")!;
    expect(bytes.length).toBeLessThan(100);
    const altered = (at: number) => bytes.map((byte, i) => (i === at ? byte ^ 4 : byte));
    const time = Date.now();
    const damages = [bytes.slice(0, -1), bytes.slice(0, 9), new Uint8Array(0), ...bytes.keys()].map(
      (damage) => (typeof damage === "number" ? altered(damage) : damage),
    );
    let damaged = 0;
    for (const damage of damages) {
      disk.files.set("a", { bytes: damage, time });
      const found = await store.get("a", VOXELS);
      // A few bits mean nothing (the gzip header's time and system): the voxels are whole then.
      if (found !== undefined) expect(found.probability).toEqual(smooth);
      else expect([++damaged, disk.files.has("a")]).toEqual([damaged, false]);
    }
    expect(damaged).toBeGreaterThan(damages.length - 10);
    expect(store.stats().disk).toMatchObject({ damaged, state: "opfs" });
    disk.files.set("other", { bytes, time });
    expect(await store.get("other", VOXELS)).toBeUndefined();
    disk.files.set("a", { bytes, time });
    expect(await store.get("a", VOXELS - 1)).toBeUndefined();
    expect(disk.files.size).toBe(0);
  });

  it("does not unpack more than it was asked for", async () => {
    const { store, disk } = open(diskOnly);
    store.put("a", new Uint8Array(2 ** 24));
    await store.flush();
    const { bytes } = disk.files.get("a")!;
    // The header claims VOXELS, the gzip body holds 16 MiB.
    new DataView(bytes.buffer).setUint32(4, VOXELS, true);
    expect(await store.get("a", VOXELS)).toBeUndefined();
    expect(store.stats().disk.damaged).toBe(1);
  });

  it("makes room when the browser grants less, and goes on in memory when there is none", async () => {
    const { store, disk, states } = open();
    disk.quota = 5 * VOXELS;
    for (let i = 0; i < 10; ++i) {
      store.put(`k${i}`, chunk(i));
      await store.flush();
    }
    expect(disk.files.has("k9")).toBe(true);
    expect(states).toEqual([{ state: "opfs" }]);
    disk.quota = 0;
    for (let i = 10; i < 14; ++i) {
      store.put(`k${i}`, chunk(i));
      await store.flush();
    }
    expect(states.map(({ state }) => state)).toEqual(["opfs", "read only"]);
    expect(states[1].reason).toContain("no more room");
    expect((await store.get("k12", VOXELS))?.origin).toBe("memory");
    await store.clear();
    expect(disk.files.size).toBe(0);
    expect(await store.has("k12")).toBe(false);
    expect(states.at(-1)).toEqual({ state: "opfs" });
  });

  it("works in memory when storage is denied, and says so once", async () => {
    const { store, states } = open({ open: () => Promise.reject(new Error("denied by the user")) });
    for (const key of ["a", "b"]) {
      expect((await store.getOrCompute(key, VOXELS, async () => chunk(1))).origin).toBe("computed");
      expect((await store.get(key, VOXELS))?.origin).toBe("memory");
    }
    await store.flush();
    await store.clear();
    expect(states).toEqual([{ state: "off", reason: "results are not kept on disk: denied by the user" }]);
  });

  it("gives up a disk that keeps failing, and says so once", async () => {
    const { store, disk, states } = open(diskOnly);
    store.put("a", chunk(1));
    await store.flush();
    disk.failure = new Error("input/output error");
    for (let i = 0; i < 6; ++i) {
      expect((await store.getOrCompute("a", VOXELS, async () => chunk(1))).origin).toBe("computed");
      await store.flush();
    }
    expect(states.map(({ state }) => state)).toEqual(["opfs", "off"]);
    expect(states[1].reason).toContain("input/output error");
    expect(store.stats().disk.failures).toBe(3);
  });

  it("does not wait for a disk that hangs", async () => {
    const { store, disk, states } = open({ ...diskOnly, patience: 20 });
    await store.get("warm", VOXELS);
    disk.delay = new Promise(() => {});
    for (let i = 0; i < 4; ++i) {
      expect((await store.getOrCompute(`k${i}`, VOXELS, async () => chunk(i))).origin).toBe("computed");
    }
    expect(states.at(-1)).toMatchObject({ state: "off" });
    const stuck = open({ patience: 20, open: () => new Promise(() => {}) }).store;
    expect((await stuck.getOrCompute("a", VOXELS, async () => chunk(1))).origin).toBe("computed");
  });

  it("does not queue without bound", async () => {
    const { store, disk } = open({ queueBytes: 3 * VOXELS });
    let release = () => {};
    disk.delay = new Promise((resolve) => {
      release = resolve;
    });
    for (let i = 0; i < 10; ++i) store.put(`k${i}`, chunk(i));
    expect(store.stats().disk).toMatchObject({ queued: 3, dropped: 7 });
    release();
    await store.flush();
    expect(store.stats().disk).toMatchObject({ queued: 0, written: 3, state: "opfs" });
    expect(disk.files.size).toBe(3);
  });

  it("shares the disk with another tab", async () => {
    const disk = new FakeBacking();
    const tabs = [
      open({ ...diskOnly, diskBytes: 6 * VOXELS }, disk),
      open({ ...diskOnly, diskBytes: 6 * VOXELS }, disk),
    ];
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        const { store } = tabs[i % 2];
        const { probability } = await store.getOrCompute(`k${i % 15}`, VOXELS, async () => chunk(i % 15));
        expect(probability).toEqual(chunk(i % 15));
      }),
    );
    await Promise.all(tabs.map(({ store }) => store.flush()));
    expect(disk.bytes).toBeLessThanOrEqual(12 * VOXELS);
    expect(tabs.flatMap(({ states }) => states)).toEqual([{ state: "opfs" }, { state: "opfs" }]);
  });

  it("rejects keys that could leave the directory", async () => {
    const { store } = open();
    for (const key of ["", "../a", "a/b", "a.b", "x".repeat(201)]) {
      expect(() => store.put(key, chunk(1))).toThrow(RangeError);
      await expect(store.get(key, 1)).rejects.toThrow("cannot be a key");
    }
  });
});
