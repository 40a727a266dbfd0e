import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkLabels, evaluatePrediction } from "../../src/evaluation/evaluate.js";
import { chooseGeometry } from "../../src/inference/geometry.js";
import { gatherBox } from "../../src/inference/plan.js";
import { predictedVolume } from "../../src/inference/predicted_volume.js";
import { createPredictor } from "../../src/inference/predictor.js";
import type { Predictor } from "../../src/inference/types.js";
import { selectBackend } from "../../src/kernels/backend_node.js";
import { readPackageFolder } from "../../src/model/read_node.js";
import type { ModelPackage } from "../../src/model/types.js";
import { boxSize } from "../../src/volume/box.js";
import { openVolume } from "../../src/volume/open_node.js";
import { cutRegion, parseRegion } from "../../src/volume/region.js";
import type { Box, Vec3, VolumeSource } from "../../src/volume/types.js";

const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));

interface Case {
  readonly model: string;
  readonly em: string;
  readonly labels: string;
  readonly voxelSize: Vec3;
  /** A few slices, so that the test stays short on WebAssembly. */
  readonly region: string;
  /** IoU per slice that these slices must reach; what was measured when the package was made is in the comments. */
  readonly floor: number;
}

const CASES: readonly Case[] = [
  {
    model: "vnc-source-only",
    em: "../shared/data/VNC/stack1/raw",
    labels: "../shared/data/VNC/stack1/mitochondria",
    voxelSize: [4.6, 4.6, 50],
    // Measured: 0.8329 over all 20 slices of the right half.
    region: "512:1024,:,9:12",
    floor: 0.75,
  },
  {
    model: "lucchi-source-only",
    em: "../shared/data/Lucchi++/Test_In",
    labels: "../shared/data/Lucchi++/Test_Out",
    voxelSize: [5, 5, 5],
    // Measured: 0.8606 over the 60 test slices; 29 to 34 are the hardest of them.
    region: ":,:,9:11",
    floor: 0.85,
  },
];

for (const { model: id, em: emPath, labels: labelsPath, voxelSize, region, floor } of CASES) {
  const missing = [`models/${id}/rdf.yaml`, emPath, labelsPath].filter((file) => !existsSync(path(file)));
  if (missing.length > 0)
    console.warn(`evaluate: ${id} is not checked, there is no ${missing.join(", no ")}`);

  describe.skipIf(missing.length > 0)(`${id} on real EM it was not trained on`, () => {
    let model: ModelPackage;
    let predictor: Predictor;
    let em: VolumeSource;
    let labels: VolumeSource;
    beforeAll(async () => {
      model = await readPackageFolder(path(`models/${id}`));
      await selectBackend("wasm");
      predictor = await createPredictor(model, "wasm");
      const open = async (source: string) => {
        const volume = await openVolume(path(source), { voxelSize });
        return cutRegion(volume, parseRegion(region, volume.scales[0].bounds));
      };
      em = await open(emPath);
      labels = await open(labelsPath);
    });
    afterAll(async () => {
      predictor?.dispose();
      await em?.close?.();
      await labels?.close?.();
    });

    const predicted = () =>
      predictedVolume(em, {
        name: id,
        geometry: chooseGeometry(em.scales, model.config.voxelSize),
        field: model.config.field,
        window: model.config.window,
        tta: "none",
        predict: (request) => predictor.predict(request),
      });

    it(`reaches an IoU of ${floor}`, async () => {
      checkLabels(em, labels);
      const result = await evaluatePrediction(predicted(), labels, {
        threshold: 0.5,
        ignore: [],
        sliceAxis: 2,
        morphologyVoxelSize: model.config.prior!.voxelSize,
      });
      console.info(
        `${id}, ${region}: IoU ${result.iouPerSlice.toFixed(4)} per slice, ${result.iouVolume.toFixed(4)} of the volume, ` +
          `solidity ${result.morphology.prediction.solidity.toFixed(4)} (labels ${result.morphology.labels.solidity.toFixed(4)}, prior ${model.config.prior!.solidity.toFixed(4)})`,
      );
      expect(result.iouPerSlice).toBeGreaterThan(floor);
      expect(
        Math.abs(result.morphology.prediction.solidity - result.morphology.labels.solidity),
      ).toBeLessThan(0.08);
    }, 120_000);

    it("gives a chunk the bytes of the whole slice", async () => {
      const geometry = chooseGeometry(em.scales, model.config.voxelSize);
      const { lower, upper } = em.scales[0].bounds;
      const slice: Box = { lower, upper: [upper[0], upper[1], lower[2] + 1] };
      const whole = (await predicted().read(0, slice)) as Uint8Array;
      const [width] = boxSize(slice);
      for (const [x, y] of [
        [0, 0],
        [256, 512],
      ]) {
        const core: Box = {
          lower: [lower[0] + x, lower[1] + y, lower[2]],
          upper: [lower[0] + x + 256, lower[1] + y + 256, lower[2] + 1],
        };
        const gather = gatherBox(geometry, model.config.field, core);
        const voxels = (await em.read(geometry.scale, gather)) as Uint8Array;
        const request = {
          em: voxels,
          gather,
          core,
          geometry,
          window: model.config.window,
          tta: "none",
        } as const;
        const { probability } = await predictor.predict(request);
        const differing = probability.filter(
          (value, i) => value !== whole[x + (i % 256) + width * (y + Math.floor(i / 256))],
        );
        expect(differing).toHaveLength(0);
      }
    }, 120_000);
  });
}
