import type { Connectivity, LabelSettings, PlacedRuns } from "../segmentation/types.js";
import type { Box, Vec3 } from "../volume/types.js";

/** Anything wrong with a log of edits: names the file (and line) and says what to do. */
export class EditLogError extends Error {
  override name = "EditLogError";
}

/** The voxels that anchors of an operation are counted in. */
export interface EditedVolume {
  /** The prediction's source, as in the viewer's URL. */
  readonly url: string;
  /** Index of the predicted scale. */
  readonly scale: number;
}

export const VERDICTS = ["accept", "reject", "unsure", "expert", "none"] as const;
/** "none" takes a verdict back. */
export type Verdict = (typeof VERDICTS)[number];

/** Where a change of shape works: through all sections, within each section, or within the anchor's section only. */
export type Reach =
  | { readonly dimensions: 3 }
  | { readonly dimensions: 2; readonly axis: 0 | 1 | 2; readonly sections: "all" | "anchor" };

/** The objects under two or more anchors become one. */
export interface MergeAction {
  readonly kind: "merge";
  readonly anchors: readonly Vec3[];
}

/** The object is cut so that each part holds its markers: seeded watershed inside the object. */
export interface SplitAction {
  readonly kind: "split";
  /** Voxels of each part, two parts at least. */
  readonly parts: readonly (readonly Vec3[])[];
  /** What the watershed floods: 255 - probability, or the object's inside from its middle outwards. */
  readonly landscape: "probability" | "distance";
}

/**
 * What is under the anchor leaves the object it belongs to: one of the pieces that were merged by hand; where the object is one piece, the
 * connected part of it inside of `within`, as a chunk that was joined automatically.
 */
export interface SeparateAction {
  readonly kind: "separate";
  readonly anchor: Vec3;
  readonly within?: Box;
}

interface DeleteOf<Kind> {
  readonly kind: Kind;
  readonly anchor: Vec3;
}
export type DeleteAction = DeleteOf<"delete"> | DeleteOf<"restore">;

/** A voxel clicked at, and the half width of the object there, in voxels. */
export type Click = readonly [x: number, y: number, z: number, radius: number];

/**
 * How an object runs: lines of clicks along its middle, each line in one section across `axis`; sections between two that have lines are
 * interpolated, see `strokeRegion`.
 */
export interface Strokes {
  readonly axis: 0 | 1 | 2;
  readonly lines: readonly (readonly Click[])[];
}

/**
 * An object that was missed: grown from a voxel through probability >= threshold, within an ellipsoid and, where there are any, the strokes.
 * With a threshold of 0 it is the strokes, for what the model does not see at all.
 */
export interface AddAction {
  readonly kind: "add";
  readonly seed: Vec3;
  /** 0..1 */
  readonly threshold: number;
  /** Half axes of the ellipsoid around the seed, in voxels. */
  readonly radius: Vec3;
  readonly strokes?: Strokes;
}

export interface FillAction {
  readonly kind: "fill_holes";
  readonly anchor: Vec3;
  readonly reach: Reach;
}

interface ShapeOf<Kind> {
  readonly kind: Kind;
  readonly anchor: Vec3;
  readonly reach: Reach;
  /** How many voxels, or how many passes of smoothing. */
  readonly voxels: number;
}
export type ShapeAction = ShapeOf<"smooth"> | ShapeOf<"grow"> | ShapeOf<"shrink">;

export interface VerdictAction {
  readonly kind: "verdict";
  readonly anchor: Vec3;
  readonly verdict: Verdict;
}

export interface TagAction {
  readonly kind: "tag";
  readonly anchor: Vec3;
  readonly tag: string;
  /** Takes the tag off. */
  readonly remove?: boolean;
}

export interface CommentAction {
  readonly kind: "comment";
  readonly anchor: Vec3;
  readonly text: string;
}

interface UndoOf<Kind> {
  readonly kind: Kind;
  /** Id of the operation that is taken back, or put back. */
  readonly target: string;
}
export type UndoAction = UndoOf<"undo"> | UndoOf<"redo">;

export type Action =
  | MergeAction
  | SplitAction
  | SeparateAction
  | DeleteAction
  | AddAction
  | FillAction
  | ShapeAction
  | VerdictAction
  | TagAction
  | CommentAction
  | UndoAction;

