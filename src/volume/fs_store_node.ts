import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import {
  type ByteRange,
  type ByteStore,
  checkKey,
  checkRange,
  MAX_VALUE_BYTES,
  type StoreReadOptions,
} from "./store.js";
import { VolumeError } from "./types.js";

/** A folder on this machine. */
export class FileStore implements ByteStore {
  readonly hasLocalFiles = true;

  constructor(
    /** Path of the folder. */
    readonly name: string,
  ) {}

  async get(
    key: string,
    { signal, limit = MAX_VALUE_BYTES }: StoreReadOptions = {},
  ): Promise<Uint8Array | undefined> {
    return this.#withFile(key, signal, (file, size, where) => {
      if (size > limit)
        throw new VolumeError(where, `is ${size} bytes, more than the ${limit} it can honestly have`);
      return readExactly(file, 0, size, where);
    });
  }

  async getRange(
    key: string,
    range: ByteRange,
    options: StoreReadOptions = {},
  ): Promise<Uint8Array | undefined> {
    checkRange(`${this.name}/${key}`, range, options.limit);
    return this.#withFile(key, options.signal, (file, size, where) => {
      const length = "offset" in range ? range.length : range.suffixLength;
      const offset = "offset" in range ? range.offset : size - length;
      if (offset < 0 || offset + length > size) throw truncated(where, offset + length, size);
      return readExactly(file, offset, length, where);
    });
  }

  async #withFile<T>(
    key: string,
    signal: AbortSignal | undefined,
    use: (file: FileHandle, size: number, where: string) => Promise<T>,
  ): Promise<T | undefined> {
    signal?.throwIfAborted();
    const path = join(this.name, checkKey(this.name, key));
    let file: FileHandle | undefined;
    try {
      // Non-blocking, or opening a named pipe would wait for ever for its writer.
      file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const stat = await file.stat();
      if (!stat.isFile()) return undefined;
      const result = await use(file, stat.size, path);
      signal?.throwIfAborted();
      return result;
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined;
      // Ours, or an abort (whose code is a number).
      if (typeof code !== "string") throw cause;
      throw new VolumeError(path, `cannot be read (${code}): check the disk and the file's permissions`, {
        cause,
      });
    } finally {
      await file?.close();
    }
  }
}

async function readExactly(
  file: FileHandle,
  offset: number,
  length: number,
  where: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) throw truncated(where, offset + length, offset + done);
    done += bytesRead;
  }
  return bytes;
}

function truncated(where: string, wanted: number, size: number): VolumeError {
  return new VolumeError(
    where,
    `ends at byte ${size}, but ${wanted} bytes are needed: the file is cut off or its index damaged`,
  );
}
