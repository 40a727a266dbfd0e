import { fillHoles } from "../segmentation/fill_holes.js";
import { runsOfLabels } from "../segmentation/label_runs.js";
import { objectMask } from "../segmentation/object_mask.js";
import { SPLIT_VOXELS, splitTouching } from "../segmentation/split_touching.js";
import { BoxTooLargeError } from "../segmentation/voxel_box.js";
import type { Vec3 } from "../volume/types.js";
import type { OnProgress } from "./types.js";
import type { VolumeObject } from "./volume_objects.js";

export interface RefineOptions {
  /** Fill background that an object encloses (`fillHoles`). */
  readonly holes: boolean;
  /** Part mitochondria that touch at their necks (`splitTouching`). */
  readonly parts: boolean;
  /** nm. */
  readonly voxelSize: Vec3;
  /** Parts of fewer voxels are left out. */
  readonly minimumVoxels: number;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface RefinedObjects {
  readonly objects: VolumeObject[];
  readonly filledVoxels: number;
  /** Objects that became more than one. */
  readonly parted: number;
  /** Ids of objects that are too large for it, and stay as they were. */
  readonly tooLarge: readonly number[];
}

/**
 * Fills the holes of whole objects and parts those that touch, each on its own. The part that comes first in scan order keeps the object's id,
 * the others get ids from one above the greatest on.
 * @throws the signal's reason.
 */
export async function refineObjects(
  found: readonly VolumeObject[],
  options: RefineOptions,
): Promise<RefinedObjects> {
  const objects: VolumeObject[] = [];
  const tooLarge: number[] = [];
  let filledVoxels = 0;
  let parted = 0;
  let nextId = found.reduce((most, { id }) => Math.max(most, id), 0) + 1;
  for (const [i, object] of found.entries()) {
    // Lets Ctrl-C in.
    await new Promise((resume) => setTimeout(resume, 0));
    options.signal?.throwIfAborted();
    options.onProgress?.({ done: i, total: found.length, unit: "objects" });
    try {
      const { filled, parts } = refine(object, options);
      filledVoxels += filled;
      if (parts.length > 1) parted++;
      parts.forEach((part, n) => {
        const id = n === 0 ? object.id : nextId++;
        if (part.voxels >= options.minimumVoxels) objects.push({ id, ...part });
      });
    } catch (error) {
      if (!(error instanceof BoxTooLargeError)) throw error;
      tooLarge.push(object.id);
      objects.push(object);
    }
  }
  objects.sort((a, b) => a.id - b.id);
  return { objects, filledVoxels, parted, tooLarge };
}

function refine(
  object: VolumeObject,
  { holes, parts, voxelSize }: RefineOptions,
): { filled: number; parts: Omit<VolumeObject, "id">[] } {
  const box = objectMask(object.pieces(), "refine an object", SPLIT_VOXELS);
  const { mask, filled } = holes ? fillHoles(box.mask, box.size) : { mask: box.mask, filled: 0 };
  const labels = parts ? splitTouching(mask, box.size, voxelSize).labels : mask;
  const { runs, values } = runsOfLabels(labels, box.size);
  const voxels = new Float64Array(values.length + 1);
  runs.labels.forEach((label, run) => {
    voxels[label] += runs.ends[run] - runs.starts[run];
  });
  return {
    filled,
    parts: values.map((_, n) => ({
      voxels: voxels[n + 1],
      pieces: () => [{ lower: box.lower, runs, labels: [n + 1] }],
    })),
  };
}
