import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { distributionDistance, measureDistribution } from "../../src/morphology/distribution.js";
import { meanAra, meanSolidity, sampleRegions } from "../../src/morphology/region_sample.js";
import { openImageStack } from "../../src/volume/image_stack_node.js";
import type { Vec3 } from "../../src/volume/types.js";

const DATA = new URL("../../../shared/data/", import.meta.url).pathname;

interface Case {
  readonly path: string;
  /** Columns from, to. */
  readonly columns: readonly [number, number];
  readonly rows: number;
  readonly slices: number;
  readonly regions: number;
  readonly solidity: number;
  readonly ara: number;
  readonly eccentricity: number;
}

/**
 * scikit-image 0.26, `label` of the 3-D stack and `regionprops` of each slice; the ARAs of the training halves are the
 * constants in the authors' SSL/functions.py.
 */
const CASES = {
  "VNC, columns 0-511": {
    path: "VNC/stack1/mitochondria",
    columns: [0, 512],
    rows: 1024,
    slices: 20,
    regions: 211,
    solidity: 0.945537996427,
    ara: 0.0060058521433464162,
    eccentricity: 0.7307597408,
  },
  "VNC, columns 512-1023": {
    path: "VNC/stack1/mitochondria",
    columns: [512, 1024],
    rows: 1024,
    slices: 20,
    regions: 191,
    solidity: 0.94844890763,
    ara: 0.0046501459251523641,
    eccentricity: 0.7454030806,
  },
  "Lucchi++ train": {
    path: "Lucchi++/Train_Out",
    columns: [0, 1024],
    rows: 768,
    slices: 165,
    regions: 2509,
    solidity: 0.948440958149,
    ara: 0.0046003875590517372,
    eccentricity: 0.7150651524,
  },
  "Lucchi++ test": {
    path: "Lucchi++/Test_Out",
    columns: [0, 1024],
    rows: 768,
    slices: 60,
    regions: 1108,
    solidity: 0.955069034556,
    ara: 0.0044407987996272378,
    eccentricity: 0.7096693334,
  },
} satisfies Record<string, Case>;

const absent = Object.values(CASES).some(({ path }) => !existsSync(DATA + path));
if (absent)
  console.warn(`skipped: no masks in ${DATA}; docs/datasets.md says where the data sets are to be had`);

async function masks({ path, columns, rows, slices }: Case): Promise<Uint8Array[]> {
  const source = await openImageStack(DATA + path, { voxelSize: [5, 5, 5] });
  try {
    const read = async (z: number) => {
      const box = { lower: [columns[0], 0, z] as Vec3, upper: [columns[1], rows, z + 1] as Vec3 };
      return Uint8Array.from((await source.read(0, box)) as ArrayLike<number>, (v) => (v > 0 ? 1 : 0));
    };
    const all: Uint8Array[] = [];
    for (let z = 0; z < slices; ++z) all.push(await read(z));
    return all;
  } finally {
    await source.close?.();
  }
}

describe.skipIf(absent)("criteria on the real ground truth", () => {
  it.each(Object.entries(CASES) as [string, Case][])("%s", { timeout: 300_000 }, async (_name, expected) => {
    const width = expected.columns[1] - expected.columns[0];
    const sample = sampleRegions(await masks(expected), width, expected.rows, 1);
    expect(sample.area.length).toBe(expected.regions);
    expect(Math.abs(meanSolidity(sample) - expected.solidity)).toBeLessThan(1e-9);
    expect(Math.abs(meanAra(sample) - expected.ara)).toBeLessThan(1e-15);
    const eccentricity = sample.eccentricity.reduce((sum, v) => sum + v, 0) / sample.area.length;
    expect(eccentricity).toBeCloseTo(expected.eccentricity, 9);
  });

  it("finds another part of the source nearer than the other tissue, and both nearer than damage", {
    timeout: 300_000,
  }, async () => {
    const train = await masks(CASES["VNC, columns 0-511"]);
    const source = measureDistribution(train, 512, 1024, 1)!;
    const distance = (slices: Uint8Array[], width: number, rows: number) =>
      distributionDistance(sampleRegions(slices, width, rows, 1), source).distance;
    const test = await masks(CASES["VNC, columns 512-1023"]);
    const lucchi = await masks(CASES["Lucchi++ test"]);
    const near = distance(test, 512, 1024);
    const far = distance(lucchi, 1024, 768);
    expect(near).toBeLessThan(far);
    // The foreground cut into a grid of slivers, and half of it gone.
    const sliced = test.map((mask) => mask.map((v, i) => (i % 8 < 3 ? 0 : v)));
    const thin = test.map((mask) => mask.map((v, i) => (Math.floor(i / 512) % 512 < 256 ? 0 : v)));
    expect(distance(sliced, 512, 1024)).toBeGreaterThan(far);
    expect(distance(thin, 512, 1024)).toBeGreaterThan(near);
  });
});