/** What every entry of a log says, whatever its kind. */
export interface Stamp {
  /** Unique over all logs. */
  readonly id: string;
  /** Milliseconds since 1970, but later than every operation that its author had seen. */
  readonly time: number;
  readonly author: string;
  /** The last operations of the log when it was made (one; several after logs were merged; none in an empty log). */
  readonly after: readonly string[];
  /** Digest of the model package that predicted. */
  readonly model: string;
  readonly volume: EditedVolume;
  /** What the author saw the objects at. */
  readonly settings: { readonly threshold: number; readonly connectivity: Connectivity };
}

export type KnownOperation = Stamp & Action;

/** An entry that a newer version wrote: kept word for word, shown, not applied. */
export interface ForeignOperation extends Stamp {
  readonly kind: "not understood";
  /** The entry as it stands in the file. */
  readonly record: Readonly<Record<string, unknown>>;
}

export type Operation = KnownOperation | ForeignOperation;

/** What a replay needs of the predictions: a whole labelled volume, or the chunks that are there. */
export interface PredictionView {
  /** Voxels that can be edited. */
  readonly bounds: Box;
  /** nm */
  readonly voxelSize: Vec3;
  readonly settings: LabelSettings;
  /** When it is known, operations on another volume are refused. */
  readonly volume?: EditedVolume;
  /** Id (above 0, below 2^52) of the predicted object at a voxel; 0 for background and for what is not there yet. */
  objectAt(voxel: Vec3): number;
  /** All known pieces of an object; none for an id that is not there. */
  runsOf(object: number): readonly PlacedRuns[];
  /** Predicted objects that may have voxels in a box: none is left out, too many do no harm. */
  objectsIn(box: Box): Iterable<number>;
  /** round(255 p), x fastest, 0 where it is not known. */
  probability(box: Box): Promise<Uint8Array>;
}

/** Voxels as runs along x: four numbers each, z, y, first x, last x + 1, in this order of sorting, none touching the next. */
export interface VoxelSet {
  /** Smallest box around them. */
  readonly box: Box;
  readonly count: number;
  readonly runs: Int32Array;
}

/** Part of an object: a predicted object as it is, or voxels that an operation made. */
export type Atom =
  | { readonly id: number; readonly voxels?: undefined }
  | { readonly id: number; readonly voxels: VoxelSet };

/** Who said it, and when. */
export interface Signed {
  readonly operation: string;
  readonly author: string;
  readonly time: number;
}

export interface ObjectComment extends Signed {
  readonly text: string;
  readonly anchor: Vec3;
}

/** An object after corrections. */
export interface CorrectedObject {
  /** The smallest id of its atoms: that of a predicted object, or one from 2^52 on for what an operation made. */
  readonly id: number;
  /** Ascending ids. More than one: merged by hand. */
  readonly atoms: readonly Atom[];
  /** By whom, while it is deleted. */
  readonly deleted?: Signed;
  readonly verdict?: Signed & { readonly verdict: Exclude<Verdict, "none"> };
  readonly tags: readonly string[];
  readonly comments: readonly ObjectComment[];
}

export type ConflictReason =
  /** No object is under an anchor at the present threshold and with the chunks that are there. */
  | "no-object"
  /** Markers of a split lie in different objects, or what is to be separated is by itself: nothing to do now, holds when they meet. */
  | "already-apart"
  | "already-one"
  /** An object to be added is there already. */
  | "already-there"
  | "deleted"
  | "not-deleted"
  /** Nothing of the object, or nothing but it, would come out. */
  | "no-change"
  | "would-vanish"
  | "below-threshold"
  | "too-large"
  | "no-prediction"
  /** Objects of different verdicts were merged. */
  | "verdicts-differ"
  | "other-volume"
  /** Target of undo or redo that is not in the log before it. */
  | "no-target"
  | "not-understood";

/** An operation that could not be applied, or not as its author saw it. It stays in the log and is tried again at each replay. */
export interface Conflict {
  readonly operation: string;
  readonly reason: ConflictReason;
  /** One sentence for people. */
  readonly message: string;
  /** Anchors concerned. */
  readonly anchors: readonly Vec3[];
}
