import { describe, expect, it } from "vitest";
import { ComputeQueue, UnwantedError, type Wanted } from "../../../layers/mito/compute_queue.js";

const live = () => new AbortController().signal;
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

function deferred() {
  let resolve!: () => void;
  const promise = new Promise<void>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}

class Item {
  constructor(
    readonly name: string,
    public now: Wanted | undefined,
  ) {}
  wanted() {
    return this.now;
  }
}

describe("ComputeQueue", () => {
  it("starts the most wanted, by the priorities at the time of each start", async () => {
    const queue = new ComputeQueue(() => 1);
    const gate = deferred();
    const order: string[] = [];
    const run = (item: Item) => queue.run(item, live(), async () => void order.push(item.name));
    const blocker = queue.run(new Item("first", { tier: 0, priority: 0 }), live(), () => gate.promise);
    await turn();
    const far = new Item("far", { tier: 0, priority: -500 });
    const near = new Item("near", { tier: 0, priority: -10 });
    const ahead = new Item("prefetch", { tier: 1, priority: 1000 });
    const all = [run(far), run(ahead), run(near)];
    await turn();
    // The view moves: what was far is in the middle now.
    far.now = { tier: 0, priority: -1 };
    gate.resolve();
    await Promise.all([blocker, ...all]);
    expect(order).toEqual(["far", "near", "prefetch"]);
  });

  it("drops what left the view, before its task is called", async () => {
    const queue = new ComputeQueue(() => 1);
    const gate = deferred();
    const blocker = queue.run(new Item("a", { tier: 0, priority: 0 }), live(), () => gate.promise);
    await turn();
    const gone = new Item("gone", { tier: 0, priority: 0 });
    let called = false;
    const result = queue.run(gone, live(), async () => {
      called = true;
    });
    gone.now = undefined;
    gate.resolve();
    await expect(result).rejects.toBeInstanceOf(UnwantedError);
    await blocker;
    expect(called).toBe(false);
    expect(queue.length).toBe(0);
  });

  it("stops what runs unwanted when something wanted waits, and only then", async () => {
    const queue = new ComputeQueue(() => 1);
    const item = new Item("runs", { tier: 0, priority: 0 });
    let signal!: AbortSignal;
    const running = queue.run(item, live(), (s) => {
      signal = s;
      return new Promise((_, reject) => {
        s.addEventListener("abort", () => reject(s.reason));
      });
    });
    await turn();
    item.now = undefined;
    queue.schedule();
    await turn();
    expect(signal.aborted).toBe(false);
    const next = queue.run(new Item("next", { tier: 0, priority: 0 }), live(), async () => "done");
    await expect(running).rejects.toBeInstanceOf(UnwantedError);
    expect(await next).toBe("done");
  });

  it("frees the place of a task that fails, and leaves out what is aborted while it waits", async () => {
    const queue = new ComputeQueue(() => 1);
    const wanted = { tier: 0, priority: 0 };
    const gate = deferred();
    const blocker = queue.run(new Item("a", wanted), live(), async () => {
      await gate.promise;
      throw new Error("broken");
    });
    await turn();
    const controller = new AbortController();
    const aborted = queue.run(new Item("b", wanted), controller.signal, async () => "never");
    controller.abort(new Error("evicted"));
    await expect(aborted).rejects.toThrow("evicted");
    gate.resolve();
    await expect(blocker).rejects.toThrow("broken");
    expect(await queue.run(new Item("c", wanted), live(), async () => "after")).toBe("after");
  });

  it("fills as many places as there are now", async () => {
    let places = 1;
    const queue = new ComputeQueue(() => places);
    let running = 0;
    let most = 0;
    const gate = deferred();
    const all = Array.from({ length: 4 }, (_, i) =>
      queue.run(new Item(String(i), { tier: 0, priority: i }), live(), async () => {
        most = Math.max(most, ++running);
        await gate.promise;
        running--;
      }),
    );
    await turn();
    expect(most).toBe(1);
    places = 3;
    queue.schedule();
    await turn();
    expect(most).toBe(3);
    gate.resolve();
    await Promise.all(all);
    expect(most).toBe(3);
  });
});
