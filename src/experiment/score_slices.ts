import { compareSlice, foregroundScores, type Overlap } from "../evaluation/iou.js";
import { chooseGeometry } from "../inference/geometry.js";
import { predictBox } from "../inference/predict_box.js";
import { createNetwork, MAX_TILE_PIXELS } from "../inference/predictor.js";
import { thresholdByte } from "../segmentation/label.js";
import { type Slices, thinSlices } from "../training/slices.js";
import type { Box, Vec3 } from "../volume/types.js";
import { atLeast, type ScoringOptions, withSlice } from "./score.js";
import type { Snapshot } from "./snapshot.js";

/** A label fraction of half a pixel or more is foreground. */
const FOREGROUND = 128;

/**
 * IoU per slice of a model on labelled slices of the model's grid: the source's validation slices.
 * @param most slices that are looked at, evenly spread.
 */
export async function scoreSlices(
  snapshot: Snapshot,
  slices: Slices,
  most: number,
  { threshold, tta, backend, signal }: ScoringOptions,
): Promise<number> {
  const chosen = thinSlices(slices, most);
  const { width, height } = chosen;
  const scale = {
    bounds: { lower: [0, 0, 0], upper: [width, height, chosen.em.length] } as Box,
    voxelSize: [1, 1, 1] as Vec3,
    chunkSize: [width, height, 1] as Vec3,
  };
  const geometry = chooseGeometry([scale], [1, 1, 1]);
  const minimum = thresholdByte(threshold);
  const network = await createNetwork(snapshot, backend);
  try {
    const overlaps: (Overlap & { slice: number })[] = [];
    for (let z = 0; z < chosen.em.length; z++) {
      signal?.throwIfAborted();
      const core = withSlice(scale.bounds, z, z + 1);
      const { probability } = await predictBox(
        { em: chosen.em[z], gather: core, core, geometry, window: [0, 255], tta },
        snapshot.field,
        network.run,
        { maxTilePixels: MAX_TILE_PIXELS, batch: 1, signal },
      );
      overlaps.push({
        slice: z,
        ...compareSlice(atLeast(probability, minimum), atLeast(chosen.labels[z], FOREGROUND)),
      });
    }
    return foregroundScores(overlaps).iouPerSlice;
  } finally {
    network.dispose();
  }
}
