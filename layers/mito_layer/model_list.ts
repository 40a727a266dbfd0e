import { httpFiles } from "../../src/model/fetch.js";
import { type ModelEntry, readIndex } from "../../src/model/registry.js";

let pending: Promise<ModelEntry[]> | undefined;

/**
 * The models that are served with this page, read once. A failure is not kept: the next call tries again.
 * @throws ModelError naming what is wrong with the list.
 */
export function availableModels(): Promise<ModelEntry[]> {
  pending ??= readIndex(httpFiles(new URL("models/", document.baseURI).href)).catch((error: unknown) => {
    pending = undefined;
    throw error;
  });
  return pending;
}
