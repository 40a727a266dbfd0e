import { RegionMeter, SMALLEST_AREA, solidity } from "../morphology/regions.js";
import { RunLabeller } from "../segmentation/runs.js";

/**
 * Binarises what a network sees in patches and drops what does not look like a mitochondrion: 8-connected regions of at most 10
 * pixels (the paper's smallest), or less solid than `minimumSolidity`. Vesicles, dense cytoplasm and the like make ragged
 * regions where mitochondria make convex ones; that is the paper's prior, here for single regions.
 *
 * @param logits [N * size * size]; 0 and above is foreground.
 * @returns 1 in regions that stay, else 0, of the same length.
 */
export function believable(logits: ArrayLike<number>, size: number, minimumSolidity: number): Float32Array {
  const labels = new Float32Array(logits.length);
  const pixels = size * size;
  const mask = new Uint8Array(pixels);
  for (let at = 0; at < logits.length; at += pixels) {
    for (let i = 0; i < pixels; i++) mask[i] = logits[at + i] >= 0 ? 1 : 0;
    // One slice, so that 26-connected is 8-connected.
    const stack = new RunLabeller();
    stack.begin(size, size, 26);
    stack.addSlice(mask, 1);
    stack.finish();
    const meter = new RegionMeter(stack.count);
    const stays = new Uint8Array(stack.count + 1);
    stack.visitSlice(0, (label, row, start, end) => meter.add(label, row, start, end));
    meter.finish(0, (region) => {
      if (region.area > SMALLEST_AREA && solidity(region) >= minimumSolidity) stays[region.label] = 1;
    });
    stack.visitSlice(0, (label, row, start, end) => {
      if (stays[label]) labels.fill(1, at + row * size + start, at + row * size + end);
    });
  }
  return labels;
}
