import type { PlacedRuns } from "../../src/segmentation/types.js";
import type { Box, Vec3 } from "../../src/volume/types.js";

/**
 * What a user's edits make of the ids that chunks were joined to by themselves. It stands behind the graph: automatic links stay in the
 * graph, the user's merges and splits here, so that neither undoes the other when a chunk is computed anew.
 */
export interface EditOverlay {
  /**
   * The ids to show for the labels of a chunk.
   * @param position Of the chunk in the grid.
   * @param ids Those of its whole objects, by label, 0 where nothing is shown; not to be changed.
   */
  apply(position: Vec3, ids: Float64Array): Float64Array;
  /** Another number each time that voxels which edits drew into a chunk changed. */
  drawnVersion(key: string): number;
  /**
   * Paints the voxels that edits drew over the ids of a box, x fastest.
   * @param preview Also those of an edit that is only tried.
   * @param factor Voxels of the predicted scale in one of the box, which stands for the one in its middle (see `Thumbnails`).
   */
  paint(box: Box, ids: BigUint64Array, preview: boolean, factor?: Vec3): void;
  /** Whether an id is an object's; undefined when the edits have nothing to do with it. */
  isObject(id: number): boolean | undefined;
  /** Stands for the voxels of an object that edits gave others, another object when they change; undefined of others. */
  shape(id: number): object | undefined;
  /** Predicted objects that are part of such an object as they are. */
  partsOf(id: number): readonly number[];
  /** Voxels of an object that edits changed; undefined of others. */
  piecesOf(id: number): PlacedRuns[] | undefined;
}
