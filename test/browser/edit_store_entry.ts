/** What the page of edit_store.spec.ts loads. */
import { EditLog } from "../../src/proofreading/log.js";
import type { KnownOperation } from "../../src/proofreading/types.js";
import { openEditStore } from "../../workers/edit_store.js";

/** Deletes at (n, 0, 0) as one author makes them. */
function deletes(author: string, count: number): KnownOperation[] {
  const log = new EditLog();
  const by = {
    author,
    model: "",
    volume: { url: "test://", scale: 0 },
    settings: { threshold: 0.5, connectivity: 26 as const },
  };
  for (let n = 0; n < count; ++n) {
    const random = crypto.getRandomValues(new Uint8Array(10));
    log.add([log.create({ kind: "delete", anchor: [n, 0, 0] }, by, Date.now(), random)]);
  }
  return log.operations as KnownOperation[];
}

const edits = { openEditStore, deletes };
export type Edits = typeof edits;
Object.assign(globalThis, { edits });
