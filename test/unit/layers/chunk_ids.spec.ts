import { describe, expect, it } from "vitest";
import { ChunkIds, type Mapping } from "../../../layers/mito/chunk_ids.js";

const turns = (count = 5) =>
  Array.from({ length: count }).reduce<Promise<unknown>>(
    (before) => before.then(() => new Promise((resolve) => setTimeout(resolve, 0))),
    Promise.resolve(),
  );
const mapping = (ids: number[], version = 1): Mapping => ({ ids: Float64Array.of(0, ...ids), version });

/** Chunks whose data is written when the test says so. */
function makeHost(finished: string[]) {
  const wanted = new Map<string, Mapping>();
  const coming = new Set<string>();
  const screen = new Map<string, number[]>();
  const waiting: { key: string; finish(possible?: boolean): void }[] = [];
  const ids = new ChunkIds({
    finished: () => finished,
    isComing: (key) => coming.has(key),
    wanted: (key) => wanted.get(key),
    write: (key, { ids }) =>
      new Promise((resolve) => {
        waiting.push({
          key,
          finish: (possible = true) =>
            resolve(possible ? () => void screen.set(key, [...ids.subarray(1)]) : undefined),
        });
      }),
  });
  return {
    ids,
    wanted,
    coming,
    screen,
    waiting,
    async drain() {
      for (let idle = 0; idle < 5; idle++) {
        await turns();
        if (waiting.length > 0) idle = 0;
        for (const { finish } of waiting.splice(0)) finish();
      }
    },
  };
}

describe("ChunkIds", () => {
  it("writes outdated chunks anew, the most wanted first and a few at once, bridged by links", async () => {
    const keys = Array.from({ length: 12 }, (_, i) => `${i}`);
    const { ids, wanted, waiting, screen, drain } = makeHost(keys);
    for (const key of keys) {
      wanted.set(key, mapping([100 + Number(key), 7]));
      ids.arrived(key, wanted.get(key)!);
    }
    expect(ids.update(() => false)).toBeUndefined();
    for (const key of keys) wanted.set(key, mapping([5, 7]));
    ids.outdate(keys.toReversed());
    const change = ids.update(() => false);
    expect(change?.linked.length).toBe(24);
    await turns();
    expect(waiting.map(({ key }) => key)).toEqual(["0", "1"]);
    await drain();
    expect([...screen.keys()]).toEqual(keys);
    expect(screen.get("11")).toEqual([5, 7]);
    expect(ids.update(() => false)?.unlinked.length).toBe(12);
    expect([ids.linkCount, ids.outdatedCount, ids.rewritten]).toEqual([0, 0, 12]);
  });

  it("writes a chunk that changed while it was made or written once more", async () => {
    const { ids, wanted, waiting, screen, drain, coming } = makeHost(["a"]);
    wanted.set("a", mapping([3]));
    coming.add("a");
    // It comes with ids of before.
    ids.arrived("a", mapping([9]));
    ids.update(() => false);
    await turns();
    expect(waiting.length).toBe(1);
    wanted.set("a", mapping([2]));
    ids.outdate(["a"]);
    await drain();
    expect(screen.get("a")).toEqual([2]);
    expect(ids.outdatedCount).toBe(0);
  });

  it("does not put older data in the place of newer", async () => {
    const { ids, wanted, waiting, screen } = makeHost(["a"]);
    wanted.set("a", mapping([1]));
    ids.arrived("a", mapping([9]));
    ids.update(() => false);
    await turns();
    const [slow] = waiting.splice(0);
    const write = ids.begin("a");
    expect(ids.replaced("a", write, mapping([1]))).toBe(true);
    slow.finish();
    await turns();
    expect(screen.has("a")).toBe(false);
  });

  it("takes equal ids of other labels for outdated, and links nothing for them", async () => {
    const { ids, wanted, screen, drain } = makeHost(["a"]);
    ids.arrived("a", mapping([4, 5], 1));
    wanted.set("a", mapping([4, 5], 2));
    ids.outdate(["a"]);
    expect(ids.update(() => false)).toBeUndefined();
    await drain();
    expect(screen.has("a")).toBe(true);
    ids.arrived("a", mapping([4, 6], 1));
    expect(ids.update(() => false)).toBeUndefined();
  });

  it("forgets chunks that Neuroglancer dropped, and goes on when one cannot be written", async () => {
    const finished = ["a", "b"];
    const { ids, wanted, waiting } = makeHost(finished);
    for (const key of finished) ids.arrived(key, mapping([9]));
    for (const key of finished) wanted.set(key, mapping([1]));
    ids.outdate(["a", "b", "elsewhere"]);
    finished.shift();
    ids.update(() => false);
    expect(ids.outdatedCount).toBe(1);
    await turns();
    for (const { finish } of waiting.splice(0)) finish(false);
    await turns();
    expect([ids.outdatedCount, ids.rewritten]).toEqual([0, 0]);
    ids.dispose();
  });
});
