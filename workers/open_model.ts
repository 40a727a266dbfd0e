/** Entry of a worker that takes a model package from a file of the user's into this browser; it ends when that is done. */
import type * as Comlink from "comlink";
import type { ModelEntry } from "../src/model/registry.js";
import { exposeApi } from "./expose.js";
import { checkArchive, MOST_ARCHIVE, SavedModelError, SavedModels, savedId } from "./saved_models.js";

export interface OpenModelApi {
  /**
   * Checks and saves the package in a .zip file. Its id comes from the file's name, changed where a model of that id exists.
   * @param taken Ids of the models that the page serves.
   * @throws Error saying what is wrong with the file, or with saving it.
   */
  open(file: File, taken: readonly string[]): Promise<ModelEntry>;
}

const models = new SavedModels();

async function open(file: File, taken: readonly string[]): Promise<ModelEntry> {
  if (file.size > MOST_ARCHIVE)
    throw new SavedModelError(
      `${file.name} has ${Math.round(file.size / 2 ** 20)} MB: a model package has ${MOST_ARCHIVE / 2 ** 20} MB at most`,
    );
  const zip = new Uint8Array(await file.arrayBuffer());
  const name = savedId(file.name.replace(/( ?\(\d+\))?\.zip$/i, ""));
  try {
    const { digest } = await checkArchive(name, zip);
    const saved = await models.list();
    const same = saved.find((entry) => entry.digest === digest);
    if (same !== undefined) return same;
    const used = new Set([...taken, ...saved.map(({ id }) => id)]);
    let id = name;
    for (let n = 2; used.has(id); n++) id = `${name}-${n}`;
    return await models.save(id, zip);
  } catch (error) {
    if (error instanceof SavedModelError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new SavedModelError(`${file.name} is not a model package that can be opened: ${why}`, {
      cause: error,
    });
  }
}

exposeApi({ open } satisfies OpenModelApi, globalThis as unknown as Comlink.Endpoint);
