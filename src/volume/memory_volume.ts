import { boxSize, boxVolume, contains } from "./box.js";
import { copyBox } from "./copy_box.js";
import { formatRegion } from "./region.js";
import { type Vec3, VolumeError, type VolumeSource } from "./types.js";

/** A volume whose finest scale is at hand. @param values all of it. */
export function inMemory(source: VolumeSource, values: Uint8Array): VolumeSource {
  const [scale] = source.scales;
  const size = boxSize(scale.bounds);
  return {
    name: source.name,
    dataType: "uint8",
    scales: [scale],
    async read(_scale, box) {
      if (!contains(scale.bounds, box))
        throw new VolumeError(source.name, `has no voxels ${formatRegion(box)}`);
      const from = box.lower.map((lower, i) => lower - scale.bounds.lower[i]) as unknown as Vec3;
      return copyBox(values, size, from, new Uint8Array(boxVolume(box)), boxSize(box), [0, 0, 0]);
    },
  };
}
