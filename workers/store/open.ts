import type { Backing } from "./backing.js";
import { openIndexedDb } from "./indexed_db.js";
import { openOpfs } from "./opfs.js";

/**
 * Opens the best storage of this browser: the origin-private file system, IndexedDB where that is missing.
 * @param name of the directory or database; another name is another store.
 * @throws Error with both reasons when both are denied.
 */
export async function openBacking(name: string): Promise<Backing> {
  try {
    return await openOpfs(name);
  } catch (opfs) {
    try {
      return await openIndexedDb(name);
    } catch (indexedDb) {
      throw new Error(`${describe(opfs)}; ${describe(indexedDb)}`, { cause: opfs });
    }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
