import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import { afterEach, describe, expect, it } from "vitest";
import { ADD_EDITS, type AddEdits, type TriedEdit } from "../../../../layers/mito/edits_protocol.js";
import type { MitoState } from "../../../../layers/mito/frontend.js";
import { EditSession } from "../../../../layers/proofreading/session.js";
import type { Conflict, Operation } from "../../../../src/proofreading/types.js";
import type { EditStore } from "../../../../workers/edit_store.js";

/** Storage of one browser, for several sessions. */
class Disk {
  readonly stored = new Map<string, Operation>();
  readonly listeners = new Map<EditStore, (operations: readonly Operation[]) => void>();
  full = false;
  appends = 0;

  open(): EditStore {
    const store: EditStore = {
      append: async (operations) => {
        ++this.appends;
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (this.full) throw new Error("the browser's storage is full");
        for (const operation of operations) this.stored.set(operation.id, operation);
        for (const [other, listener] of this.listeners) if (other !== store) listener(operations);
      },
      readAll: async () => ({ operations: [...this.stored.values()], damage: [] }),
      subscribe: (listener) => {
        this.listeners.set(store, listener);
        return () => this.listeners.delete(store);
      },
      close: () => this.listeners.delete(store),
    };
    return store;
  }
}

/** The chunk worker, as far as a session knows it. */
class FakeMito {
  readonly innerUrl = "zarr://em";
  readonly geometry = { scale: 1 };
  readonly model = { digest: "abc" };
  readonly settings = { value: { threshold: 0.5, connectivity: 26, minimumVoxels: 100 } };
  readonly sourcesChanged = new NullarySignal();
  readonly sent: Operation[] = [];
  conflicts: Conflict[] = [];
  readonly sources = new Set([
    {
      rpcId: 7,
      rpc: {
        invoke: (name: string, { operations }: AddEdits) => {
          if (name === ADD_EDITS) this.sent.push(...operations);
        },
        promiseInvoke: async (): Promise<TriedEdit> => ({ conflicts: this.conflicts, objects: [] }),
      },
    },
  ]);
}

const sessions: EditSession[] = [];
function open(disk: Disk, mito: FakeMito, author = "ana", fails = false): EditSession {
  const session = new EditSession(mito as unknown as MitoState, {
    author: () => author,
    openStore: async () => {
      if (fails) throw new Error("edits cannot be kept in this browser");
      return disk.open();
    },
  });
  sessions.push(session);
  return session;
}
const accept = { kind: "verdict", anchor: [1, 2, 3], verdict: "accept" } as const;
const remove = { kind: "delete", anchor: [4, 5, 6] } as const;

describe("EditSession", () => {
  afterEach(() => {
    for (const session of sessions.splice(0)) session.dispose();
  });

  it("stores one operation after the other, and finds them all again", async () => {
    const disk = new Disk();
    const mito = new FakeMito();
    const session = open(disk, mito);
    const outcomes = await Promise.all([session.perform(accept), session.perform(remove), session.undo()]);
    expect(outcomes.every((outcome) => "done" in outcome)).toBe(true);
    const kinds = (operations: Iterable<Operation>) => Array.from(operations, ({ kind }) => kind);
    expect(kinds(session.log.operations)).toEqual(["verdict", "delete", "undo"]);
    expect(kinds(mito.sent)).toEqual(["verdict", "delete", "undo"]);
    expect(disk.stored.size).toBe(3);
    const [first, second] = session.log.operations;
    expect(first).toMatchObject({
      author: "ana",
      model: "abc",
      volume: { url: "zarr://em", scale: 1 },
      after: [],
    });
    expect(second.after).toEqual([first.id]);

    const later = new FakeMito();
    const again = open(disk, later);
    await again.ready;
    expect(again.log.operations).toEqual(session.log.operations);
    expect(later.sent).toHaveLength(3);
    expect(again.undoTargets).toEqual({ undo: first.id, redo: second.id });
    // The layer gets another source in the chunk worker, which knows of nothing.
    later.sent.length = 0;
    later.sourcesChanged.dispatch();
    expect(later.sent).toHaveLength(3);
  });

  it("keeps what would have no effect out of the log, but not what is only worth a note", async () => {
    const disk = new Disk();
    const mito = new FakeMito();
    const session = open(disk, mito);
    const conflict = { operation: "x", message: "no object at 1,2,3", anchors: [] };
    mito.conflicts = [{ ...conflict, reason: "no-object" }];
    expect(await session.perform(accept)).toEqual({ refused: "no object at 1,2,3" });
    expect([session.log.size, disk.stored.size, mito.sent.length]).toEqual([0, 0, 0]);
    mito.conflicts = [{ ...conflict, reason: "verdicts-differ" }];
    expect(
      await session.perform({
        kind: "merge",
        anchors: [
          [1, 2, 3],
          [4, 5, 6],
        ],
      }),
    ).toHaveProperty("done");
    expect(disk.stored.size).toBe(1);
    expect(await session.redo()).toEqual({ refused: "There is nothing to redo." });
  });

  it("goes on when the disk is full, says so, and stores what is missing with the next operation", async () => {
    const disk = new Disk();
    const session = open(disk, new FakeMito());
    await session.perform(accept);
    disk.full = true;
    expect(await session.perform(remove)).toHaveProperty("done");
    expect(session.problem).toMatch(/full/);
    expect([session.unstoredCount, session.log.size, disk.stored.size]).toEqual([1, 2, 1]);
    disk.full = false;
    await session.undo();
    expect(session.problem).toBeUndefined();
    expect([session.unstoredCount, disk.stored.size]).toEqual([0, 3]);
  });

  it("works, and says so, where the browser keeps nothing", async () => {
    const session = open(new Disk(), new FakeMito(), "ana", true);
    await session.ready;
    expect(session.problem).toMatch(/cannot be kept/);
    await session.perform(accept);
    expect([session.log.size, session.unstoredCount]).toEqual([1, 1]);
    expect(session.problem).toMatch(/cannot be kept/);
  });

  it("hears of other tabs, whose author undoes only what is his", async () => {
    const disk = new Disk();
    const [a, b] = [open(disk, new FakeMito()), open(disk, new FakeMito(), "ben")];
    await a.perform(accept);
    expect(b.log.size).toBe(1);
    expect(await b.undo()).toEqual({ refused: "There is nothing to undo." });
    await Promise.all([b.perform(remove), a.perform({ ...accept, verdict: "unsure" })]);
    expect(a.log.operations).toEqual(b.log.operations);
    expect(a.log.size).toBe(3);
    const imported = await b.import(a.log.operations);
    expect(imported).toBe(0);
  });
});
