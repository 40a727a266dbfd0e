import { reduce } from "../morphology/prior.js";
import { sampleRegions } from "../morphology/region_sample.js";
import type { RegionSample } from "../morphology/types.js";
import { thresholdByte } from "../segmentation/label.js";
import { boxSize, boxVolume } from "../volume/box.js";
import type { Box, Vec3 } from "../volume/types.js";
import { type Agreement, countAgreement } from "./agreement.js";

/** What can be known of several models' predictions of one block without labels, and what the labels say. */
export interface BlockEvidence {
  readonly box: Box;
  /** Of all models, with the labels as reference. */
  readonly agreement: Agreement;
  /** Region morphology of each model's prediction, in the order of the models; of the pixels of the grid. */
  readonly samples: readonly RegionSample[];
}

export interface BlockOptions {
  /** Bounds of the volume; the arrays hold it, x fastest. */
  readonly bounds: Box;
  /** Voxels of a block (columns, rows, slices); what is left over at the end makes no block. */
  readonly block: Vec3;
  readonly threshold: number;
  /** Whole factors (columns, rows) by which slices are reduced before morphology is measured. */
  readonly factor: readonly [number, number];
}

/** Whole blocks of a volume, x fastest. */
export function blocksOf({ lower, upper }: Box, block: Vec3): Box[] {
  const boxes: Box[] = [];
  for (let z = lower[2]; z + block[2] <= upper[2]; z += block[2])
    for (let y = lower[1]; y + block[1] <= upper[1]; y += block[1])
      for (let x = lower[0]; x + block[0] <= upper[0]; x += block[0])
        boxes.push({ lower: [x, y, z], upper: [x + block[0], y + block[1], z + block[2]] });
  return boxes;
}

/** Voxels of a box out of a volume in memory. */
export function cutBox(volume: Uint8Array, bounds: Box, box: Box): Uint8Array {
  const [width, height] = boxSize(bounds);
  const out = new Uint8Array(boxVolume(box));
  const row = box.upper[0] - box.lower[0];
  let at = 0;
  for (let z = box.lower[2]; z < box.upper[2]; z++)
    for (let y = box.lower[1]; y < box.upper[1]; y++, at += row) {
      const from =
        box.lower[0] - bounds.lower[0] + width * (y - bounds.lower[1] + height * (z - bounds.lower[2]));
      out.set(volume.subarray(from, from + row), at);
    }
  return out;
}

/**
 * Measures every block of a volume.
 * @param predictions round(255 p) of each model; @param truth foreground where not 0.
 */
export function measureBlocks(
  predictions: readonly Uint8Array[],
  truth: Uint8Array,
  { bounds, block, threshold, factor }: BlockOptions,
): BlockEvidence[] {
  const minimum = thresholdByte(threshold);
  const width = Math.floor(block[0] / factor[0]);
  const height = Math.floor(block[1] / factor[1]);
  const none = new Set<number>();
  return blocksOf(bounds, block).map((box) => {
    const votes = predictions.map((values) => ({ values: cutBox(values, bounds, box), minimum }));
    const samples = votes.map(({ values }) => {
      const mask = values.map((p) => (p >= minimum ? 1 : 0));
      const slices = Array.from({ length: block[2] }, (_, z) => {
        const reduced = new Uint8Array(width * height);
        reduce(mask, z * block[0] * block[1], 1, block[0], factor, none, width, reduced);
        return reduced;
      });
      return sampleRegions(slices, width, height, 1);
    });
    return { box, agreement: countAgreement(votes, cutBox(truth, bounds, box)), samples };
  });
}
