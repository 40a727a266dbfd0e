/** Links that the page holds at once. Its table of them is made anew at each change, at the cost of a frame when it is large. */
export const MOST_LINKS = 256;

/** What a chunk on the screen shows, and what it should show: an id a label, 0 where nothing is shown. Index 0 is unused. */
export interface Outdated {
  readonly shown: ArrayLike<number>;
  readonly wanted: ArrayLike<number>;
}

/** A change of the page's links; ids as numbers. */
export interface LinkChange {
  /** Pairs: an id that chunks on the screen still show, and the smaller one that stands for it. */
  readonly linked: Float64Array;
  /** Ids whose links go. */
  readonly unlinked: Float64Array;
}

/**
 * The links that bridge the time until chunks with ids of before are written anew: "where the old id is shown, it means the new one".
 * They follow from what is outdated on the screen at the moment, so there is none without a chunk that needs it.
 */
export class LinkTable {
  private readonly links = new Map<number, number>();

  constructor(private readonly most = MOST_LINKS) {}

  get size(): number {
    return this.links.size;
  }

  /**
   * @param outdated Finished chunks with ids of before, the most wanted first.
   * @param isObject Whether an id is an object's now: it means itself then, and cannot stand for another.
   * @returns What is different from before; undefined when nothing is.
   */
  update(outdated: Iterable<Outdated>, isObject: (id: number) => boolean): LinkChange | undefined {
    const wanted = this.choose(outdated, isObject);
    const linked: number[] = [];
    const unlinked: number[] = [];
    for (const [from, to] of this.links) if (wanted.get(from) !== to) unlinked.push(from);
    for (const [from, to] of wanted) if (this.links.get(from) !== to) linked.push(from, to);
    if (linked.length === 0 && unlinked.length === 0) return undefined;
    for (const from of unlinked) this.links.delete(from);
    for (let i = 0; i < linked.length; i += 2) this.links.set(linked[i], linked[i + 1]);
    return { linked: Float64Array.from(linked), unlinked: Float64Array.from(unlinked) };
  }

  private choose(outdated: Iterable<Outdated>, isObject: (id: number) => boolean): Map<number, number> {
    const wanted = new Map<number, number>();
    // An old id that now means several objects cannot be linked: its chunks wait to be written.
    const parted = new Set<number>();
    for (const { shown, wanted: now } of outdated) {
      for (let label = 1; label < shown.length; label++) {
        const from = shown[label];
        const to = now[label];
        // The smaller id of a link is the one that Neuroglancer shows.
        if (from === to || from === 0 || parted.has(from)) continue;
        const other = wanted.get(from);
        if (to === 0 || to > from || (other !== undefined && other !== to)) {
          parted.add(from);
          wanted.delete(from);
        } else if (other === undefined && wanted.size < this.most && !isObject(from)) wanted.set(from, to);
      }
    }
    return wanted;
  }
}
