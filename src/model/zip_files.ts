import type { FileFetcher } from "./limits.js";
import type { ZipArchive } from "./zip.js";

/** By the names that a description has had. */
const DESCRIPTION = /(?:^|\/)(?:rdf|bioimageio)\.yaml$/;

/** Files of a package in an archive: at its top level, or in its only folder (as some programs pack them). */
export function zipFiles(archive: ZipArchive): FileFetcher {
  const found = archive.names.filter((name) => DESCRIPTION.test(name));
  const folder = found.length === 1 ? found[0].slice(0, found[0].lastIndexOf("/") + 1) : "";
  return async (file, { maxBytes, signal }) => {
    signal?.throwIfAborted();
    return archive.read(folder + file, maxBytes);
  };
}
