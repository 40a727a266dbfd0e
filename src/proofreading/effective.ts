import type { Conflict, Operation } from "./types.js";

export interface Effect {
  /** Ids of operations that hold: neither taken back nor undo or redo themselves. */
  readonly holds: ReadonlySet<string>;
  /** Undo and redo entries that have effect. */
  readonly toggles: ReadonlySet<string>;
  readonly conflicts: readonly Conflict[];
}

/**
 * Which operations of a log hold. An operation is taken back when the last undo or redo that names it, and is not taken back itself, is an
 * undo. So undo of an undo puts the operation back, as does a redo of it; undo of that redo takes it back again. Since an
 * entry names only earlier ones, one pass from the end decides.
 * @param operations in order.
 */
export function effectOf(operations: readonly Operation[]): Effect {
  const position = new Map(operations.map(({ id }, i) => [id, i]));
  /** Last entry in effect that names an operation; later entries are seen first. */
  const decided = new Map<string, "undo" | "redo">();
  const holds = new Set<string>();
  const toggles = new Set<string>();
  const conflicts: Conflict[] = [];
  for (let i = operations.length - 1; i >= 0; --i) {
    const operation = operations[i];
    if (decided.get(operation.id) === "undo") continue;
    if (operation.kind !== "undo" && operation.kind !== "redo") {
      holds.add(operation.id);
      continue;
    }
    const { target } = operation;
    const at = position.get(target);
    if (at === undefined || at >= i) {
      conflicts.push({
        operation: operation.id,
        reason: "no-target",
        message: `${operation.kind} names ${target}, which is not in the log before it`,
        anchors: [],
      });
      continue;
    }
    toggles.add(operation.id);
    if (!decided.has(target)) decided.set(target, operation.kind);
  }
  return { holds, toggles, conflicts: conflicts.reverse() };
}

/** What "undo" and "redo" of an author would name next; absent when there is nothing. */
export interface UndoTargets {
  readonly undo?: string;
  readonly redo?: string;
}

/**
 * The stack that people expect of Ctrl-Z, of one author's operations alone: undo takes back the last one that holds; redo puts back what
 * was undone last, until something new is done. Two people on one log do not undo each other.
 * @param operations in order.
 */
export function undoTargets(operations: readonly Operation[], author: string): UndoTargets {
  const done: string[] = [];
  const undone: string[] = [];
  const take = (list: string[], id: string) => {
    const at = list.lastIndexOf(id);
    if (at >= 0) list.splice(at, 1);
    return at >= 0;
  };
  for (const operation of operations) {
    if (operation.author !== author) continue;
    if (operation.kind === "undo") {
      if (take(done, operation.target)) undone.push(operation.target);
    } else if (operation.kind === "redo") {
      if (take(undone, operation.target)) done.push(operation.target);
    } else {
      done.push(operation.id);
      undone.length = 0;
    }
  }
  // Others may have taken back, or put back, some of them meanwhile.
  const { holds } = effectOf(operations);
  return {
    undo: done.findLast((id) => holds.has(id)),
    redo: undone.findLast((id) => !holds.has(id)),
  };
}
