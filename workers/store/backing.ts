/** An entry as a backing lists it. */
export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
  /** When it was written, ms since 1970. */
  readonly time: number;
}

/**
 * Persistent storage of small files by name, shared by all tabs of an origin. Everything can fail at any time: storage
 * denied, full, cleared by the user or by another tab.
 */
export interface Backing {
  readonly kind: "opfs" | "indexeddb";
  /** The file's content, or undefined when there is none. */
  read(name: string): Promise<{ bytes: Uint8Array; time: number } | undefined>;
  /**
   * Writes the whole file or nothing. Where two tabs write or remove the same name at once, either may win.
   * @throws DOMException QuotaExceededError when the browser grants no more room.
   */
  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  has(name: string): Promise<boolean>;
  /** A name that does not exist, or is in use by another tab, is no error. */
  remove(name: string): Promise<void>;
  list(): Promise<StoredFile[]>;
}

/** What a store entry may be called: safe as a file name everywhere. */
export const KEY = /^[A-Za-z0-9_-]{1,200}$/;
