import type { RegionDistribution } from "../../src/morphology/types.js";
import type { QueuePlace } from "../../src/proofreading/queue.js";
import type {
  Conflict,
  EditedVolume,
  KnownOperation,
  Operation,
  Verdict,
} from "../../src/proofreading/types.js";
import type { Vec3 } from "../../src/volume/types.js";

/** What the page and the chunk worker say to each other of a layer's edits. `source` is the RPC id of its labels source. */

/** Page -> chunk worker: operations of the log; those that are known are passed over. */
export const ADD_EDITS = "chondria/addEdits";
export interface AddEdits {
  readonly source: number;
  readonly volume: EditedVolume;
  readonly operations: readonly Operation[];
}

/** Page -> chunk worker, answered: what an operation would do now; shown until the next one, or one without an operation. */
export const TRY_EDIT = "chondria/tryEdit";
export interface TryEdit {
  readonly source: number;
  readonly volume: EditedVolume;
  readonly operation?: KnownOperation;
  /** Whether the views show it. */
  readonly show: boolean;
  /** Voxels that the views mark with dots, one list a colour. */
  readonly marks?: readonly (readonly Vec3[])[];
}
export interface TriedEdit {
  readonly conflicts: readonly Conflict[];
  /** Objects as they would be. */
  readonly objects: readonly EditedObject[];
}

/** Page -> chunk worker, answered (`FoundObject`): what is at a voxel. */
export const FIND_EDITED = "chondria/findEdited";
export interface FindEdited {
  readonly source: number;
  readonly volume: EditedVolume;
  readonly voxels: readonly Vec3[];
}
/** Of each voxel; "absent" where the chunk is not there yet. */
export type FoundObject = EditedObject | "background" | "absent";

/** An object as the page knows it. */
export interface EditedObject {
  readonly id: number;
  readonly voxels?: number;
  readonly deleted: boolean;
  readonly verdict?: Exclude<Verdict, "none">;
  readonly tags: readonly string[];
  readonly comments: readonly { readonly text: string; readonly author: string }[];
  /** Merged by hand of so many predicted objects and drawn parts. */
  readonly parts: number;
}

/** Page -> chunk worker, answered (`QueuePlaces`): objects that are there, measured for the queue, some at a time. */
export const QUEUE_PLACES = "chondria/queuePlaces";
export interface AskQueuePlaces {
  readonly source: number;
  readonly volume: EditedVolume;
  /** Goes on behind this id; 0 begins. */
  readonly after: number;
  readonly prior?: { readonly distribution: RegionDistribution; readonly pixelRatio: number };
}
export interface QueuePlaces {
  readonly places: readonly QueuePlace[];
  /** Where to go on; undefined at the end. */
  readonly next: number | undefined;
  /** Objects that are to be measured in all. */
  readonly total: number;
}

/** Chunk worker -> page: how the edits stand; after each change. */
export const EDITS_CHANGED = "chondria/editsChanged";
export interface EditsChanged {
  readonly id: number;
  /** At most `MOST_CONFLICTS`; none whose chunks are not there. */
  readonly conflicts: readonly Conflict[];
  readonly conflictCount: number;
  /** Operations that wait for chunks that nobody has looked at. */
  readonly waiting: number;
  /** Ids of objects that are others than before. */
  readonly changed: Float64Array;
  /** Objects that are no more, and (the first of) those that have their voxels: pairs. */
  readonly became: Float64Array;
  /** Ids of the operations that are in the replay now. */
  readonly operations: number;
  readonly corrected: number;
  /** What the last step took, ms. */
  readonly milliseconds: number;
}
export const MOST_CONFLICTS = 500;
