import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { encode } from "fast-png";
import { describe, expect, test, vi } from "vitest";
import { openDataSet } from "../../../src/experiment/datasets_node.js";
import { parseExperiment } from "../../../src/experiment/experiment_file.js";
import { loadImages, loadSource } from "../../../src/experiment/load.js";
import { TargetScorer } from "../../../src/experiment/score.js";
import { blobSlice, officialLayout } from "../../support/em_folders.js";
import { scratch } from "../../support/slices.js";

// Reads and makes many files, on machines that may be busy.
vi.setConfig({ testTimeout: 120_000 });

const at = await scratch();
const context = (datasets = "") => ({
  file: at("exp.yaml"),
  dataRoot: at("data"),
  experiment: parseExperiment(
    `name: x\npairs: [{ source: lucchi++, target: vnc }]\nstrategies: [source-only]\n${datasets}`,
    at("exp.yaml"),
  ),
});

describe("Lucchi++ and Kasthuri++ in their official layout", () => {
  test("Lucchi++: slices in the order of their numbers, sizes from the files, averaged to 10 nm", async () => {
    await officialLayout(at("data/Lucchi++"), { width: 96, height: 64, train: 12, test: 11 });
    const set = await openDataSet("lucchi++", context());
    expect(set.train.em.scales[0].bounds.upper).toEqual([96, 64, 12]);
    expect(set.test.em.scales[0].bounds.upper).toEqual([96, 64, 11]);
    // 10.png comes after 9.png.
    const last = await set.test.labels!.read(0, { lower: [0, 0, 10], upper: [96, 64, 11] });
    expect([...last]).toEqual([...blobSlice(96, 64, 510).labels]);
    expect(set.modelVoxelSize).toEqual([10, 10, 5]);
    const source = await loadSource(set, 0.1);
    expect([source.train.em.length, source.validation.em.length]).toEqual([11, 1]);
    expect([source.train.width, source.train.height]).toEqual([48, 32]);
    expect(source.summary.histogram.reduce((a, b) => a + b)).toBe(48 * 32 * 12);
    expect(source.summary.prior.regions).toBe(36);
    await set.close();
  });

  test("Kasthuri++: label 2 and zeros of EM are outside, in training and in scoring; 3 nm become 9", async () => {
    await officialLayout(at("data/Kasthuri++"), { width: 90, height: 60, train: 4, test: 3, padded: 30 });
    const set = await openDataSet("kasthuri++", context());
    expect({ ignore: set.ignore, outside: set.outside }).toEqual({ ignore: [2], outside: 0 });
    expect(set.modelVoxelSize).toEqual([9, 9, 30]);
    const source = await loadSource(set, 0.25);
    expect([source.train.width, source.train.height]).toEqual([30, 20]);
    // The first ten columns are padding: no foreground there although their label is not 0.
    for (const labels of source.train.labels)
      for (let i = 0; i < labels.length; i++) if (i % 30 < 10) expect(labels[i]).toBe(0);
    const { bounds } = set.test.em.scales[0];
    const scorer = await TargetScorer.load(set, bounds, source.voxelSize, source.statistics.regions);
    expect(scorer.gridSize).toEqual([30, 20]);
    expect(scorer.factor).toEqual([3, 3]);
    await set.close();
  });

  test("says which folder is missing, and that labels must fit", async () => {
    await expect(openDataSet("lucchi++", { ...context(), dataRoot: at("none") })).rejects.toThrow(
      /none.Lucchi\+\+/,
    );
    await officialLayout(at("odd/Lucchi++"), { width: 40, height: 32, train: 3, test: 2 });
    await rename(at("odd/Lucchi++/Test_Out"), at("odd/Lucchi++/Spare"));
    await rename(at("odd/Lucchi++/Train_Out"), at("odd/Lucchi++/Test_Out"));
    await rename(at("odd/Lucchi++/Spare"), at("odd/Lucchi++/Train_Out"));
    await expect(openDataSet("lucchi++", { ...context(), dataRoot: at("odd") })).rejects.toThrow(
      /Train_Out: has voxels 0:40,0:32,0:2, but .*Train_In has 0:40,0:32,0:3/,
    );
    await rm(at("odd"), { recursive: true });
  });
});

test("VNC: the left half of the columns trains, the right half tests; every label that is not 0 counts", async () => {
  for (const folder of ["raw", "mitochondria"])
    await mkdir(at("data/VNC/stack1", folder), { recursive: true });
  const [width, height] = [80, 48];
  for (let z = 0; z < 3; z++) {
    const { em, labels } = blobSlice(width, height, z);
    // One slice is anti-aliased, as in the real data.
    const soft = labels.map((value) => (value > 0 && z === 1 ? 7 : value));
    for (const [folder, data] of [
      ["raw", em],
      ["mitochondria", soft],
    ] as const)
      await writeFile(
        at("data/VNC/stack1", folder, `0${z}.png`),
        encode({ width, height, channels: 1, depth: 8, data }),
      );
  }
  const set = await openDataSet("vnc", context());
  expect(set.train.title).toBe("VNC stack1, columns 0-39");
  expect(set.test.em.scales[0].bounds).toEqual({ lower: [40, 0, 0], upper: [80, 48, 3] });
  expect(set.modelVoxelSize).toEqual([9.2, 9.2, 50]);
  const source = await loadSource(set, 0.3);
  expect(source.train.labels[1].some((value) => value === 255)).toBe(true);
  // As a target of a 10 nm model it is resampled as inference does: ceil(40 * 4.6 / 10) columns.
  const images = await loadImages(set.test.em, [10, 10, 5], [0, 255]);
  expect([images.width, images.height, images.em.length]).toEqual([19, 23, 3]);
  await set.close();
});

describe("data sets of one's own", () => {
  test("phantoms by name, at declared boxes", async () => {
    const set = await openDataSet("phantom:sstem/3", context());
    expect(set.modelVoxelSize).toEqual([9.2, 9.2, 45]);
    const own = await openDataSet(
      "tiny",
      context('datasets: { tiny: { phantom: fib/2, train: "0:64,0:64,0:3", test: "64:128,0:64,0:2" } }'),
    );
    expect(own.test.em.scales).toHaveLength(1);
    expect(own.test.em.scales[0].bounds.lower).toEqual([64, 0, 0]);
  });

  test("volumes without labels are targets, not sources; a box per part; paths from the file's folder", async () => {
    await officialLayout(at("own"), { width: 40, height: 32, train: 4, test: 2 });
    const yaml = (more: string) =>
      `datasets: { mine: { train: { images: own/Train_In, region: "0:40,0:32,1:3" }, ${more} } }`;
    await expect(openDataSet("mine", context(yaml("")))).rejects.toThrow("give voxelSize to data set mine");
    const set = await openDataSet("mine", context(yaml("voxelSize: [10, 10, 40]")));
    expect(set.test).toBe(set.train);
    expect(set.train.em.scales[0].bounds.lower[2]).toBe(1);
    await expect(loadSource(set, 0.1)).rejects.toThrow("has no labels to train on");
    await set.close();
  });

  test("an unknown name lists those there are", async () => {
    await expect(openDataSet("lucchi", context())).rejects.toThrow(
      'exp.yaml: there is no data set "lucchi": lucchi++, kasthuri++, vnc, phantom:<style>/<seed>',
    );
  });
});
