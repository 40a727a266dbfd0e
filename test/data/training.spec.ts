import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadTrainingData } from "../../src/training/train_node.js";
import type { Vec3 } from "../../src/volume/types.js";

const data = fileURLToPath(new URL("../../../shared/data/", import.meta.url));
const common = {
  window: [0, 255] as const,
  ignore: [],
  validation: 0.1,
  validationOrder: "last" as const,
  validationSlices: Number.POSITIVE_INFINITY,
  seed: 1,
};
/** Fraction of mitochondria by scikit-image, see the README of the data; area averages keep it. */
const sets = [
  {
    name: "VNC, left half",
    images: `${data}VNC/stack1/raw`,
    labels: `${data}VNC/stack1/mitochondria`,
    voxelSize: [4.6, 4.6, 50] as Vec3,
    trainVoxelSize: 10,
    region: "0:512,:,:",
    expected: {
      width: 256,
      height: 512,
      train: 18,
      validation: 2,
      fraction: 0.06336174,
      size: [9.2, 9.2, 50],
    },
  },
  {
    name: "Lucchi++ test, first ten",
    images: `${data}Lucchi++/Test_In`,
    labels: `${data}Lucchi++/Test_Out`,
    voxelSize: [5, 5, 5] as Vec3,
    trainVoxelSize: 10,
    region: ":,:,0:10",
    expected: { width: 512, height: 384, train: 9, validation: 1, fraction: null, size: [10, 10, 5] },
  },
];

describe.each(sets)("training data: $name", ({ expected, name: _, ...options }) => {
  const here = existsSync(options.images);
  if (!here) console.log(`${options.images} is not there: its training data is not tested`);
  it.skipIf(!here)(
    "has the paper's split and keeps the fraction of mitochondria",
    { timeout: 60_000 },
    async () => {
      const { all, train, validation, voxelSize } = await loadTrainingData({ ...common, ...options });
      expect([all.width, all.height]).toEqual([expected.width, expected.height]);
      expect([train.em.length, validation.em.length]).toEqual([expected.train, expected.validation]);
      expect(voxelSize).toEqual(expected.size);
      const pixels = all.em.length * all.width * all.height;
      const mean = (images: readonly Uint8Array[]) =>
        images.reduce((sum, image) => sum + image.reduce((a, b) => a + b, 0), 0) / pixels / 255;
      // Fractions are kept in 1/255: rounding, never more than that, moves the mean.
      if (expected.fraction !== null) expect(mean(all.labels)).toBeCloseTo(expected.fraction, 4);
      expect(mean(all.em)).toBeGreaterThan(0.2);
      expect(mean(all.em)).toBeLessThan(0.8);
      // EM and labels belong together: mitochondria are darker than the rest.
      let [inside, count] = [0, 0];
      all.labels.forEach((labels, z) => {
        labels.forEach((label, i) => {
          if (label === 255) {
            inside += all.em[z][i];
            count++;
          }
        });
      });
      expect(inside / count / 255).toBeLessThan(mean(all.em));
    },
  );
});
