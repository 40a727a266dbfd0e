import type { VolumeSource } from "./types.js";

/** A volume of 1 where `source` is above `threshold` and 0 elsewhere, as uint8: masks of any grey value made labels. */
export function binarised(source: VolumeSource, threshold: number): VolumeSource {
  return {
    name: source.name,
    dataType: "uint8",
    scales: source.scales,
    async read(scale, box, options) {
      const values = await source.read(scale, box, options);
      const mask = new Uint8Array(values.length);
      for (let i = 0; i < mask.length; ++i) mask[i] = values[i] > threshold ? 1 : 0;
      return mask;
    },
    close: async () => source.close?.(),
  };
}
