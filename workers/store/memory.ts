/** Byte arrays by key, bounded in bytes; the least recently used goes first. */
export class MemoryCache {
  private readonly entries = new Map<string, Uint8Array<ArrayBuffer>>();
  private held = 0;

  /** @param limit bytes; an array larger than this is not kept. */
  constructor(readonly limit: number) {}

  get bytes(): number {
    return this.held;
  }

  get size(): number {
    return this.entries.size;
  }

  get(key: string): Uint8Array<ArrayBuffer> | undefined {
    const found = this.entries.get(key);
    if (found !== undefined) {
      // A Map keeps the order of insertion: the first is the one not asked for the longest.
      this.entries.delete(key);
      this.entries.set(key, found);
    }
    return found;
  }

  has(key: string): boolean {
    return this.entries.has(key);
  }

  put(key: string, value: Uint8Array<ArrayBuffer>): void {
    this.remove(key);
    if (value.byteLength > this.limit) return;
    this.entries.set(key, value);
    this.held += value.byteLength;
    for (const oldest of this.entries.keys()) {
      if (this.held <= this.limit) break;
      this.remove(oldest);
    }
  }

  remove(key: string): void {
    const found = this.entries.get(key);
    if (found === undefined) return;
    this.entries.delete(key);
    this.held -= found.byteLength;
  }

  clear(): void {
    this.entries.clear();
    this.held = 0;
  }
}
