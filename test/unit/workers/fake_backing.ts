import type { Backing, StoredFile } from "../../../workers/store/backing.js";

/** A disk in memory whose faults can be chosen. */
export class FakeBacking implements Backing {
  readonly kind = "opfs";
  readonly files = new Map<string, { bytes: Uint8Array; time: number }>();
  /** Bytes that the browser grants. */
  quota = Number.POSITIVE_INFINITY;
  /** Thrown by every operation. */
  failure: Error | undefined;
  /** Awaited by every operation. */
  delay: Promise<void> | undefined;
  clock = 0;
  readonly calls = { read: 0, write: 0, list: 0 };

  get bytes(): number {
    return [...this.files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  async read(name: string) {
    this.calls.read += 1;
    await this.obey();
    return this.files.get(name);
  }

  async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.calls.write += 1;
    await this.obey();
    if (this.bytes + bytes.length > this.quota) throw new DOMException("full", "QuotaExceededError");
    this.files.set(name, { bytes: bytes.slice(), time: ++this.clock });
  }

  async has(name: string): Promise<boolean> {
    await this.obey();
    return this.files.has(name);
  }

  async remove(name: string): Promise<void> {
    await this.obey();
    this.files.delete(name);
  }

  async list(): Promise<StoredFile[]> {
    this.calls.list += 1;
    await this.obey();
    return [...this.files].map(([name, { bytes, time }]) => ({ name, bytes: bytes.length, time }));
  }

  private async obey(): Promise<void> {
    await this.delay;
    if (this.failure !== undefined) throw this.failure;
  }
}
