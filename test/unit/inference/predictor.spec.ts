import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chooseGeometry } from "../../../src/inference/geometry.js";
import { gatherBox } from "../../../src/inference/plan.js";
import { createPredictor } from "../../../src/inference/predictor.js";
import type { Predictor, TestTimeAugmentation } from "../../../src/inference/types.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import type { ModelPackage } from "../../../src/model/types.js";
import { boxSize, boxVolume } from "../../../src/volume/box.js";
import type { Box } from "../../../src/volume/types.js";
import { writeTinyModel } from "../../support/tiny_model.js";

const BOUNDS: Box = { lower: [3, -5, 7], upper: [133, 85, 10] };

/** Smooth dark blobs, so that the tiny network sees foreground and background. */
const intensity = (x: number, y: number, z: number) =>
  Math.round(127 + 100 * Math.sin(x / 9 + z) * Math.cos(y / 7) + 20 * Math.sin(x * y));

function read(box: Box): Uint8Array {
  const [sx, sy] = boxSize(box);
  return Uint8Array.from({ length: boxVolume(box) }, (_, i) =>
    intensity(
      box.lower[0] + (i % sx),
      box.lower[1] + (Math.floor(i / sx) % sy),
      box.lower[2] + Math.floor(i / sx / sy),
    ),
  );
}

let folder: string;
let model: ModelPackage;
let predictor: Predictor;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-"));
  await selectBackend("wasm");
  model = await writeTinyModel(join(folder, "tiny"));
  predictor = await createPredictor(model, "wasm");
});

afterAll(async () => {
  predictor.dispose();
  await rm(folder, { recursive: true });
});

function predict(core: Box, voxel: number, tta: TestTimeAugmentation = "none", using = predictor) {
  const geometry = chooseGeometry(
    [{ bounds: BOUNDS, voxelSize: [voxel, voxel, voxel] }],
    model.config.voxelSize,
  );
  const gather = gatherBox(geometry, model.config.field, core);
  return using.predict({ em: read(gather), gather, core, geometry, window: [0, 255], tta });
}

describe("createPredictor", () => {
  it.each([10, 5, 4.6, 16])("gives a chunk of %s nm voxels the bytes of the whole slice", async (voxel) => {
    const whole = await predict(BOUNDS, voxel);
    expect(whole.backend).toBe("wasm");
    expect(whole.nonFinite).toBe(0);
    const foreground = whole.probability.filter((p) => p > 127).length / whole.probability.length;
    expect(foreground).toBeGreaterThan(0.1);
    expect(foreground).toBeLessThan(0.9);
    const [sx, sy] = boxSize(BOUNDS);
    for (const core of [
      { lower: [3, -5, 7], upper: [40, 20, 8] },
      { lower: [40, 20, 8], upper: [104, 60, 10] },
      { lower: [120, 70, 9], upper: [133, 85, 10] },
    ] as Box[]) {
      const { probability } = await predict(core, voxel);
      const expected: number[] = [];
      for (let z = core.lower[2]; z < core.upper[2]; z++)
        for (let y = core.lower[1]; y < core.upper[1]; y++)
          for (let x = core.lower[0]; x < core.upper[0]; x++)
            expected.push(whole.probability[x - 3 + sx * (y + 5 + sy * (z - 7))]);
      expect([...probability]).toEqual(expected);
    }
  });

  it("does not change with tiles and batches", async () => {
    const tiled = await createPredictor(model, "wasm", { maxTilePixels: 2500, batch: 2 });
    const [a, b] = [await predict(BOUNDS, 5), await predict(BOUNDS, 5, "none", tiled)];
    tiled.dispose();
    expect(b.probability).toEqual(a.probability);
  });

  it("averages over the symmetries of the square", async () => {
    const core: Box = { lower: [20, 10, 7], upper: [84, 50, 8] };
    const [plain, flip, d4] = await Promise.all(
      (["none", "flip", "d4"] as const).map((tta) => predict(core, 10, tta)),
    );
    const difference = (a: Uint8Array, b: Uint8Array) =>
      a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
    expect(difference(plain.probability, flip.probability)).toBeGreaterThan(0);
    expect(difference(plain.probability, flip.probability)).toBeLessThan(25);
    expect(difference(flip.probability, d4.probability)).toBeLessThan(25);
  });

  it("leaves no tensor behind, nor when aborted", async () => {
    const core: Box = { lower: [20, 10, 7], upper: [84, 50, 10] };
    await predict(core, 10);
    const before = tf.memory().numTensors;
    await predict(core, 10, "flip");
    const geometry = chooseGeometry([{ bounds: BOUNDS, voxelSize: [10, 10, 10] }], model.config.voxelSize);
    const gather = gatherBox(geometry, model.config.field, core);
    const request = { em: read(gather), gather, core, geometry, window: [0, 255], tta: "none" } as const;
    await expect(predictor.predict(request, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(tf.memory().numTensors).toBe(before);
    const other = await createPredictor(model, "wasm");
    other.dispose();
    await expect(other.predict(request)).rejects.toThrow("disposed");
    expect(tf.memory().numTensors).toBe(before);
  });

  it("names the package whose topology and weights do not fit", async () => {
    const { weightSpecs } = model;
    const broken = {
      ...model,
      weightSpecs: weightSpecs.map((w, i) => (i ? w : { ...w, name: "other/kernel" })),
    };
    const before = tf.memory().numTensors;
    await expect(createPredictor(broken, "wasm")).rejects.toThrow(/^model tiny: model.json: /);
    expect(tf.memory().numTensors).toBe(before);
  });
});
