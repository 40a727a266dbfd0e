import { boxSize, boxVolume } from "../volume/box.js";
import type { Box, VolumeSource } from "../volume/types.js";
import { correctLabels } from "./corrected_labels.js";
import type { Corrections } from "./corrections.js";
import type { VolumeView } from "./volume_view.js";

export interface CorrectedVolumeOptions {
  /** Leaves out objects whose verdict is "reject". */
  readonly dropRejected?: boolean;
  /** For reading and for messages. */
  readonly name: string;
  readonly signal?: AbortSignal;
  readonly onSlice?: (done: number, total: number) => void;
}

export interface CorrectedVolume {
  /** Labels 1.., numbered in the order of each object's first voxel (z, then y, then x). */
  readonly source: VolumeSource;
  /** Id of the object of each label; index 0 is 0. */
  readonly ids: readonly number[];
  /** Voxels of each label. */
  readonly voxels: readonly number[];
}

/**
 * The corrected labels of a whole volume. Objects smaller than the view's `minimumVoxels` are left out, unless somebody corrected
 * or judged them.
 *
 * Numbers depend on the voxels alone, not on the ids of the predicted objects: the viewer's and the command's volumes are equal.
 */
export function correctedVolume(
  corrections: Corrections,
  view: VolumeView,
  { dropRejected = false, name, signal, onSlice }: CorrectedVolumeOptions,
): CorrectedVolume {
  const small = new Map<number, boolean>();
  const isSmall = (id: number) => {
    const known = small.get(id) ?? view.voxelsOf(id) < view.settings.minimumVoxels;
    small.set(id, known);
    return known;
  };
  const rejected = new Set<number>();
  if (dropRejected)
    for (const { id, verdict } of corrections.corrected())
      if (verdict?.verdict === "reject") rejected.add(id);
  const idsIn = (box: Box) => {
    const labels = new Float64Array(boxVolume(box));
    const [width, height] = boxSize(box);
    const [x0, y0, z0] = box.lower;
    view.visit(box, (id, start, end, y, z) => {
      if (!corrections.has(corrections.shownAs(id)) && isSmall(id)) return;
      const base = width * (y - y0 + height * (z - z0)) - x0;
      labels.fill(id, base + start, base + end);
    });
    correctLabels(corrections, box, labels);
    return labels;
  };
  const numbers = new Map<number, number>();
  const ids = [0];
  const voxels = [0];
  const { lower, upper } = view.bounds;
  for (let z = lower[2]; z < upper[2]; ++z) {
    signal?.throwIfAborted();
    for (const id of idsIn({ lower: [lower[0], lower[1], z], upper: [upper[0], upper[1], z + 1] })) {
      if (id === 0 || rejected.has(id)) continue;
      let number = numbers.get(id);
      if (number === undefined) {
        number = ids.push(id) - 1;
        numbers.set(id, number);
        voxels.push(0);
      }
      ++voxels[number];
    }
    onSlice?.(z + 1 - lower[2], upper[2] - lower[2]);
  }
  const source: VolumeSource = {
    name,
    dataType: "uint32",
    scales: [{ bounds: view.bounds, voxelSize: view.voxelSize, chunkSize: [64, 64, 64] }],
    read: async (_scale, box) => {
      const labels = idsIn(box);
      return Uint32Array.from(labels, (id) => (id === 0 ? 0 : (numbers.get(id) ?? 0)));
    },
  };
  return { source, ids, voxels };
}
