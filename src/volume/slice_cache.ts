/** What one look-up in flight or kept costs, least recently used first. */
interface Entry<T> {
  readonly value: Promise<T>;
  bytes: number;
}

/**
 * A cache of decoded slices that never keeps more than `limitBytes`, except for the one entry asked for last.
 * Look-ups of the same key at the same time share one load; a load that fails is forgotten, so that it is tried again.
 */
export class SliceCache<T extends ArrayBufferView> {
  private readonly entries = new Map<number, Entry<T>>();
  private held = 0;

  constructor(private readonly limitBytes: number) {}

  /** Bytes of the decoded slices kept now. */
  get bytes(): number {
    return this.held;
  }

  get(key: number, load: () => Promise<T>): Promise<T> {
    const known = this.entries.get(key);
    if (known) {
      this.entries.delete(key);
      this.entries.set(key, known);
      return known.value;
    }
    const entry: Entry<T> = { value: load(), bytes: 0 };
    this.entries.set(key, entry);
    entry.value.then(
      (slice) => {
        if (this.entries.get(key) !== entry) return;
        entry.bytes = slice.byteLength;
        this.held += entry.bytes;
        this.evict(entry);
      },
      () => {
        if (this.entries.get(key) === entry) this.entries.delete(key);
      },
    );
    return entry.value;
  }

  clear(): void {
    this.entries.clear();
    this.held = 0;
  }

  private evict(newest: Entry<T>): void {
    for (const [key, entry] of this.entries) {
      if (this.held <= this.limitBytes) return;
      // A load in flight holds nothing yet; the newest stays, else a slice larger than the limit could never be used.
      if (entry === newest || entry.bytes === 0) continue;
      this.entries.delete(key);
      this.held -= entry.bytes;
    }
  }
}
