import type { Box, Vec3 } from "../volume/types.js";
import type { Atom, CorrectedObject, PredictionView, VoxelSet } from "./types.js";
import { boxesMeet, fromPlaced, hasVoxel, maskOf, paintSet, union } from "./voxel_set.js";

/** Owner of a predicted object whose voxels were taken into atoms of their own. */
const TAKEN = -1;

/**
 * What a change did, to take it back; and what it saw, since another outcome there may change its own: ids, and boxes in which it looked for
 * what others drew.
 */
export interface Change {
  readonly keys: ReadonlySet<number>;
  readonly reads: readonly Box[];
  /** Where voxels were drawn, or drawn ones taken away. Where predicted objects change hands, `keys` tells. */
  readonly writes: readonly Box[];
  readonly owners: ReadonlyMap<number, number | undefined>;
  readonly objects: ReadonlyMap<number, CorrectedObject | undefined>;
}

/**
 * The corrections of predicted objects: only what differs from the predictions is held. Every change is made between `begin` and
 * `end`, which gives the means to revert it; changes that share no key may be reverted in any order, others last first.
 *
 * No two objects that are not deleted share a voxel. A deleted object keeps its voxels as far as others do not take them.
 */
export class Corrections {
  /** Of predicted objects that belong to a corrected one; others are objects of their own. */
  private readonly owners = new Map<number, number>();
  private readonly objects = new Map<number, CorrectedObject>();
  /** Those with voxels that are not predicted objects'. */
  private readonly drawn = new Map<number, CorrectedObject>();
  /** Absent outside of a change: then nobody asks what was seen. */
  private keys: Set<number> | undefined;
  private reads: Box[] = [];
  private oldOwners = new Map<number, number | undefined>();
  private oldObjects = new Map<number, CorrectedObject | undefined>();

  constructor(readonly view: PredictionView) {}

  begin(): void {
    this.keys = new Set();
    this.reads = [];
    this.oldOwners = new Map();
    this.oldObjects = new Map();
  }

  end(): Change {
    const writes: Box[] = [];
    for (const [id, before] of this.oldObjects)
      for (const object of [before, this.objects.get(id)])
        for (const { voxels } of object?.atoms ?? []) if (voxels !== undefined) writes.push(voxels.box);
    const change = {
      keys: this.keys ?? new Set<number>(),
      reads: this.reads,
      writes,
      owners: this.oldOwners,
      objects: this.oldObjects,
    };
    this.keys = undefined;
    return change;
  }

  revert({ owners, objects }: Change): void {
    for (const [id, owner] of owners) {
      if (owner === undefined) this.owners.delete(id);
      else this.owners.set(id, owner);
    }
    for (const [id, object] of objects) this.store(id, object);
  }

  /** Object at a voxel; where there is none, the one that was deleted last; 0 when there never was any. */
  find(voxel: Vec3): number {
    const predicted = this.view.objectAt(voxel);
    if (predicted !== 0) this.touch(predicted);
    let deleted: CorrectedObject | undefined;
    for (const object of this.drawn.values()) {
      if (!draws(object, voxel)) continue;
      this.touch(object.id);
      if (!object.deleted) return object.id;
      deleted = deletedLast(deleted, object);
    }
    const owner = predicted === 0 ? TAKEN : this.ownerOf(predicted);
    if (owner !== TAKEN) {
      this.touch(owner);
      const object = this.objects.get(owner);
      if (!object?.deleted) return owner;
      deleted = deletedLast(deleted, object);
    }
    const [x, y, z] = voxel;
    this.look({ lower: voxel, upper: [x + 1, y + 1, z + 1] });
    return deleted?.id ?? 0;
  }

  /** An object by its id, also one that is as predicted. */
  get(id: number): CorrectedObject {
    this.touch(id);
    return this.objects.get(id) ?? { id, atoms: [{ id }], tags: [], comments: [] };
  }

  /** Whether an object differs from the predictions. */
  has(id: number): boolean {
    return this.objects.has(id);
  }

  /** Objects that differ from the predictions, in any way. */
  corrected(): IterableIterator<CorrectedObject> {
    return this.objects.values();
  }

