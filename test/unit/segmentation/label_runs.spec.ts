import { describe, expect, it } from "vitest";
import { labelMask } from "../../../src/segmentation/label.js";
import {
  checkRuns,
  exportRuns,
  LabelRunsError,
  paintRuns,
  runsByteLength,
  visitRuns,
  voxelsOfLabels,
} from "../../../src/segmentation/label_runs.js";
import { RunLabeller } from "../../../src/segmentation/runs.js";
import type { LabelRuns } from "../../../src/segmentation/types.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { generator } from "./random.js";

const SIZE: Vec3 = [13, 7, 4];

function noise(seed: number): Uint8Array {
  const random = generator(seed);
  return Uint8Array.from({ length: 13 * 7 * 4 }, () => (random.next() < 0.3 ? 1 : 0));
}

function labelled(mask: Uint8Array, minimumVoxels = 0): LabelRuns {
  const labeller = new RunLabeller();
  labeller.begin(SIZE[0], SIZE[1], 6);
  for (let z = 0; z < SIZE[2]; ++z) labeller.addSlice(mask, 1, z * SIZE[0] * SIZE[1]);
  labeller.finish(minimumVoxels);
  return exportRuns(labeller);
}

describe("label runs", () => {
  it("paint the labels that they were taken from", () => {
    for (let seed = 0; seed < 20; ++seed) {
      const mask = noise(seed);
      const { labels, count } = labelMask(mask, SIZE, 6);
      const runs = labelled(mask);
      checkRuns(runs, SIZE);
      expect(runs.count).toBe(count);
      const painted = new Uint32Array(mask.length);
      paintRuns(runs, painted);
      expect(painted).toEqual(labels);
      const mapped = new Float64Array(mask.length);
      paintRuns(
        runs,
        mapped,
        Float64Array.from({ length: count + 1 }, (_, label) => (label % 2) * 2 ** 40),
      );
      expect(mapped).toEqual(Float64Array.from(labels, (label) => (label % 2) * 2 ** 40));
      const visited = new Uint32Array(mask.length);
      visitRuns(runs, (label, y, z, start, end) => {
        for (let x = start; x < end; ++x) visited[x + SIZE[0] * (y + SIZE[1] * z)] = label;
      });
      expect(visited).toEqual(labels);
      const voxels = new Float64Array(count + 1);
      for (const label of labels) if (label > 0) ++voxels[label];
      expect(voxelsOfLabels(runs)).toEqual(voxels);
      expect(runsByteLength(runs)).toBe(4 * (7 * 4 + 1) + 8 * runs.labels.length);
    }
  });

  it("leave out what the small-object filter took", () => {
    const mask = noise(3);
    const runs = labelled(mask, 4);
    checkRuns(runs, SIZE);
    expect(Math.min(...voxelsOfLabels(runs).subarray(1))).toBeGreaterThanOrEqual(4);
    expect(runs.count).toBeLessThan(labelled(mask).count);
  });

  it("are refused when they do not fit together", () => {
    const good = labelled(noise(1));
    const changed = <K extends keyof LabelRuns>(key: K, change: (array: LabelRuns[K]) => LabelRuns[K]) => ({
      ...good,
      [key]: change(good[key]),
    });
    const set = (key: "rows" | "starts" | "ends" | "labels", index: number, value: number) =>
      changed(key, (array) => {
        const copy = array.slice();
        copy[index] = value;
        return copy;
      });
    const bad: [LabelRuns, string][] = [
      [{ ...good, size: [13, 7, 5] }, "not 13 x 7 x 4"],
      [{ ...good, size: null as unknown as Vec3 }, "not 13 x 7 x 4"],
      [{ ...good, count: -1 }, "-1 labels"],
      [{ ...good, count: 2 ** 20 - 1 }, "labels in"],
      [{ ...good, count: Number.NaN }, "NaN labels"],
      [{ ...good, labels: [1] as unknown as Uint32Array }, "other types"],
      [{ ...good, starts: good.starts.slice(1) }, "differ in length"],
      [{ ...good, rows: good.rows.slice(1) }, "row entries"],
      [set("rows", 0, 1), "row entries"],
      [set("rows", 3, 2 ** 31), "ends before it begins"],
      [set("rows", 3, 0), "ends before it begins"],
      [set("ends", 0, 14), "misplaced"],
      [set("ends", 0, 0), "misplaced"],
      [set("starts", 1, 0), "misplaced"],
      [set("labels", 0, 0), "has label 0"],
      [set("labels", 0, good.count + 1), "has label"],
    ];
    for (const [runs, message] of bad) {
      expect(() => checkRuns(runs, SIZE)).toThrow(LabelRunsError);
      expect(() => checkRuns(runs, SIZE)).toThrow(message);
    }
  });

  it("are not painted into what is too small", () => {
    const runs = labelled(noise(1));
    expect(() => paintRuns(runs, new Uint32Array(5))).toThrow("do not hold");
    expect(() => paintRuns(runs, new Uint32Array(13 * 7 * 4), [0])).toThrow("do not map");
  });

  it("are not made of what is too wide", () => {
    const labeller = new RunLabeller();
    labeller.begin(65_536, 1, 6);
    labeller.addSlice(new Uint8Array(65_536));
    labeller.finish();
    expect(() => exportRuns(labeller)).toThrow("too wide");
  });
});
