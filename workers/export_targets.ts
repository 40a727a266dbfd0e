import { type Bytes, ExportError, type ExportSink } from "../src/export/types.js";
import { ZipSink } from "../src/export/zip_sink.js";

/** Parts of an archive are handed to the browser in blocks of this size, which it may put on the disk. */
const BLOCK = 16 * 2 ** 20;

const ADVICE: Readonly<Record<string, string>> = {
  NotAllowedError: "the browser may not write there: allow it when asked, or choose another folder",
  NoModificationAllowedError: "another program or page is writing there: close it, or choose another folder",
  QuotaExceededError: "the disk is full: free some space, or choose another folder",
  NotFoundError: "the folder is gone: choose another one",
  SecurityError: "the browser does not let pages write there: choose another folder",
};

/** @returns an error that says what a failed write means. */
export function targetError(name: string, cause: unknown): Error {
  const kind = cause instanceof Error ? cause.name : "";
  if (!(kind in ADVICE))
    return new ExportError(name, cause instanceof Error ? cause.message : String(cause), { cause });
  return new ExportError(name, ADVICE[kind], { cause });
}

/** A new folder within one of the user's. Each file appears under its name when it is whole. */
export class DirectorySink implements ExportSink {
  private readonly folders = new Map<string, Promise<FileSystemDirectoryHandle>>();
  bytes = 0;

  private constructor(
    readonly name: string,
    private readonly parent: FileSystemDirectoryHandle,
    private readonly root: FileSystemDirectoryHandle,
  ) {}

  /** @throws ExportError when the name is taken or the folder cannot be made. */
  static async make(parent: FileSystemDirectoryHandle, name: string): Promise<DirectorySink> {
    const target = `${parent.name}/${name}`;
    try {
      await parent.getDirectoryHandle(name);
    } catch (missing) {
      if (!(missing instanceof Error) || missing.name !== "NotFoundError") throw targetError(target, missing);
      try {
        return new DirectorySink(target, parent, await parent.getDirectoryHandle(name, { create: true }));
      } catch (cause) {
        throw targetError(target, cause);
      }
    }
    throw new ExportError(target, "is there already: give the export another name");
  }

  async write(path: string, parts: readonly (Bytes | Blob)[]): Promise<void> {
    const segments = path.split("/");
    const file = segments.pop()!;
    try {
      const folder = await this.folderAt(segments);
      // Written to a hidden file, which takes the name when it is closed.
      const stream = await (await folder.getFileHandle(file, { create: true })).createWritable();
      try {
        for (const part of parts) {
          await stream.write(part);
          this.bytes += part instanceof Blob ? part.size : part.length;
        }
        await stream.close();
      } catch (cause) {
        await stream.abort().catch(() => {});
        throw cause;
      }
    } catch (cause) {
      throw targetError(`${this.name}/${path}`, cause);
    }
  }

  /** Removes what was made. @throws when that fails: then something is left. */
  remove(): Promise<void> {
    return this.parent.removeEntry(this.root.name, { recursive: true });
  }

  private folderAt(segments: readonly string[]): Promise<FileSystemDirectoryHandle> {
    const key = segments.join("/");
    let folder = this.folders.get(key);
    if (folder === undefined) {
      folder =
        segments.length === 0
          ? Promise.resolve(this.root)
          : this.folderAt(segments.slice(0, -1)).then((above) =>
              above.getDirectoryHandle(segments.at(-1)!, { create: true }),
            );
      this.folders.set(key, folder);
    }
    return folder;
  }
}

/** An archive as a Blob: the browser holds it, on the disk where it is large. */
export class ZipTarget {
  private readonly blobs: Blob[] = [];
  private parts: Bytes[] = [];
  private waiting = 0;
  readonly sink: ZipSink;

  constructor(readonly name: string) {
    this.sink = new ZipSink(name, (bytes) => {
      this.parts.push(bytes);
      this.waiting += bytes.length;
      if (this.waiting >= BLOCK) this.pack();
    });
  }

  finish(): Blob {
    this.sink.finish();
    this.pack();
    return new Blob(this.blobs, { type: "application/zip" });
  }

  private pack(): void {
    this.blobs.push(new Blob(this.parts));
    this.parts = [];
    this.waiting = 0;
  }
}

/** A single file that is kept until it is downloaded. */
export class FileSink implements ExportSink {
  readonly files = new Map<string, Blob>();

  constructor(readonly name: string) {}

  async write(path: string, parts: readonly Bytes[]): Promise<void> {
    this.files.set(path, new Blob(parts as Bytes[]));
  }
}
