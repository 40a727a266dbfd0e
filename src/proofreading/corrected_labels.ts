import { boxSize, boxVolume } from "../volume/box.js";
import type { Box } from "../volume/types.js";
import type { Corrections } from "./corrections.js";
import type { PredictionView } from "./types.js";
import { fromPlaced, paintSet } from "./voxel_set.js";

/**
 * Corrects labels of a box in place: ids of predicted objects become those of the corrected ones, voxels that operations made are painted
 * over. For the chunks that a viewer shows.
 * @param labels ids of predicted objects, x fastest, 0 for background.
 */
export function correctLabels(corrections: Corrections, box: Box, labels: Float64Array): void {
  if (labels.length !== boxVolume(box))
    throw new RangeError(`${labels.length} voxels do not make a box of ${boxSize(box).join(" x ")}`);
  let last = 0;
  let shown = 0;
  for (let i = 0; i < labels.length; ++i) {
    const id = labels[i];
    if (id === 0) continue;
    if (id !== last) {
      last = id;
      shown = corrections.shownAs(id);
    }
    labels[i] = shown;
  }
  for (const { id, atoms } of corrections.drawnIn(box))
    for (const { voxels } of atoms) if (voxels !== undefined) paintSet(voxels, box, labels, id);
}

/**
 * Ids of the corrected objects in a box, x fastest, from the predictions' runs.
 * @param keep which predicted objects that nobody corrected are painted, by id; without it all.
 */
export function correctedLabels(
  corrections: Corrections,
  box: Box,
  keep?: (id: number) => boolean,
): Float64Array {
  const labels = new Float64Array(boxVolume(box));
  const view: PredictionView = corrections.view;
  for (const id of view.objectsIn(box)) {
    const shown = corrections.shownAs(id);
    if (shown === 0 || (!corrections.has(shown) && keep?.(id) === false)) continue;
    paintSet(fromPlaced(view.runsOf(id)), box, labels, shown);
  }
  for (const { id, atoms } of corrections.drawnIn(box))
    for (const { voxels } of atoms) if (voxels !== undefined) paintSet(voxels, box, labels, id);
  return labels;
}
