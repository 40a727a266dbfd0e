import type { Vec3 } from "../../src/volume/types.js";

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
}
