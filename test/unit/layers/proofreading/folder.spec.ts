import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { canKeepFolder, keepInFolder } from "../../../../layers/proofreading/folder.js";
import type { EditSession } from "../../../../layers/proofreading/session.js";
import { formatLog, readLog } from "../../../../src/proofreading/json_lines.js";
import { EditLog } from "../../../../src/proofreading/log.js";
import type { Operation } from "../../../../src/proofreading/types.js";

const volume = { url: "em", scale: 0 };
const author = (name: string, model = "m") => ({
  author: name,
  model,
  volume,
  settings: { threshold: 0.5, connectivity: 26 as const },
});
let made = 0;
function operation(log: EditLog, by: ReturnType<typeof author>): Operation {
  const random = new Uint8Array(10).fill(++made);
  const created = log.create({ kind: "delete", anchor: [made, 0, 0] }, by, 1000 + made, random);
  log.add([created]);
  return created;
}

/** A folder as the browser gives it. */
class Folder {
  readonly files = new Map<string, string>();
  denied = false;
  async *values() {
    for (const [name, text] of this.files)
      yield {
        kind: "file",
        name,
        getFile: async () => ({ name, size: text.length, text: async () => text }),
      };
  }
  async getFileHandle(name: string) {
    return {
      createWritable: async () => {
        if (this.denied) throw new Error("permission was withdrawn");
        let text = "";
        return {
          write: async (part: string) => {
            text += part;
          },
          close: async () => void this.files.set(name, text),
        };
      },
    };
  }
}

function session() {
  const log = new EditLog();
  const changed = new NullarySignal();
  return {
    log,
    changed,
    volume,
    mito: { model: { digest: "m" } },
    problem: undefined as string | undefined,
    registerDisposer: () => {},
    import: async (operations: readonly Operation[]) => {
      const { added } = log.add(operations);
      changed.dispatch();
      return added.length;
    },
  };
}

describe("keepInFolder", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("takes up the logs of the same prediction and writes its own as it grows", async () => {
    expect(canKeepFolder()).toBe(false);
    vi.useFakeTimers();
    const folder = new Folder();
    vi.stubGlobal("showDirectoryPicker", async () => folder);
    expect(canKeepFolder()).toBe(true);
    const theirs = new EditLog();
    operation(theirs, author("ben"));
    operation(theirs, author("ben", "another model"));
    folder.files.set("edits-ben.jsonl", formatLog(theirs.operations));
    folder.files.set("broken.jsonl", "no log\n");
    folder.files.set("notes.txt", "something else");
    const own = session();
    const first = operation(own.log, author("ana"));
    expect(await keepInFolder(own as unknown as EditSession)).toMatch(/1 new operations from 1 files/);
    const written = () => readLog(folder.files.get("edits-anonymous.jsonl") ?? "", "file").operations;
    expect(written().map(({ author: name }) => name)).toEqual(expect.arrayContaining(["ana", "ben"]));
    expect(written()).toHaveLength(2);
    expect(written()).toContainEqual(first);

    operation(own.log, author("ana"));
    own.changed.dispatch();
    await vi.advanceTimersByTimeAsync(1500);
    expect(written()).toHaveLength(3);

    folder.denied = true;
    operation(own.log, author("ana"));
    own.changed.dispatch();
    await vi.advanceTimersByTimeAsync(1500);
    expect(own.problem).toMatch(/permission was withdrawn/);
    // What was written before is whole.
    expect(written()).toHaveLength(3);
  });

  it("does nothing when none is chosen", async () => {
    vi.stubGlobal("showDirectoryPicker", async () => {
      throw new DOMException("closed", "AbortError");
    });
    expect(await keepInFolder(session() as unknown as EditSession)).toBeUndefined();
  });
});
