import * as v from "valibot";
import { type FileFetcher, sha256 } from "../src/model/limits.js";
import { readPackage } from "../src/model/read.js";
import { indexEntry, type ModelEntry } from "../src/model/registry.js";
import { indexSchema } from "../src/model/schema.js";
import { writeZip, ZipArchive } from "../src/model/zip.js";
import { zipFiles } from "../src/model/zip_files.js";
import type { Backing } from "./store/backing.js";
import { openBacking } from "./store/open.js";

/** Name of the directory (or database); a new layout of the files gets a new one. */
const DIRECTORY = "chondria-models-1";
/** Bounds of what is kept: people delete what they do not use, nothing is evicted behind their back. */
export const MOST_MODELS = 32;
export const MOST_BYTES = 2 ** 29;
/** Bytes of one archive at most. */
export const MOST_ARCHIVE = 2 ** 28;
/** Files of one package, and their bytes, at most. */
const PACKAGE_LIMITS = { entries: 64, bytes: MOST_ARCHIVE };
/** Ids of saved models: safe as a file name in every storage (no dots), and model ids. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** A model that cannot be saved in, or got from, this browser; says what to do. */
export class SavedModelError extends Error {
  override name = "SavedModelError";
}

const archiveName = (id: string) => `zip_${id}`;
const entryName = (id: string) => `entry_${id}`;

/** Makes any text a saved model's id: other letters become "-", too long ones are cut. */
export function savedId(text: string): string {
  const id = text.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[-_]+|-+$/g, "");
  return (id === "" ? "model" : id).slice(0, 56);
}

/**
 * The model packages that are kept in this browser, by id: one archive each, in the origin-private file system or
 * IndexedDB, shared by all tabs. A package is there as a whole or not at all: its entry is written after its archive has been
 * read back and checked. Runs in a page or a worker.
 */
export class SavedModels {
  private opening: Promise<Backing> | undefined;

  constructor(private readonly open: () => Promise<Backing> = () => openBacking(DIRECTORY)) {}

  /**
   * What is saved, newest last. @throws SavedModelError when this browser has no storage.
   */
  async list(): Promise<ModelEntry[]> {
    const backing = await this.backing();
    const files = (await backing.list()).filter(({ name }) => name.startsWith("entry_"));
    files.sort((a, b) => a.time - b.time);
    const entries = await Promise.all(files.map(({ name }) => readEntry(backing, name)));
    return entries.filter((entry) => entry !== undefined);
  }

  async has(id: string): Promise<boolean> {
    if (!ID.test(id)) return false;
    return (await this.backing()).has(entryName(id));
  }

  /** The whole package as a .zip file, as `save` takes it. @throws SavedModelError when there is none. */
  async archive(id: string): Promise<Uint8Array<ArrayBuffer>> {
    const file = ID.test(id) ? await (await this.backing()).read(archiveName(id)) : undefined;
    if (file === undefined) throw new SavedModelError(missingModel(id));
    return file.bytes as Uint8Array<ArrayBuffer>;
  }

  /** Reads the files of a package, for `readPackage`. The archive is read once, when the first file is. */
  files(id: string): FileFetcher {
    let archive: Promise<ZipArchive> | undefined;
    return async (file, options) => {
      archive ??= this.archive(id).then((bytes) => new ZipArchive(bytes, PACKAGE_LIMITS));
      return zipFiles(await archive)(file, options);
    };
  }

  /**
   * Keeps a package. A saved model of the same id and content stays as it is; other content is refused.
   * @throws SavedModelError when there is no room, too many are saved, or the browser does not write; ModelError, ZipError when
   * it is no sound package.
   */
  async save(id: string, zip: Uint8Array<ArrayBuffer>): Promise<ModelEntry> {
    if (!ID.test(id)) throw new SavedModelError(`"${id.slice(0, 64)}" cannot be the id of a saved model`);
    const entry = await checkArchive(id, zip);
    const saved = await this.list();
    const same = saved.find((other) => other.id === id);
    if (same?.digest === entry.digest) return same;
    if (same !== undefined) throw new SavedModelError(`a model ${id} with other content is saved already`);
    const backing = await this.backing();
    const bytes = (await backing.list()).reduce((sum, file) => sum + file.bytes, 0);
    if (saved.length >= MOST_MODELS || bytes + zip.length > MOST_BYTES)
      throw new SavedModelError(
        `${saved.length} models (${Math.round(bytes / 2 ** 20)} MB) are saved in this browser, which is as many as it keeps: ` +
          "delete one, or download this one",
      );
    try {
      await backing.write(archiveName(id), zip);
      // A storage that other tabs use at the same time may write nothing, without an error.
      const written = await backing.read(archiveName(id));
      if (written === undefined || (await sha256(written.bytes)) !== (await sha256(zip)))
        throw new SavedModelError(
          `the model ${id} could not be written to this browser's storage: try again`,
        );
      await backing.write(entryName(id), new TextEncoder().encode(JSON.stringify(entry)));
    } catch (error) {
      await backing.remove(archiveName(id)).catch(() => {});
      if (!(error instanceof DOMException && error.name === "QuotaExceededError")) throw error;
      throw new SavedModelError(
        `this browser grants no room for the model (${(zip.length / 2 ** 20).toFixed(1)} MB): delete a saved model, free ` +
          "disk space, or download it as a file",
        { cause: error },
      );
    }
    return entry;
  }

  /** A model that is not there is no error. */
  async remove(id: string): Promise<void> {
    if (!ID.test(id)) return;
    const backing = await this.backing();
    await backing.remove(entryName(id));
    await backing.remove(archiveName(id));
  }

  private backing(): Promise<Backing> {
    this.opening ??= this.open().catch((cause: unknown) => {
      this.opening = undefined;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SavedModelError(`models cannot be saved in this browser: ${reason}`, { cause });
    });
    return this.opening;
  }
}

/**
 * Checks a package in a .zip file, all of it. @returns What a list says of it.
 * @throws ModelError, ZipError when it is no sound package.
 */
export async function checkArchive(id: string, zip: Uint8Array): Promise<ModelEntry> {
  return indexEntry(await readPackage(id, zipFiles(new ZipArchive(zip, PACKAGE_LIMITS))));
}

/** What to tell somebody who opens a link to a model that only another browser has. */
export function missingModel(id: string): string {
  return (
    `there is no model “${id}” here: neither does this page serve it, nor is it saved in this browser. If it was adapted in ` +
    "another browser, download it there and open the file here, or choose another model"
  );
}

async function readEntry(backing: Backing, name: string): Promise<ModelEntry | undefined> {
  const file = await backing.read(name);
  if (file === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(file.bytes));
    const result = v.safeParse(indexSchema, { models: [json] });
    const entry = result.success ? result.output.models[0] : undefined;
    return entry !== undefined && entryName(entry.id) === name ? entry : undefined;
  } catch {
    // Damaged: as if it were not there.
    return undefined;
  }
}

/** A package of these files as one archive. */
export function packArchive(files: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  return writeZip(files);
}
