import { type Backing, KEY, type StoredFile } from "./backing.js";

/** Temporary files that a killed tab left are removed after this. */
const STALE_MS = 3_600_000;

/**
 * A directory of the origin-private file system. `createWritable` writes to a temporary file and puts it in place on
 * `close`, so an entry is there whole or not at all, and two writers do not mix.
 * @throws Error when the browser has no such storage, cannot write to it atomically, or denies it.
 */
export async function openOpfs(name: string): Promise<Backing> {
  if (navigator.storage?.getDirectory === undefined) {
    throw new Error("the origin-private file system is missing (not a secure page, or an old browser)");
  }
  if (!("createWritable" in FileSystemFileHandle.prototype)) {
    throw new Error("this browser cannot replace a file of the origin-private file system at once");
  }
  const root = await navigator.storage.getDirectory();
  const directory = await root.getDirectoryHandle(name, { create: true });
  return new OpfsBacking(directory);
}

class OpfsBacking implements Backing {
  readonly kind = "opfs";

  constructor(private readonly directory: FileSystemDirectoryHandle) {}

  async read(name: string) {
    return unlessInUse(async () => {
      const file = await (await this.directory.getFileHandle(name)).getFile();
      // Empty until its first writer closes it.
      if (file.size === 0) return undefined;
      return { bytes: new Uint8Array(await file.arrayBuffer()), time: file.lastModified };
    });
  }

  async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await unlessInUse(async () => {
      const handle = await this.directory.getFileHandle(name, { create: true });
      const writable = await handle.createWritable();
      try {
        await writable.write(bytes);
        await writable.close();
      } catch (error) {
        await writable.abort().catch(() => {});
        throw error;
      }
    });
  }

  async has(name: string): Promise<boolean> {
    const size = async () => (await (await this.directory.getFileHandle(name)).getFile()).size;
    return ((await unlessInUse(size)) ?? 0) > 0;
  }

  async remove(name: string): Promise<void> {
    await unlessInUse(() => this.directory.removeEntry(name));
  }

  async list(): Promise<StoredFile[]> {
    const files: StoredFile[] = [];
    for await (const [name, handle] of this.directory.entries()) {
      if (handle.kind !== "file") continue;
      const file = await unlessInUse(() => (handle as FileSystemFileHandle).getFile());
      if (file === undefined) continue;
      if (KEY.test(name)) files.push({ name, bytes: file.size, time: file.lastModified });
      else if (Date.now() - file.lastModified > STALE_MS) await this.remove(name);
    }
    return files;
  }
}

/** Errors of a file that does not exist, or that another tab writes or removes at this moment. */
const IN_USE = new Set([
  "NotFoundError",
  "NotReadableError",
  "NoModificationAllowedError",
  "InvalidStateError",
]);

/** Undefined when a file is missing or in use: the same to a cache. */
async function unlessInUse<T>(operation: () => Promise<T>): Promise<T | undefined> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof DOMException && IN_USE.has(error.name)) return undefined;
    throw error;
  }
}
