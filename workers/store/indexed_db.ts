import type { Backing, StoredFile } from "./backing.js";

const FILES = "files";
const TIMES = "times";

interface StoredTime {
  readonly bytes: number;
  readonly time: number;
}

/**
 * An IndexedDB database with two object stores, both by name: the files, and their sizes and times, so that a listing
 * does not read the files. A transaction writes both or neither.
 * @throws Error when the browser has no IndexedDB or denies it.
 */
export async function openIndexedDb(name: string): Promise<Backing> {
  return new IndexedDbBacking(await openDatabase(name, [FILES, TIMES]));
}

/**
 * Opens a database of object stores whose keys are given with the values; makes it when there is none.
 * @throws Error when the browser has no IndexedDB or denies it.
 */
export async function openDatabase(name: string, stores: readonly string[]): Promise<IDBDatabase> {
  if (typeof indexedDB === "undefined") throw new Error("IndexedDB is missing");
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => {
    for (const store of stores) opening.result.createObjectStore(store);
  };
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error ?? new Error("IndexedDB cannot be opened"));
    opening.onblocked = () => reject(new Error("IndexedDB is held by another tab"));
  });
  // Lets another tab delete the database; calls after that fail, and the store goes on in memory.
  database.onversionchange = () => database.close();
  return database;
}

class IndexedDbBacking implements Backing {
  readonly kind = "indexeddb";

  constructor(private readonly database: IDBDatabase) {}

  async read(name: string) {
    const transaction = this.database.transaction([FILES, TIMES]);
    const file = transaction.objectStore(FILES).get(name);
    const stored = transaction.objectStore(TIMES).get(name);
    await completed(transaction);
    if (!(file.result instanceof Uint8Array)) return undefined;
    return { bytes: file.result, time: (stored.result as StoredTime | undefined)?.time ?? 0 };
  }

  async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const transaction = this.database.transaction([FILES, TIMES], "readwrite");
    const stored: StoredTime = { bytes: bytes.length, time: Date.now() };
    transaction.objectStore(FILES).put(bytes, name);
    transaction.objectStore(TIMES).put(stored, name);
    await completed(transaction);
  }

  async has(name: string): Promise<boolean> {
    const transaction = this.database.transaction(TIMES);
    const count = transaction.objectStore(TIMES).count(name);
    await completed(transaction);
    return count.result > 0;
  }

  async remove(name: string): Promise<void> {
    const transaction = this.database.transaction([FILES, TIMES], "readwrite");
    transaction.objectStore(FILES).delete(name);
    transaction.objectStore(TIMES).delete(name);
    await completed(transaction);
  }

  async list(): Promise<StoredFile[]> {
    const transaction = this.database.transaction(TIMES);
    const names = transaction.objectStore(TIMES).getAllKeys();
    const values = transaction.objectStore(TIMES).getAll();
    await completed(transaction);
    return names.result.map((name, i) => ({ name: String(name), ...(values.result[i] as StoredTime) }));
  }
}

/** Resolves when what the transaction did is kept. @throws what it was given up for, as when the disk is full. */
export function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB gave up a transaction"));
    transaction.onerror = () => reject(transaction.error);
  });
}
