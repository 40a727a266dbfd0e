import { formatOperation, parseOperation } from "../src/proofreading/json_lines.js";
import type { Operation } from "../src/proofreading/types.js";
import { completed, openDatabase } from "./store/indexed_db.js";

/** Name of the database; a new layout gets a new one. */
const DATABASE = "chondria-edits-1";
const OPERATIONS = "operations";

/** Edits cannot be kept in, or got from, this browser; says what to do. What was stored before is still there. */
export class EditStoreError extends Error {
  override name = "EditStoreError";
}

export interface StoredEdits {
  readonly operations: readonly Operation[];
  /** Entries that hold no operation: what is wrong with them. They stay stored. */
  readonly damage: readonly string[];
}

/** Where the operations of one log are kept as they happen. */
export interface EditStore {
  /**
   * Resolves when they are on disk, all of them; those that are there already are passed over.
   * @throws EditStoreError when they are not, none of them.
   */
  append(operations: readonly Operation[]): Promise<void>;
  /** In no particular order. @throws EditStoreError */
  readAll(): Promise<StoredEdits>;
  /** Calls back with what other tabs append to the same log. @returns how to end it. */
  subscribe(listener: (operations: readonly Operation[]) => void): () => void;
  close(): void;
}

/**
 * A log in IndexedDB, shared by all tabs, for a page or a worker. Each operation is an entry of its own by its id, so that tabs never write the
 * same one; a transaction is on disk before `append` ends, so that a crash loses at most what was in flight.
 * @param log name of the log, as the URL and scale of what it corrects.
 * @throws EditStoreError when the browser has no such storage, or denies it.
 */
export async function openEditStore(log: string): Promise<EditStore> {
  try {
    return new IndexedDbEditStore(log, await openDatabase(DATABASE, [OPERATIONS]));
  } catch (cause) {
    throw new EditStoreError(
      `edits cannot be kept in this browser (${(cause as Error).message}): allow site data, or export the log before you leave`,
      { cause },
    );
  }
}

class IndexedDbEditStore implements EditStore {
  private readonly channel: BroadcastChannel;
  private readonly listeners = new Set<(operations: readonly Operation[]) => void>();

  constructor(
    private readonly log: string,
    private readonly database: IDBDatabase,
  ) {
    this.channel = new BroadcastChannel(`${DATABASE}/${log}`);
    this.channel.onmessage = ({ data }) => this.hear(data);
  }

  async append(operations: readonly Operation[]): Promise<void> {
    const lines = operations.map((operation): [string, string] => [operation.id, formatOperation(operation)]);
    let failed: unknown;
    try {
      const transaction = this.database.transaction(OPERATIONS, "readwrite", { durability: "strict" });
      const done = completed(transaction);
      const store = transaction.objectStore(OPERATIONS);
      for (const [id, line] of lines) {
        const known = store.get([this.log, id]);
        known.onsuccess = () => {
          // Of two lines with one id the one that sorts first stays, as in merging logs.
          if (typeof known.result === "string" && known.result <= line) return;
          try {
            store.put(line, [this.log, id]);
          } catch (error) {
            failed = error;
            transaction.abort();
          }
        };
      }
      await done.catch((error) => {
        throw failed ?? error;
      });
    } catch (cause) {
      throw storeError(cause);
    }
    this.channel.postMessage(lines.map(([, line]) => line));
  }

  async readAll(): Promise<StoredEdits> {
    let lines: unknown[];
    try {
      const transaction = this.database.transaction(OPERATIONS);
      // Arrays sort after strings: all keys that begin with this log.
      const found = transaction.objectStore(OPERATIONS).getAll(IDBKeyRange.bound([this.log], [this.log, []]));
      await completed(transaction);
      lines = found.result;
    } catch (cause) {
      throw storeError(cause);
    }
    const operations: Operation[] = [];
    const damage: string[] = [];
    lines.forEach((line, i) => {
      try {
        operations.push(parseOperation(String(line), `stored edit ${i + 1}`));
      } catch (error) {
        damage.push((error as Error).message);
      }
    });
    return { operations, damage };
  }

  subscribe(listener: (operations: readonly Operation[]) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  close(): void {
    this.listeners.clear();
    this.channel.close();
    this.database.close();
  }

  /** A message of another tab, which may run another version. */
  private hear(data: unknown): void {
    if (!Array.isArray(data)) return;
    const operations: Operation[] = [];
    for (const line of data) {
      try {
        operations.push(parseOperation(String(line), "another tab"));
      } catch {
        // It is stored: reading the log names what is wrong with it.
      }
    }
    if (operations.length > 0) for (const listener of this.listeners) listener(operations);
  }
}

function storeError(cause: unknown): EditStoreError {
  const name = cause instanceof DOMException ? cause.name : "";
  const text =
    name === "QuotaExceededError"
      ? "the edit is not stored, the browser's storage is full: free some, or export the log now. What was stored before is safe"
      : `the edit is not stored (${cause instanceof Error ? cause.message : String(cause)}): reload the page. What was stored before is safe`;
  return new EditStoreError(text, { cause });
}