  /** Object that a predicted one is (part of) now; 0 when it is deleted, or its voxels were given out anew. */
  shownAs(predicted: number): number {
    const owner = this.ownerOf(predicted);
    return owner === TAKEN || this.objects.get(owner)?.deleted ? 0 : owner;
  }

  /** Objects with voxels of their own (which go over the predicted ones) that may reach into a box, not deleted. */
  *drawnIn(box: Box): IterableIterator<CorrectedObject> {
    for (const object of this.drawn.values()) if (!object.deleted && reaches(object, box)) yield object;
  }

  voxelsOfAtom(atom: Atom): VoxelSet {
    return atom.voxels ?? fromPlaced(this.view.runsOf(atom.id));
  }

  voxelsOf(object: CorrectedObject): VoxelSet {
    return union(object.atoms.map((atom) => this.voxelsOfAtom(atom)));
  }

  /** Puts an object in the place of the one with its id. */
  put(object: CorrectedObject): void {
    this.remember(object.id);
    for (const { id, voxels } of object.atoms) if (voxels === undefined) this.own(id, object.id);
    this.store(object.id, object);
  }

  /** Takes objects out, before others with their atoms are put; predicted atoms that are not put again become `taken`. */
  remove(objects: Iterable<CorrectedObject>): void {
    for (const { id, atoms } of objects) {
      this.remember(id);
      for (const atom of atoms) if (atom.voxels === undefined) this.own(atom.id, TAKEN);
      this.store(id, undefined);
    }
  }

  /** 1 where objects other than `except` are, of those that are not deleted. @throws BoxTooLargeError */
  taken(box: Box, except: number): Uint8Array {
    this.look(box);
    const mask = maskOf({ box, count: 0, runs: new Int32Array(0) }, box);
    for (const predicted of this.view.objectsIn(box)) {
      this.touch(predicted);
      const owner = this.ownerOf(predicted);
      if (owner === TAKEN || owner === except) continue;
      this.touch(owner);
      if (!this.objects.get(owner)?.deleted) paintSet(fromPlaced(this.view.runsOf(predicted)), box, mask, 1);
    }
    for (const object of this.drawn.values()) {
      if (object.id === except || !reaches(object, box)) continue;
      this.touch(object.id);
      if (object.deleted) continue;
      for (const { voxels } of object.atoms) if (voxels !== undefined) paintSet(voxels, box, mask, 1);
    }
    return mask;
  }

  /** First id from `id` on that no object has. */
  freeId(id: number): number {
    let free = id;
    while (this.objects.has(free)) {
      this.touch(free);
      ++free;
    }
    return free;
  }

  private ownerOf(predicted: number): number {
    return this.owners.get(predicted) ?? predicted;
  }

  private touch(id: number): void {
    this.keys?.add(id);
  }

  private look(box: Box): void {
    if (this.keys !== undefined) this.reads.push(box);
  }

  private own(predicted: number, owner: number): void {
    this.touch(predicted);
    if (!this.oldOwners.has(predicted)) this.oldOwners.set(predicted, this.owners.get(predicted));
    this.owners.set(predicted, owner);
  }

  private remember(id: number): void {
    this.touch(id);
    if (!this.oldObjects.has(id)) this.oldObjects.set(id, this.objects.get(id));
  }

  private store(id: number, object: CorrectedObject | undefined): void {
    if (object === undefined) {
      this.objects.delete(id);
      this.drawn.delete(id);
      return;
    }
    this.objects.set(id, object);
    if (object.atoms.some(({ voxels }) => voxels !== undefined)) this.drawn.set(id, object);
    else this.drawn.delete(id);
  }
}

function reaches({ atoms }: CorrectedObject, box: Box): boolean {
  return atoms.some(({ voxels }) => voxels !== undefined && boxesMeet(voxels.box, box));
}

function draws({ atoms }: CorrectedObject, voxel: Vec3): boolean {
  for (const { voxels } of atoms) if (voxels !== undefined && hasVoxel(voxels, voxel)) return true;
  return false;
}

function deletedLast(a: CorrectedObject | undefined, b: CorrectedObject): CorrectedObject {
  if (a?.deleted === undefined || b.deleted === undefined) return b;
  const later = a.deleted.time - b.deleted.time || (a.deleted.operation < b.deleted.operation ? -1 : 1);
  return later > 0 ? a : b;
}
