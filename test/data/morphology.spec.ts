import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { priorOf } from "../../src/morphology/prior.js";
import { visitRegions } from "../../src/morphology/regions.js";
import { summarise } from "../../src/morphology/summary.js";
import { labelMask } from "../../src/segmentation/label.js";
import { openImageStack } from "../../src/volume/image_stack_node.js";
import type { Box, Vec3, VolumeSource } from "../../src/volume/types.js";

/**
 * Golden values of scikit-image 0.26 (label of the 3-D stack, regionprops per slice); the two training ARAs are also
 * the constants that the paper's authors published (SSL/functions.py).
 */
const DATA = new URL("../../../shared/data/", import.meta.url).pathname;
const CASES = [
  {
    name: "VNC, columns 0-511",
    path: "VNC/stack1/mitochondria",
    box: { lower: [0, 0, 0], upper: [512, 1024, 20] } as Box,
    voxelSize: [4.6, 4.6, 45] as Vec3,
    objects: 31,
    regions: 211,
    all: 211,
    solidity: 0.945537996427,
    ara: 0.006005852143346416,
    eccentricity: 0.7307597408,
    areaOfAll: 3148.796209,
    fraction: 0.06336174,
  },
  {
    name: "VNC, columns 512-1023",
    path: "VNC/stack1/mitochondria",
    box: { lower: [512, 0, 0], upper: [1024, 1024, 20] } as Box,
    voxelSize: [4.6, 4.6, 45] as Vec3,
    objects: 27,
    regions: 191,
    all: 194,
    solidity: 0.94844890763,
    ara: 0.004650145925152364,
    eccentricity: 0.7454030806,
    areaOfAll: 2400.453608,
    fraction: 0.04441147,
  },
  {
    name: "Lucchi++ train",
    path: "Lucchi++/Train_Out",
    box: { lower: [0, 0, 0], upper: [1024, 768, 165] } as Box,
    voxelSize: [5, 5, 5] as Vec3,
    objects: 43,
    regions: 2509,
    all: 2517,
    solidity: 0.948440958149,
    ara: 0.004600387559051737,
    eccentricity: 0.7150651524,
    areaOfAll: 3606.396901,
    fraction: 0.06995385,
  },
  {
    name: "Lucchi++ test",
    path: "Lucchi++/Test_Out",
    box: { lower: [0, 0, 0], upper: [1024, 768, 60] } as Box,
    voxelSize: [5, 5, 5] as Vec3,
    objects: 28,
    regions: 1108,
    all: 1111,
    solidity: 0.955069034556,
    ara: 0.004440798799627238,
    eccentricity: 0.7096693334,
    areaOfAll: 3482.958596,
    fraction: 0.08200681,
  },
];

const absent = CASES.some(({ path }) => !existsSync(DATA + path));
if (absent)
  console.warn(`skipped: no masks in ${DATA}; see the README for where the data sets are to be had`);

async function readMask(source: VolumeSource, box: Box): Promise<Uint8Array> {
  const voxels = await source.read(0, box);
  return Uint8Array.from(voxels as ArrayLike<number>, (value) => (value > 0 ? 1 : 0));
}

describe.skipIf(absent)("morphology of the real ground truth", () => {
  it.each(CASES)("$name", { timeout: 120_000 }, async (expected) => {
    const source = await openImageStack(DATA + expected.path, { voxelSize: expected.voxelSize });
    try {
      const prior = await priorOf(source, { source: expected.name, box: expected.box });
      expect(prior.objects).toBe(expected.objects);
      expect(prior.regions).toBe(expected.regions);
      expect(Math.abs(prior.solidity - expected.solidity)).toBeLessThan(1e-12);
      expect(Math.abs(prior.ara - expected.ara)).toBeLessThan(1e-15);
      expect(prior.eccentricity).toBeCloseTo(expected.eccentricity, 9);
      expect(prior.fraction).toBeCloseTo(expected.fraction, 8);
      expect(prior.voxelSize).toEqual(expected.voxelSize);
      expect(prior.solidityHistogram.reduce((a, b) => a + b)).toBe(expected.regions);
      // The same through labels in memory; the area of all regions, small ones included, is golden too.
      if (expected.all > 2000) return;
      const size = expected.box.upper.map((v, i) => v - expected.box.lower[i]) as unknown as Vec3;
      const labelling = labelMask(await readMask(source, expected.box), size);
      expect(summarise(labelling, { sliceAxis: 2 }).solidity).toBeCloseTo(expected.solidity, 11);
      let regions = 0;
      let area = 0;
      visitRegions(labelling, 2, (region) => {
        regions += 1;
        area += region.area;
      });
      expect(regions).toBe(expected.all);
      expect(area / regions).toBeCloseTo(expected.areaOfAll, 6);
    } finally {
      await source.close?.();
    }
  });
});
