import type { Vec3 } from "../volume/types.js";
import type { Corrections } from "./corrections.js";
import { madeObjectId } from "./operation_id.js";
import type { Atom, Conflict, ConflictReason, CorrectedObject, KnownOperation } from "./types.js";
import { hasVoxel } from "./voxel_set.js";

/** One operation being applied: finds its objects, notes what does not work, and which objects it was about. */
export class Attempt {
  readonly conflicts: Conflict[] = [];
  /** Ids, predicted and corrected, of the objects under its anchors. */
  readonly subjects = new Set<number>();

  constructor(
    readonly state: Corrections,
    readonly operation: KnownOperation,
  ) {}

  conflict(reason: ConflictReason, message: string, anchors: readonly Vec3[]): void {
    this.conflicts.push({ operation: this.operation.id, reason, message, anchors });
  }

  /** Object under an anchor, deleted or not. */
  at(anchor: Vec3): CorrectedObject | undefined {
    const predicted = this.state.view.objectAt(anchor);
    if (predicted !== 0) this.subjects.add(predicted);
    const id = this.state.find(anchor);
    if (id === 0) return undefined;
    this.subjects.add(id);
    return this.state.get(id);
  }

  /** Object under an anchor; undefined, with a conflict, where there is none or it is deleted. */
  live(anchor: Vec3): CorrectedObject | undefined {
    const object = this.at(anchor);
    if (object === undefined) this.conflict("no-object", noObject(this.operation, anchor), [anchor]);
    else if (object.deleted) this.conflict("deleted", `the object at ${anchor} is deleted`, [anchor]);
    else return object;
    return undefined;
  }

  /** Id for what the operation makes as its number `part`. */
  madeId(part: number): number {
    return this.state.freeId(madeObjectId(this.operation.id, part));
  }

  /** Atom of an object that holds a voxel of it. */
  atomAt(object: CorrectedObject, voxel: Vec3): Atom {
    const predicted = this.state.view.objectAt(voxel);
    const drawn = object.atoms.find(({ voxels }) => voxels !== undefined && hasVoxel(voxels, voxel));
    const atom = drawn ?? object.atoms.find(({ id, voxels }) => voxels === undefined && id === predicted);
    if (atom === undefined) throw new Error(`object ${object.id} has no voxel ${voxel}`);
    return atom;
  }

  /**
   * Puts groups of atoms in the place of an object. What was said of it holds for each of them, except that a comment stays with
   * the part that it was made at.
   */
  divide(object: CorrectedObject, groups: readonly (readonly Atom[])[]): void {
    this.state.remove([object]);
    const sets = groups.map((atoms) => atoms.map((atom) => this.state.voxelsOfAtom(atom)));
    const home = object.comments.map(({ anchor }) =>
      sets.findIndex((parts) => parts.some((part) => hasVoxel(part, anchor))),
    );
    groups.forEach((atoms, i) => {
      const sorted = [...atoms].sort((a, b) => a.id - b.id);
      const comments = object.comments.filter((_, k) => home[k] === i || home[k] < 0);
      this.state.put({ ...object, id: sorted[0].id, atoms: sorted, comments });
    });
  }
}

function noObject({ settings }: KnownOperation, anchor: Vec3): string {
  return `no object at ${anchor} (the operation was made at threshold ${settings.threshold})`;
}
