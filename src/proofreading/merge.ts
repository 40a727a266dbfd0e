import { kindOf } from "./json_lines.js";
import { type Clash, compareOperations, EditLog } from "./log.js";
import type { KnownOperation, Operation } from "./types.js";

/** Two people did, without knowing of each other, what does not go together. */
export interface Disagreement {
  /** The earlier of the two. */
  readonly first: KnownOperation;
  readonly second: KnownOperation;
  /** One sentence for people. */
  readonly message: string;
}

export interface MergedLogs {
  readonly log: EditLog;
  readonly clashes: readonly Clash[];
}

/**
 * The union of logs by id, in the order of a log. The operations that come out are the same in whatever order and however often logs are
 * merged: a union of sets, and of two lines with one id the one that sorts first.
 */
export function mergeLogs(...logs: readonly Iterable<Operation>[]): MergedLogs {
  const log = new EditLog();
  const clashes = logs.flatMap((operations) => [...log.add(operations).clashes]);
  return { log, clashes };
}

/**
 * What contradicts what: operations of different authors on the same object, neither of whom had seen the other's. A function of the log
 * alone, so that it is the same whoever merges; an operation made after both settles nothing by itself, but the pair is no longer open when
 * one of the two is taken back.
 * @param holds whether an operation is in effect. @param subjects ids of the objects that an operation was about, from a replay
 * (`Replay.subjects`); without one, operations are on the same object when they share an anchor.
 */
export function disagreements(
  log: EditLog,
  holds: (id: string) => boolean,
  subjects: (operation: KnownOperation) => Iterable<number | string> = anchorsOf,
): Disagreement[] {
  const found: Disagreement[] = [];
  const bySubject = new Map<number | string, KnownOperation[]>();
  const seen = new Set<string>();
  for (const second of log.operations) {
    if (second.kind === "not understood" || second.kind === "undo" || second.kind === "redo") continue;
    if (!holds(second.id)) continue;
    for (const subject of subjects(second)) {
      const others = bySubject.get(subject) ?? [];
      bySubject.set(subject, others);
      for (const first of others) {
        const pair = `${first.id} ${second.id}`;
        if (first.author === second.author || seen.has(pair)) continue;
        seen.add(pair);
        const message = contradiction(first, second);
        if (message !== undefined && !isBefore(log, first, second)) found.push({ first, second, message });
      }
      others.push(second);
    }
  }
  return found;
}

const SHAPE = new Set(["merge", "split", "separate", "fill_holes", "smooth", "grow", "shrink"]);
const CUT = new Set(["split", "separate"]);

function contradiction(a: KnownOperation, b: KnownOperation): string | undefined {
  const names = (first: string, second: string) => `${a.author} ${first}, ${b.author} ${second}`;
  if (a.kind === "verdict" && b.kind === "verdict")
    return a.verdict === b.verdict ? undefined : names(`says ${a.verdict}`, `says ${b.verdict}`);
  const either = (test: (x: KnownOperation, y: KnownOperation) => boolean) => test(a, b) || test(b, a);
  const does = names(`does ${kindOf(a)}`, `does ${kindOf(b)}`);
  if (either((x, y) => x.kind === "merge" && CUT.has(y.kind))) return does;
  if (either((x, y) => x.kind === "delete" && (SHAPE.has(y.kind) || y.kind === "restore"))) return does;
  if (
    either(
      (x, y) => x.kind === "verdict" && x.verdict === "accept" && (SHAPE.has(y.kind) || y.kind === "delete"),
    )
  )
    return a.kind === "verdict"
      ? names("accepts", `does ${kindOf(b)}`)
      : names(`does ${kindOf(a)}`, "accepts");
  return undefined;
}

/** Whether the author of `second` had seen `first`: it is reached by going back along `after`. */
function isBefore(log: EditLog, first: Operation, second: Operation): boolean {
  const stack = [...second.after];
  const visited = new Set<string>();
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (id === first.id) return true;
    const operation = log.get(id);
    if (visited.has(id) || operation === undefined || compareOperations(operation, first) < 0) continue;
    visited.add(id);
    stack.push(...operation.after);
  }
  return false;
}

function anchorsOf(operation: KnownOperation): string[] {
  switch (operation.kind) {
    case "merge":
      return operation.anchors.map(String);
    case "split":
      return operation.parts.flat().map(String);
    case "add":
      return [String(operation.seed)];
    case "undo":
    case "redo":
      return [];
    default:
      return [String(operation.anchor)];
  }
}
