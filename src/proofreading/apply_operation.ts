import type { Attempt } from "./attempt.js";
import {
  commentOn,
  deleteObject,
  giveVerdict,
  mergeObjects,
  restoreObject,
  separateObject,
  tagObject,
} from "./object_operations.js";
import { addObject, changeShape, splitAtMarkers } from "./voxel_operations.js";

/** Applies an operation to the corrections as they are; what does not work is noted in the attempt. Undo and redo do nothing here. */
export async function applyOperation(attempt: Attempt): Promise<void> {
  const { operation, state } = attempt;
  const { volume } = state.view;
  if (volume && (volume.url !== operation.volume.url || volume.scale !== operation.volume.scale)) {
    const { url, scale } = operation.volume;
    attempt.conflict("other-volume", `made on scale ${scale} of ${url}, which is not shown`, []);
    return;
  }
  switch (operation.kind) {
    case "merge":
      return mergeObjects(attempt, operation);
    case "split":
      return splitAtMarkers(attempt, operation);
    case "separate":
      return separateObject(attempt, operation);
    case "delete":
      return deleteObject(attempt, operation);
    case "restore":
      return restoreObject(attempt, operation);
    case "add":
      return addObject(attempt, operation);
    case "fill_holes":
    case "smooth":
    case "grow":
    case "shrink":
      return changeShape(attempt, operation);
    case "verdict":
      return giveVerdict(attempt, operation);
    case "tag":
      return tagObject(attempt, operation);
    case "comment":
      return commentOn(attempt, operation);
  }
}
