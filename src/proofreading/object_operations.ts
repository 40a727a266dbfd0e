import type { Vec3 } from "../volume/types.js";
import type { Attempt } from "./attempt.js";
import type {
  CommentAction,
  CorrectedObject,
  DeleteAction,
  MergeAction,
  SeparateAction,
  Signed,
  Stamp,
  TagAction,
  VerdictAction,
} from "./types.js";
import { componentAt, cropSet, fromMask, subtract } from "./voxel_set.js";

/** All atoms under the anchors become one object. */
export function mergeObjects(attempt: Attempt, { anchors }: MergeAction): void {
  const found = new Map<number, CorrectedObject>();
  for (const anchor of anchors) {
    const object = attempt.live(anchor);
    if (object !== undefined) found.set(object.id, object);
  }
  const objects = [...found.values()].sort((a, b) => a.id - b.id);
  if (objects.length < 2) {
    if (attempt.conflicts.length === 0)
      attempt.conflict("already-one", "all anchors are in one object already", anchors);
    return;
  }
  const atoms = objects.flatMap((object) => object.atoms).sort((a, b) => a.id - b.id);
  attempt.state.remove(objects);
  attempt.state.put({
    id: atoms[0].id,
    atoms,
    verdict: mergedVerdict(attempt, objects, anchors),
    tags: [...new Set(objects.flatMap(({ tags }) => tags))].sort(),
    comments: objects
      .flatMap(({ comments }) => comments)
      .sort((a, b) => a.time - b.time || (a.operation < b.operation ? -1 : 1)),
  });
}

/**
 * Verdicts that agree, or the only one there is, hold for the whole. Where they differ nobody has judged the whole: it is for an expert
 * if a part was, else unsure.
 */
function mergedVerdict(
  attempt: Attempt,
  objects: readonly CorrectedObject[],
  anchors: readonly Vec3[],
): CorrectedObject["verdict"] {
  const given = objects.flatMap(({ verdict }) => verdict ?? []);
  given.sort((a, b) => b.time - a.time || (a.operation < b.operation ? 1 : -1));
  const kinds = [...new Set(given.map(({ verdict }) => verdict))].sort();
  if (kinds.length < 2) return given[0];
  const verdict = kinds.includes("expert") ? "expert" : "unsure";
  attempt.conflict("verdicts-differ", `merges what is ${kinds.join(" and ")}: now ${verdict}`, anchors);
  return { verdict, ...signed(attempt.operation) };
}

/** See `SeparateAction`. */
export function separateObject(attempt: Attempt, { anchor, within }: SeparateAction): void {
  const object = attempt.live(anchor);
  if (object === undefined) return;
  const atom = attempt.atomAt(object, anchor);
  const others = object.atoms.filter(({ id }) => id !== atom.id);
  if (within === undefined && others.length > 0) {
    attempt.divide(object, [[atom], others]);
    return;
  }
  const { connectivity } = attempt.operation.settings;
  const whole = attempt.state.voxelsOfAtom(atom);
  const part = componentAt(within ? cropSet(whole, within) : whole, anchor, connectivity);
  if (part.count === 0) {
    attempt.conflict("no-object", `${anchor} is not in the box that it should be separated in`, [anchor]);
    return;
  }
  const rest = subtract(whole, part);
  if (rest.count === 0 && others.length === 0) {
    attempt.conflict("already-apart", "there is nothing left that it could be separated from", [anchor]);
    return;
  }
  if (rest.count === 0) attempt.divide(object, [[atom], others]);
  else {
    const made = { id: attempt.madeId(0), voxels: part };
    attempt.divide(object, [[made], [{ id: atom.id, voxels: rest }, ...others]]);
  }
}

export function deleteObject(attempt: Attempt, { anchor }: DeleteAction): void {
  const object = attempt.live(anchor);
  if (object !== undefined) attempt.state.put({ ...object, deleted: signed(attempt.operation) });
}

/** The object that was deleted last at the anchor comes back, with the voxels that no other object took since. */
export function restoreObject(attempt: Attempt, { anchor }: DeleteAction): void {
  const object = attempt.at(anchor);
  if (object === undefined || !object.deleted) {
    attempt.conflict("not-deleted", `no deleted object is at ${anchor}`, [anchor]);
    return;
  }
  const { state } = attempt;
  const atoms = object.atoms.flatMap((atom) => {
    const voxels = state.voxelsOfAtom(atom);
    if (voxels.count === 0) return [];
    const lost = fromMask(state.taken(voxels.box, object.id), voxels.box);
    const left = subtract(voxels, lost);
    return left.count === voxels.count ? [atom] : left.count === 0 ? [] : [{ id: atom.id, voxels: left }];
  });
  if (atoms.length === 0) {
    attempt.conflict("would-vanish", "other objects have taken all of its voxels", [anchor]);
    return;
  }
  state.remove([object]);
  state.put({ ...object, id: atoms[0].id, atoms, deleted: undefined });
}

export function giveVerdict(attempt: Attempt, { anchor, verdict }: VerdictAction): void {
  const object = attempt.live(anchor);
  if (object === undefined) return;
  const said = verdict === "none" ? undefined : { verdict, ...signed(attempt.operation) };
  attempt.state.put({ ...object, verdict: said });
}

export function tagObject(attempt: Attempt, { anchor, tag, remove }: TagAction): void {
  const object = attempt.live(anchor);
  if (object === undefined) return;
  const others = object.tags.filter((each) => each !== tag);
  attempt.state.put({ ...object, tags: remove ? others : [...others, tag].sort() });
}

export function commentOn(attempt: Attempt, { anchor, text }: CommentAction): void {
  const object = attempt.live(anchor);
  if (object === undefined) return;
  const comment = { text, anchor, ...signed(attempt.operation) };
  attempt.state.put({ ...object, comments: [...object.comments, comment] });
}

function signed({ id, author, time }: Stamp): Signed {
  return { operation: id, author, time };
}
