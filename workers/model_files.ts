import { httpFiles } from "../src/model/fetch.js";
import type { FileFetcher } from "../src/model/limits.js";
import { SavedModels } from "./saved_models.js";

const SCHEME = "saved-model:";

/** Address of a package that is saved in this browser, as `ModelReference.url` has it. */
export function savedModelUrl(id: string): string {
  return SCHEME + id;
}

/** Reads a package's files from where its address says: this browser's storage, or a folder on a server. */
export function packageFiles(url: string): FileFetcher {
  return url.startsWith(SCHEME) ? new SavedModels().files(url.slice(SCHEME.length)) : httpFiles(url);
}
