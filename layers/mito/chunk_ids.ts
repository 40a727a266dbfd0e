import { type LinkChange, LinkTable, type Outdated } from "./link_table.js";

/** Chunks written anew at the same time: painting here, packing in other threads. */
const AT_ONCE = 2;
/** Chunks chosen at once, so that what comes into view meanwhile soon has its turn. */
const GROUP = 8;

export interface Mapping {
  /** For the labels 0..count of a chunk; 0 where nothing is shown. */
  readonly ids: Float64Array;
  /** Which labels: another number when the chunk was labelled anew. */
  readonly version: number;
  /** Another number when voxels that edits drew over the labels changed. */
  readonly drawn?: number;
}

export interface ChunkIdsHost {
  /** Chunks that have data now, the most wanted first. */
  finished(): readonly string[];
  /** Whether a chunk is being made: it has ids already, and will have data. */
  isComing(key: string): boolean;
  /** The ids that a chunk's labels should show now; undefined when nothing is known of it. */
  wanted(key: string): Mapping | undefined;
  /**
   * Makes a chunk's data with these ids.
   * @returns What puts it in the place of the old; undefined when that cannot be done (any more). Must not reject.
   */
  write(key: string, mapping: Mapping): Promise<(() => void) | undefined>;
}

/**
 * Which ids each chunk's data holds, and the way to those that it should hold: data that is outdated is written anew in the
 * background, the most wanted first, and until then links stand in for it. So the page's table of links stays small however many
 * objects grow together.
 */
export class ChunkIds {
  private readonly shown = new Map<string, Mapping>();
  private readonly outdated = new Set<string>();
  /** Number of the last write that was begun, by chunk: an older one that ends later is not shown. */
  private readonly begun = new Map<string, number>();
  private readonly links = new LinkTable();
  private writes = 0;
  private running = false;
  private holds = 0;
  private disposed = false;
  /** Chunks written anew since the beginning. */
  rewritten = 0;

  constructor(private readonly host: ChunkIdsHost) {}

  get linkCount(): number {
    return this.links.size;
  }

  /** Chunks whose data holds other ids than it should. */
  get outdatedCount(): number {
    return this.outdated.size;
  }

  /** Says that data to be put in the place of a chunk's is begun. @returns Its number, for `replaced`. */
  begin(key: string): number {
    this.begun.set(key, ++this.writes);
    return this.writes;
  }

  /** Whether data that was begun may take the place of the chunk's: false when other data was begun later. */
  replaced(key: string, write: number, mapping: Mapping): boolean {
    if (this.begun.get(key) !== write) return false;
    this.arrived(key, mapping);
    return true;
  }

  /** Says that a chunk has come, or comes, with these ids. */
  arrived(key: string, mapping: Mapping): void {
    this.begun.delete(key);
    this.shown.set(key, mapping);
    const wanted = this.host.wanted(key);
    if (wanted !== undefined && !equal(mapping, wanted)) this.outdated.add(key);
    else this.outdated.delete(key);
  }

  /** The chunks should show other ids than they did: see `ChunkIdsHost.wanted`. */
  outdate(keys: Iterable<string>): void {
    for (const key of keys) this.outdated.add(key);
  }

  /** Writes what is outdated on the screen now, before the page hears of links: what a person just did is to be seen at once. */
  write(): void {
    this.start();
  }

  /** Writes nothing until `release`: someone else is about to write what matters. */
  hold(): void {
    this.holds++;
  }

  release(): void {
    this.holds--;
    this.start();
  }

  /** What is different about the links; undefined when nothing is. Starts the writing. */
  update(isObject: (id: number) => boolean): LinkChange | undefined {
    const finished = this.host.finished();
    this.forget(finished);
    const change = this.links.update(this.onScreen(finished), isObject);
    this.start();
    return change;
  }

  dispose(): void {
    this.disposed = true;
  }

  /** What is gone from here and from the page, and would be made with the right ids. */
  private forget(finished: readonly string[]): void {
    const there = new Set(finished);
    for (const key of this.outdated)
      if (!there.has(key) && !this.host.isComing(key)) this.outdated.delete(key);
    for (const key of this.shown.keys())
      if (!there.has(key) && !this.host.isComing(key)) this.shown.delete(key);
  }

  private *onScreen(finished: readonly string[]): Generator<Outdated> {
    if (this.outdated.size === 0) return;
    for (const key of finished) {
      if (!this.outdated.has(key)) continue;
      const shown = this.shown.get(key);
      const wanted = this.host.wanted(key);
      // Other labels are other voxels: nothing can be said of ids.
      if (shown === undefined || wanted === undefined || !sameVoxels(shown, wanted)) continue;
      yield { shown: shown.ids, wanted: wanted.ids };
    }
  }

  private start(): void {
    if (!this.running && this.holds === 0) void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    // Not in the turn in which the change came: more may come with it.
    await new Promise((resolve) => setTimeout(resolve, 0));
    while (!this.disposed && this.holds === 0) {
      const group = this.host
        .finished()
        .filter((key) => this.outdated.has(key))
        .slice(0, GROUP);
      if (group.length === 0) break;
      const next = group[Symbol.iterator]();
      const worker = async () => {
        for (const key of next) if (!this.disposed && this.holds === 0) await this.rewrite(key);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    }
    this.running = false;
  }

  private async rewrite(key: string): Promise<void> {
    const mapping = this.host.wanted(key);
    this.outdated.delete(key);
    if (mapping === undefined) return;
    const shown = this.shown.get(key);
    if (shown !== undefined && equal(shown, mapping)) return;
    const write = this.begin(key);
    const show = await this.host.write(key, mapping);
    if (show === undefined || this.disposed) return;
    if (!this.replaced(key, write, mapping)) return;
    this.rewritten++;
    show();
  }
}

function sameVoxels(a: Mapping, b: Mapping): boolean {
  return a.version === b.version && (a.drawn ?? 0) === (b.drawn ?? 0);
}

function equal(a: Mapping, b: Mapping): boolean {
  return sameVoxels(a, b) && a.ids.every((id, i) => id === b.ids[i]);
}
