import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import { httpFiles } from "../../src/model/fetch.js";
import { type ModelEntry, readIndex } from "../../src/model/registry.js";
import { savedModels } from "../mito/models.js";

/** A model that can be chosen. */
export interface AvailableModel extends ModelEntry {
  /** Kept in this browser alone: adapted here, or opened from a file. */
  readonly saved: boolean;
}

/** Dispatched when a model was saved in this browser, or deleted. */
export const modelsChanged = new NullarySignal();

let pending: Promise<ModelEntry[]> | undefined;

/**
 * The models that are served with this page, read once, then those saved in this browser, read each time. A failure is
 * not kept: the next call tries again.
 * @throws ModelError naming what is wrong with the list.
 */
export async function availableModels(): Promise<AvailableModel[]> {
  pending ??= readIndex(httpFiles(new URL("models/", document.baseURI).href)).catch((error: unknown) => {
    pending = undefined;
    throw error;
  });
  // A browser without storage has nothing saved; it says so when something is to be.
  // A browser that refuses its store has no saved models; the panel of saved models says so.
  const saved = await savedModels.list().catch(() => []);
  const served = await pending;
  const ids = new Set(saved.map(({ id }) => id));
  return [
    ...served.filter(({ id }) => !ids.has(id)).map((entry) => ({ ...entry, saved: false })),
    ...saved.map((entry) => ({ ...entry, saved: true })),
  ];
}

/** What a list of models shows for one. */
export function modelLabel({ name, saved }: Pick<AvailableModel, "name" | "saved">): string {
  return saved ? `${name} (in this browser)` : name;
}
