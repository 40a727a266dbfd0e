import type { LabelRuns } from "../../src/segmentation/types.js";

/** Labels within a chunk take the lower 20 bits of a piece's id. */
const LABELS = 2 ** 20;

/** Voxels that each label of `before` shares with each label of `after`, both of one box: [before, after, voxels, ...]. */
export function overlaps(before: LabelRuns, after: LabelRuns): Float64Array {
  const shared = new Map<number, number>();
  for (let row = 0; row + 1 < before.rows.length; ++row) {
    let a = before.rows[row];
    let b = after.rows[row];
    while (a < before.rows[row + 1] && b < after.rows[row + 1]) {
      const from = Math.max(before.starts[a], after.starts[b]);
      const to = Math.min(before.ends[a], after.ends[b]);
      if (to > from) {
        const pair = before.labels[a] * LABELS + after.labels[b];
        shared.set(pair, (shared.get(pair) ?? 0) + to - from);
      }
      if (before.ends[a] < after.ends[b]) ++a;
      else ++b;
    }
  }
  const out = new Float64Array(3 * shared.size);
  let at = 0;
  for (const [pair, voxels] of shared) {
    out[at++] = Math.floor(pair / LABELS);
    out[at++] = pair % LABELS;
    out[at++] = voxels;
  }
  return out;
}

/**
 * Under which id an object lives on when chunks were labelled anew, as with another threshold: labels are numbered anew then, so that the
 * same id may mean another object. By the voxels shared.
 */
export class Heirs {
  /** Id of an object of before -> ids of new pieces, and the voxels that they share with it. */
  private readonly votes = new Map<number, Map<number, number>>();
  private readonly homes = new Set<number>();

  /**
   * @param firstId What is added to a label of the chunk to make the id of a piece.
   * @param ids Objects of the labels of before; 0 for one that was not shown.
   */
  add(firstId: number, before: LabelRuns, ids: ArrayLike<number>, after: LabelRuns): void {
    this.homes.add(firstId / LABELS);
    // Those that share nothing with what is there now have no heir, and must not keep an id that means another.
    for (let label = 1; label <= before.count; ++label) if (ids[label] > 0) this.of(ids[label]);
    const shared = overlaps(before, after);
    for (let i = 0; i < shared.length; i += 3) {
      const id = ids[shared[i]];
      if (!(id > 0)) continue;
      const votes = this.of(id);
      const piece = firstId + shared[i + 1];
      votes.set(piece, (votes.get(piece) ?? 0) + shared[i + 2]);
    }
  }

  /**
   * Objects whose piece that gave the id was labelled anew, and the ids under which most of them lives on; forgets all.
   * @param objectOf The object that a piece belongs to now.
   */
  take(objectOf: (piece: number) => number | undefined): Map<number, number> {
    const heirs = new Map<number, number>();
    for (const [id, pieces] of this.votes) {
      if (!this.homes.has(Math.floor(id / LABELS))) continue;
      const voxels = new Map<number, number>();
      for (const [piece, shared] of pieces) {
        const object = objectOf(piece);
        if (object !== undefined) voxels.set(object, (voxels.get(object) ?? 0) + shared);
      }
      let best: number | undefined;
      for (const [object, shared] of voxels)
        if (best === undefined || shared > voxels.get(best)!) best = object;
      if (best !== undefined) heirs.set(id, best);
    }
    this.votes.clear();
    this.homes.clear();
    return heirs;
  }

  private of(id: number): Map<number, number> {
    let votes = this.votes.get(id);
    if (votes === undefined) {
      votes = new Map();
      this.votes.set(id, votes);
    }
    return votes;
  }
}

/** Two renamings of many ids at once, one after the other, as one. */
export function followed(
  first: ReadonlyMap<number, number>,
  second: ReadonlyMap<number, number>,
): ReadonlyMap<number, number> {
  if (second.size === 0) return first;
  const both = new Map(second);
  for (const [from, middle] of first) both.set(from, second.get(middle) ?? middle);
  return both;
}
