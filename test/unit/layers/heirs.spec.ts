import { describe, expect, it } from "vitest";
import { Heirs, overlaps } from "../../../layers/mito/heirs.js";
import { exportRuns } from "../../../src/segmentation/label_runs.js";
import { RunLabeller } from "../../../src/segmentation/runs.js";
import type { LabelRuns } from "../../../src/segmentation/types.js";

/** Labels of a row of voxels, "#" being foreground. */
function runs(row: string): LabelRuns {
  const labeller = new RunLabeller();
  labeller.begin(row.length, 1, 26);
  labeller.addSlice(Uint8Array.from(row, (c) => (c === "#" ? 1 : 0)));
  labeller.finish();
  return exportRuns(labeller);
}

describe("heirs of objects in chunks that are labelled anew", () => {
  it("are found by the voxels that they share", () => {
    expect([...overlaps(runs("###.##.#"), runs("#.##.###"))]).toEqual([1, 1, 1, 1, 2, 1, 2, 3, 1, 3, 3, 1]);
    expect(overlaps(runs("##.."), runs("..##")).length).toBe(0);
  });

  it("follow an object whose number now means another", () => {
    const heirs = new Heirs();
    const first = 5 * 2 ** 20;
    // The first object is gone, so that the second is number 1 now.
    heirs.add(first, runs("##..####"), [0, first + 1, first + 2], runs("....###."));
    expect([...heirs.take((piece) => piece)]).toEqual([[first + 2, first + 1]]);
    expect(heirs.take((piece) => piece).size).toBe(0);
  });

  it("take the object with most of the voxels, over all chunks labelled anew", () => {
    const heirs = new Heirs();
    const a = 0;
    const b = 2 ** 20;
    heirs.add(a, runs("####"), [0, 1], runs("##.#"));
    heirs.add(b, runs("####"), [0, 1], runs("###."));
    // The pieces (a, 2) and (b, 1) are one object.
    expect([...heirs.take((piece) => (piece === 1 ? 1 : 2))]).toEqual([[1, 2]]);
  });

  it("leave an object alone whose own piece was not labelled anew", () => {
    const heirs = new Heirs();
    heirs.add(2 ** 20, runs("####"), [0, 1], runs("##.#"));
    expect(heirs.take((piece) => piece).size).toBe(0);
  });
});
