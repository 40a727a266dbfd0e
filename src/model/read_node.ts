import { open } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type FileFetcher, LIMITS, MODEL_ID } from "./limits.js";
import { readPackage } from "./read.js";
import { ModelError, type ModelPackage } from "./types.js";
import { ZipArchive, ZipError } from "./zip.js";
import { zipFiles } from "./zip_files.js";

/** Of a package in one file: its weights in 32 bits, and room for what else bioimage.io packs (covers, samples). */
const ZIP_BYTES = 2 ** 29 + 4 * LIMITS.parameters;

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

/** What a .zip file of a package holds, and the id that its name gives. @throws ModelError when it is no zip archive. */
export async function openPackageZip(path: string): Promise<{ id: string; files: FileFetcher }> {
  const id = basename(path)
    .replace(/\.zip$/i, "")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 64);
  if (!MODEL_ID.test(id))
    throw new ModelError(path, "has a name of which no model id can be made: rename it");
  try {
    const bytes = await folderFiles(dirname(path))(basename(path), { maxBytes: ZIP_BYTES });
    return { id, files: zipFiles(new ZipArchive(bytes, { entries: 10_000, bytes: ZIP_BYTES })) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ModelError(id, error instanceof ZipError ? `${path} ${why}` : why, { cause: error });
  }
}

/** Reads the package in a .zip file; its id is the file's name. @throws ModelError. */
export async function readPackageZip(
  path: string,
  options?: { signal?: AbortSignal },
): Promise<ModelPackage> {
  const { id, files } = await openPackageZip(path);
  return readPackage(id, files, options);
}
