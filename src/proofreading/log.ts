import { formatOperation } from "./json_lines.js";
import { newOperationId } from "./operation_id.js";
import type { Action, KnownOperation, Operation, Stamp } from "./types.js";

/** Order of a log, the same on every machine: by time, then by id. */
export function compareOperations(a: Operation, b: Operation): number {
  return a.time - b.time || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Two operations with one id: should not be, unless a file was edited. The one whose line sorts first is kept, whoever merges. */
export interface Clash {
  readonly kept: Operation;
  readonly dropped: Operation;
}

/** Who works on what: the part of a stamp that stays the same for a while. */
export type Author = Pick<Stamp, "author" | "model" | "volume" | "settings">;

/**
 * An append-only log of operations in order. Nothing is ever taken out: undo and redo are entries. Operations of other logs may come in
 * at any time and in any order.
 */
export class EditLog {
  private readonly byId = new Map<string, Operation>();
  private ordered: Operation[] = [];
  /** Operations that no other one comes after. */
  private heads = new Set<string>();
  private readonly referred = new Set<string>();

  constructor(operations: Iterable<Operation> = []) {
    this.add(operations);
  }

  /** In order. */
  get operations(): readonly Operation[] {
    return this.ordered;
  }

  get size(): number {
    return this.ordered.length;
  }

  get(id: string): Operation | undefined {
    return this.byId.get(id);
  }

  /**
   * Takes what is not there yet.
   * @returns the operations that were new, and those whose id was taken.
   */
  add(operations: Iterable<Operation>): { added: readonly Operation[]; clashes: readonly Clash[] } {
    const added: Operation[] = [];
    const clashes: Clash[] = [];
    for (const operation of operations) {
      const known = this.byId.get(operation.id);
      if (known !== undefined) {
        const [line, other] = [formatOperation(known), formatOperation(operation)];
        if (line === other) continue;
        const keepsKnown = line < other;
        clashes.push(keepsKnown ? { kept: known, dropped: operation } : { kept: operation, dropped: known });
        if (keepsKnown) continue;
        this.ordered = this.ordered.filter(({ id }) => id !== operation.id);
      }
      this.byId.set(operation.id, operation);
      added.push(operation);
      for (const id of operation.after) {
        this.referred.add(id);
        this.heads.delete(id);
      }
      if (!this.referred.has(operation.id)) this.heads.add(operation.id);
    }
    const last = this.ordered.at(-1);
    const inOrder = added.length === 1 && (last === undefined || compareOperations(last, added[0]) < 0);
    this.ordered.push(...added);
    if (!inOrder) this.ordered.sort(compareOperations);
    return { added, clashes };
  }

  /**
   * A new operation, later than all in the log; `add` it once it is stored.
   * @param now milliseconds since 1970. @param random ten random bytes.
   */
  create(action: Action, by: Author, now: number, random: Uint8Array): KnownOperation {
    const last = this.ordered.at(-1)?.time ?? 0;
    const time = Math.max(Math.floor(now), last + 1);
    const { author, model, volume, settings } = by;
    return {
      id: newOperationId(time, random),
      time,
      author,
      after: [...this.heads].sort(),
      model,
      volume,
      settings: { threshold: settings.threshold, connectivity: settings.connectivity },
      ...action,
    };
  }
}
