import { describe, expect, it } from "vitest";
import { RunLabeller } from "../../../src/segmentation/runs.js";
import { scanRow } from "../../../src/segmentation/scan_row.js";
import { generator } from "./random.js";

function naive(row: Uint8Array, minimum: number): number[][] {
  const runs: number[][] = [];
  row.forEach((value, x) => {
    if (value < minimum) return;
    if (runs.at(-1)?.[1] === x) runs[runs.length - 1][1] = x + 1;
    else runs.push([x, x + 1]);
  });
  return runs;
}

/** Long stretches of few values, so that words of one kind, and all borders within words, come up. */
function stretches(length: number, random: ReturnType<typeof generator>): Uint8Array {
  const row = new Uint8Array(length);
  for (let x = 0; x < length; ) {
    const end = x + 1 + random.below(random.pick([2, 6, 40]));
    row.fill(random.below(256), x, end);
    x = end;
  }
  return row;
}

describe("scanRow", () => {
  it("finds the runs of every threshold, as a voxel by voxel scan does", () => {
    const random = generator(1);
    for (let minimum = 0; minimum <= 256; ++minimum) {
      for (let round = 0; round < 12; ++round) {
        const width = 1 + random.below(90);
        const row = stretches(width, random);
        // Values next to the threshold are where it could go wrong.
        for (let x = 0; x < width; x += 1 + random.below(9)) row[x] = Math.max(0, minimum - random.below(2));
        const padded = new Uint8Array(4 * Math.ceil(width / 4));
        padded.set(row);
        const starts = new Int32Array(2 + (width >> 1));
        const ends = new Int32Array(2 + (width >> 1));
        const words = new Int32Array(padded.buffer);
        const count = scanRow(words, 0, words.length, width, minimum, starts, ends, 0);
        const found = Array.from({ length: count }, (_, run) => [starts[run], ends[run]]);
        expect(found).toEqual(naive(row, minimum));
      }
    }
  });
});

describe("RunLabeller", () => {
  it("takes slices that begin anywhere in a buffer, of any width", () => {
    const random = generator(2);
    const labeller = new RunLabeller();
    for (let round = 0; round < 300; ++round) {
      const [width, height, depth] = [random.below(40), 1 + random.below(4), 1 + random.below(3)];
      const shift = random.below(6);
      const offset = random.below(6);
      const minimum = random.pick([1, 128, 255]);
      const buffer = stretches(shift + offset + width * height * depth + 3, random).buffer as ArrayBuffer;
      const values = new Uint8Array(buffer, shift);
      labeller.begin(width, height, 6);
      for (let z = 0; z < depth; ++z) labeller.addSlice(values, minimum, offset + z * width * height);
      labeller.finish();
      const painted = new Uint32Array(width * height * depth);
      labeller.paint(painted);
      expect(painted.map((label) => Math.min(label, 1))).toEqual(
        Uint32Array.from(values.subarray(offset, offset + painted.length), (v) => (v >= minimum ? 1 : 0)),
      );
    }
  });
});
