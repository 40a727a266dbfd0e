import { readRdf } from "../../src/model/read.js";
import { ModelError } from "../../src/model/types.js";
import { packageFiles, savedModelUrl } from "../../workers/model_files.js";
import { missingModel, SavedModels } from "../../workers/saved_models.js";
import type { MitoModel } from "./base.js";

/** The models saved in this browser, as the page sees them. */
export const savedModels = new SavedModels();

/** Address of a model that this page serves. */
function servedUrl(id: string): string {
  return new URL(`models/${id}/`, document.baseURI).href;
}

/**
 * Finds a model by its id: one that is saved in this browser, else one that the page serves.
 * @returns Its description and the address of its files (see `packageFiles`).
 * @throws ModelError naming the model, also when there is none of this id; AbortError.
 */
export async function findModel(
  id: string,
  signal: AbortSignal | undefined,
): Promise<{ model: MitoModel; url: string }> {
  // Without any storage nothing is saved; the served models are there all the same.
  // A browser that refuses its store has no saved models; the served ones are there all the same.
  const saved = await savedModels.has(id).catch(() => false);
  const url = saved ? savedModelUrl(id) : servedUrl(id);
  try {
    const { name, description, config, digest } = await readRdf(id, packageFiles(url), signal);
    return { model: { id, name, description, config, digest }, url };
  } catch (error) {
    if (!saved && error instanceof ModelError && /HTTP 404\b/.test(error.message))
      throw new ModelError(id, missingModel(id), { cause: error });
    throw error;
  }
}
