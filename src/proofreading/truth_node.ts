import { labelMask } from "../segmentation/label.js";
import { boxSize, contains } from "../volume/box.js";
import { openVolume } from "../volume/open_node.js";
import { formatRegion } from "../volume/region.js";
import { VolumeError, type VolumeSource } from "../volume/types.js";
import { Truth } from "./simulate_score.js";

/** Truth of the voxels of a volume: its objects are the 26-connected parts of what is above 0. @throws VolumeError */
export async function readTruth(
  path: string,
  of: VolumeSource,
  dataset?: string,
  signal?: AbortSignal,
): Promise<Truth> {
  const [{ bounds, voxelSize }] = of.scales;
  const labels = await openVolume(path, { voxelSize, dataset });
  try {
    if (!contains(labels.scales[0].bounds, bounds))
      throw new VolumeError(
        path,
        `has voxels ${formatRegion(labels.scales[0].bounds)}, but ${formatRegion(bounds)} are predicted: give the labels of that EM`,
      );
    const values = await labels.read(0, bounds, { signal });
    const mask = new Uint8Array(values.length);
    for (let i = 0; i < mask.length; ++i) mask[i] = values[i] ? 1 : 0;
    return new Truth(labelMask(mask, boxSize(bounds), 26), bounds);
  } finally {
    await labels.close?.();
  }
}
