import { open } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { FileFetcher } from "./limits.js";
import { readPackage } from "./read.js";
import type { ModelPackage } from "./types.js";

/** Files of a package in a local folder. */
export function folderFiles(directory: string): FileFetcher {
  return async (file, { maxBytes, signal }) => {
    signal?.throwIfAborted();
    const path = join(directory, file);
    let handle: Awaited<ReturnType<typeof open>>;
    try {
      handle = await open(path, "r");
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      throw new Error(missing ? `missing (${path})` : `cannot be opened: ${(error as Error).message}`, {
        cause: error,
      });
    }
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new Error(`${path} is not a file`);
      if (stat.size > maxBytes) throw new Error(`${stat.size} bytes, more than the ${maxBytes} expected`);
      return new Uint8Array(await handle.readFile());
    } finally {
      await handle.close();
    }
  };
}

/** Reads the package in a folder; its id is the folder's name. @throws ModelError. */
export function readPackageFolder(
  directory: string,
  options?: { signal?: AbortSignal },
): Promise<ModelPackage> {
  return readPackage(basename(resolve(directory)), folderFiles(directory), options);
}
