import { describe, expect, it } from "vitest";
import { effectOf, undoTargets } from "../../../src/proofreading/effective.js";
import {
  formatLog,
  formatOperation,
  parseLog,
  parseOperation,
  readLog,
} from "../../../src/proofreading/json_lines.js";
import type { EditLog } from "../../../src/proofreading/log.js";
import { disagreements, mergeLogs } from "../../../src/proofreading/merge.js";
import { FIRST_MADE_ID, madeObjectId, newOperationId } from "../../../src/proofreading/operation_id.js";
import { EditLogError } from "../../../src/proofreading/types.js";
import { Scribe } from "./scene.js";

const MERGE = {
  kind: "merge",
  anchors: [
    [1, 2, 3],
    [4, 5, 6],
  ],
} as const;
const line = (change: Record<string, unknown> = {}) => {
  const record = JSON.parse(formatOperation(new Scribe().write(MERGE)));
  return JSON.stringify({ ...record, ...change });
};

describe("ids", () => {
  it("sort by time and differ by their random part", () => {
    const random = (byte: number) => new Uint8Array(10).fill(byte);
    expect(newOperationId(1, random(255)) < newOperationId(2, random(0))).toBe(true);
    expect(newOperationId(1, random(0))).not.toBe(newOperationId(1, random(1)));
    // The example of the specification of ULIDs: 1469918176385 is 01ARYZ6S41.
    expect(newOperationId(1469918176385, random(0)).slice(0, 10)).toBe("01ARYZ6S41");
    expect(() => newOperationId(1, new Uint8Array(3))).toThrow(RangeError);
  });

  it("of made objects are above all predicted ones, below 2^53, and do not meet", () => {
    const ids = new Set<number>();
    for (let i = 0; i < 50_000; ++i) ids.add(madeObjectId(`01ARYZ6S41${i}`, i % 7));
    expect(ids.size).toBe(50_000);
    expect([...ids].every((id) => Number.isSafeInteger(id) && id >= FIRST_MADE_ID)).toBe(true);
  });
});

describe("EditLog", () => {
  it("makes each operation later than all it knows, also when clocks differ", () => {
    const ana = new Scribe("ana");
    const ben = new Scribe("ben");
    const first = ana.write(MERGE, 5_000_000);
    ben.log.add([first]);
    const second = ben.write(MERGE, 1_000);
    expect(second.time).toBe(5_000_001);
    expect(second.after).toEqual([first.id]);
  });

  it("knows the heads of merged logs", () => {
    const [ana, ben] = [new Scribe("ana"), new Scribe("ben")];
    const a = [ana.write(MERGE), ana.write(MERGE)];
    const b = [ben.write(MERGE)];
    ana.log.add(b);
    expect(ana.write(MERGE).after).toEqual([a[1].id, b[0].id].sort());
  });
});

describe("undo and redo as entries", () => {
  it("are decided by the last one that holds", () => {
    const scribe = new Scribe();
    const merge = scribe.write(MERGE);
    const holds = () => effectOf(scribe.log.operations).holds.has(merge.id);
    const undo = scribe.write({ kind: "undo", target: merge.id });
    expect(holds()).toBe(false);
    const redo = scribe.write({ kind: "redo", target: merge.id });
    expect(holds()).toBe(true);
    scribe.write({ kind: "undo", target: redo.id });
    expect(holds()).toBe(false);
    scribe.write({ kind: "undo", target: undo.id });
    expect(holds()).toBe(true);
  });

  it("name what Ctrl-Z and Ctrl-Y take next, for each author alone", () => {
    const scribe = new Scribe("ana");
    const [a, b] = [scribe.write(MERGE), scribe.write(MERGE)];
    const other = new Scribe("ben");
    other.log.add(scribe.log.operations);
    scribe.log.add([other.write(MERGE)]);
    const targets = () => undoTargets(scribe.log.operations, "ana");
    expect(targets()).toEqual({ undo: b.id, redo: undefined });
    scribe.write({ kind: "undo", target: b.id });
    scribe.write({ kind: "undo", target: a.id });
    expect(targets()).toEqual({ undo: undefined, redo: a.id });
    scribe.write({ kind: "redo", target: a.id });
    expect(targets()).toEqual({ undo: a.id, redo: b.id });
    const c = scribe.write(MERGE);
    expect(targets()).toEqual({ undo: c.id, redo: undefined });
  });
});

