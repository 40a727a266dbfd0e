import { existsSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { eulerNumber3d } from "../../src/morphology/euler.js";
import { skeletonize, skeletonMeasures } from "../../src/morphology/skeleton.js";
import { distanceTransform } from "../../src/segmentation/distance_transform.js";
import { fillHoles, fillHolesInSlices } from "../../src/segmentation/fill_holes.js";
import { labelMask } from "../../src/segmentation/label.js";
import { splitTouching } from "../../src/segmentation/split_touching.js";
import { openImageStack } from "../../src/volume/image_stack_node.js";
import type { Vec3 } from "../../src/volume/types.js";

const PATH = new URL("../../../shared/data/VNC/stack1/mitochondria", import.meta.url).pathname;
const present = existsSync(PATH);
if (!present) console.log(`not run: the labels of VNC are not in ${PATH}`);

const SIZE: Vec3 = [512, 1024, 20];
const VOXEL: Vec3 = [4.6, 4.6, 50];

/** Golden values of scipy 1.17.1 and scikit-image 0.26 for columns 512-1023. */
describe.skipIf(!present)("shape operators on the mitochondria of VNC", { timeout: 120_000 }, () => {
  let mask: Uint8Array;
  beforeAll(async () => {
    const stack = await openImageStack(PATH, { voxelSize: VOXEL });
    mask = (await stack.read(0, { lower: [512, 0, 0], upper: [1024, 1024, 20] })) as Uint8Array;
    await stack.close?.();
  });

  it("measures the distances of distance_transform_edt", () => {
    const distances = distanceTransform(mask, SIZE, VOXEL);
    let most = 0;
    let sum = 0;
    for (const distance of distances) {
      most = Math.max(most, distance);
      sum += distance;
    }
    expect(Math.abs(most / 253.3822408930823 - 1)).toBeLessThan(1e-6);
    expect(Math.abs(sum / 22655179.08266934 - 1)).toBeLessThan(1e-6);
  });

  it("fills the holes of binary_fill_holes", () => {
    expect(fillHoles(mask, SIZE).filled).toBe(1);
    expect(fillHolesInSlices(mask, SIZE).filled).toBe(3);
  });

  it("thins to the voxels of skeletonize, with the Euler number of the mask", () => {
    expect(eulerNumber3d(mask, SIZE, 26)).toBe(22);
    expect(eulerNumber3d(mask, SIZE, 6)).toBe(26);
    const skeleton = skeletonize(mask, SIZE);
    expect(skeleton.reduce((sum, value) => sum + value, 0)).toBe(2819);
    expect(eulerNumber3d(skeleton, SIZE, 26)).toBe(22);
    expect(labelMask(skeleton, SIZE).count).toBe(27);
    // Nothing like it in scikit-image: lengths of the order of mitochondria, at least.
    const { length, branches } = skeletonMeasures(mask, SIZE, VOXEL);
    expect(branches).toBeGreaterThan(27);
    expect(length / branches).toBeGreaterThan(50);
    expect(length / branches).toBeLessThan(1000);
  });

  it("parts few of the objects that people drew, each part inside of one object", () => {
    const { labels, count } = splitTouching(mask, SIZE, VOXEL, { outside: "ignored" });
    const objects = labelMask(mask, SIZE);
    const objectOf = new Uint32Array(count + 1);
    let across = 0;
    for (let at = 0; at < labels.length; ++at) {
      if (labels[at] === 0) continue;
      if (objectOf[labels[at]] === 0) objectOf[labels[at]] = objects.labels[at];
      if (objectOf[labels[at]] !== objects.labels[at]) ++across;
    }
    expect(across).toBe(0);
    expect(objects.count).toBe(27);
    expect(count).toBeGreaterThan(27);
    expect(count).toBeLessThanOrEqual(33);
  });
});
