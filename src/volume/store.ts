import { VolumeError } from "./types.js";

/** Part of a value: from an offset, or the last bytes. */
export type ByteRange =
  | { readonly offset: number; readonly length: number }
  | { readonly suffixLength: number };

export interface StoreReadOptions {
  readonly signal?: AbortSignal;
  /** Most bytes that are accepted (of the whole value for `get`); `MAX_VALUE_BYTES` without it. */
  readonly limit?: number;
}

/** Where the bytes of a volume lie: a folder, a web address, a phantom. Keys are relative, with "/" between segments. */
export interface ByteStore {
  /** Path or URL, as an error message should name it. */
  readonly name: string;
  /** Files on a disk: a look for a second name costs nothing there. */
  readonly hasLocalFiles?: boolean;
  /**
   * The whole value; undefined when there is none.
   * @throws VolumeError when it is there but cannot be read, or is larger than the limit.
   */
  get(key: string, options?: StoreReadOptions): Promise<Uint8Array | undefined>;
  /**
   * Exactly the bytes asked for; undefined when there is no such value.
   * @throws VolumeError also when the value ends before the range does (a suffix longer than the value is such a case).
   */
  getRange(key: string, range: ByteRange, options?: StoreReadOptions): Promise<Uint8Array | undefined>;
}

/** No chunk, shard index or metadata file is honestly larger; a claim of more is an attack or damage. */
export const MAX_VALUE_BYTES = 2 ** 30;

/** Metadata files are small; a limit keeps a mistaken address (a disk image, an endless stream) from filling memory. */
export const MAX_METADATA_BYTES = 16 * 2 ** 20;

/** `key` checked and without empty or "." segments. @throws VolumeError for a key that would leave the store. */
export function checkKey(storeName: string, key: string): string {
  const segments = key.split("/").filter((segment) => segment !== "" && segment !== ".");
  // Keys come out of metadata, which anyone may have written.
  if (segments.includes("..") || key.includes("\\") || key.includes("\0")) {
    throw new VolumeError(
      storeName,
      `its metadata points outside of the volume (${JSON.stringify(key.slice(0, 80))})`,
    );
  }
  return segments.join("/");
}

/** Offset and length checked. @throws VolumeError when a range is not two whole numbers, or longer than the limit. */
export function checkRange(where: string, range: ByteRange, limit = MAX_VALUE_BYTES): void {
  const numbers = "offset" in range ? [range.offset, range.length] : [range.suffixLength];
  if (!numbers.every((n) => Number.isSafeInteger(n) && n >= 0) || numbers[numbers.length - 1] > limit) {
    throw new VolumeError(where, `an index asks for ${numbers.join("+")} bytes: the index is damaged`);
  }
}

/** Metadata at `key` as JSON; undefined when there is none. @throws VolumeError when it is not a JSON object. */
export async function readJson(
  store: ByteStore,
  key: string,
  options: { signal?: AbortSignal } = {},
): Promise<Record<string, unknown> | undefined> {
  const bytes = await store.get(key, { ...options, limit: MAX_METADATA_BYTES });
  if (bytes === undefined) return undefined;
  const where = `${store.name}/${key}`;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new VolumeError(where, "is not JSON: the file is damaged, or this is no volume", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new VolumeError(where, "is not a JSON object: the file is damaged, or this is no volume");
  }
  return value as Record<string, unknown>;
}