describe("a damaged or hostile log", () => {
  it.each([
    ["no JSON", "{", "log:2: is not JSON"],
    ["another kind of file", "id,voxels", "log:2: is not JSON"],
    ["a number", "5", "log:2: "],
    ["no anchors", line({ anchors: [[1, 2, 3]] }), "log:2: anchors"],
    [
      "a voxel of fractions",
      line({
        anchors: [
          [1, 2, 3],
          [4, 5, 0.5],
        ],
      }),
      "log:2: anchors.1.2",
    ],
    [
      "a far voxel",
      line({
        anchors: [
          [1, 2, 3],
          [4, 5, 1e15],
        ],
      }),
      "log:2: anchors.1.2",
    ],
    ["a time after all times", line({ time: 1e300 }), "log:2: time"],
    ["an id that is a path", line({ id: "../../x" }), "log:2: id"],
    ["no kind", line({ kind: undefined }), "log:2: kind"],
    [
      "a prototype",
      line().replace('"kind"', '"__proto__":{"x":1},"kind"'),
      "log:2: __proto__: forbidden key",
    ],
    [
      "an empty box",
      line({
        kind: "separate",
        anchors: undefined,
        anchor: [0, 0, 0],
        within: { lower: [0, 0, 0], upper: [0, 1, 1] },
      }),
      "log:2: within",
    ],
    ["deep nesting", line({ x: JSON.parse(`${"[".repeat(100)}${"]".repeat(100)}`) }), "log:2: x"],
    ["an endless line", line({ author: "x".repeat(5_000_000) }), "log:2: is longer"],
  ])("%s is named with file and line", (_what, bad, message) => {
    const file = `${line()}\n${bad}\n${line({ id: "another" })}\n`;
    expect(() => parseLog(file, "log")).toThrow(EditLogError);
    expect(() => parseLog(file, "log")).toThrow(message);
    const read = readLog(file, "log");
    expect(read.operations).toHaveLength(2);
    expect(read.damage).toHaveLength(1);
    expect(read.truncated).toBe(false);
  });

  it("is read with empty lines, Windows' line ends and a mark of byte order", () => {
    expect(parseLog(`\ufeff${line()}\r\n\r\n`, "log").operations).toHaveLength(1);
  });

  it("keeps a newer version's kinds and parameters word for word", () => {
    for (const newer of [line({ kind: "fold", how: { deep: [1, "ä"] } }), line({ strength: 2 })]) {
      const operation = parseOperation(newer, "log:1");
      expect(operation.kind).toBe("not understood");
      const written = formatLog([operation]);
      expect(JSON.parse(written)).toEqual(JSON.parse(newer));
      expect(parseLog(written, "log").operations).toEqual([operation]);
    }
  });
});

describe("disagreements", () => {
  const both = (a: Parameters<Scribe["write"]>[0], b: Parameters<Scribe["write"]>[0], knows = false) => {
    const [ana, ben] = [new Scribe("ana"), new Scribe("ben", 2_000)];
    const first = ana.write(a);
    if (knows) ben.log.add([first]);
    const second = ben.write(b);
    const list = (...logs: EditLog[]) => {
      const { log } = mergeLogs(...logs.map(({ operations }) => operations));
      return disagreements(log, (id) => effectOf(log.operations).holds.has(id));
    };
    const found = list(ana.log, ben.log);
    expect(list(ben.log, ana.log)).toEqual(found);
    return { found, first, second };
  };
  const anchor = [1, 2, 3] as const;

  it("are different verdicts, shown with both sides", () => {
    const { found, first, second } = both(
      { kind: "verdict", anchor, verdict: "accept" },
      { kind: "verdict", anchor, verdict: "reject" },
    );
    expect(found).toEqual([{ first, second, message: "ana says accept, ben says reject" }]);
  });

  it("are a merge and a split, a delete and a change, an accept and a change", () => {
    const split = { kind: "split", parts: [[anchor], [[4, 5, 6]]], landscape: "probability" } as const;
    expect(both(MERGE, split).found).toHaveLength(1);
    expect(both({ kind: "delete", anchor }, split).found).toHaveLength(1);
    expect(both(split, { kind: "verdict", anchor, verdict: "accept" }).found[0].message).toBe(
      "ana does split, ben accepts",
    );
  });

  it("are not the same verdicts, tags, and what was done knowing of the other", () => {
    const accept = { kind: "verdict", anchor, verdict: "accept" } as const;
    expect(both(accept, accept).found).toEqual([]);
    expect(both(accept, { kind: "tag", anchor, tag: "x" }).found).toEqual([]);
    expect(both(accept, { kind: "verdict", anchor, verdict: "reject" }, true).found).toEqual([]);
  });
});
