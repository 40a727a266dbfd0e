import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CroppedNetwork, type Region } from "../../../src/inference/cropped_network.js";
import { chooseGeometry } from "../../../src/inference/geometry.js";
import { loadNetwork } from "../../../src/inference/load.js";
import { gatherBox } from "../../../src/inference/plan.js";
import { createPredictor } from "../../../src/inference/predictor.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { checkTopology } from "../../../src/model/topology.js";
import type { ModelPackage } from "../../../src/model/types.js";
import { buildAttentionUNet, NORMALISED_NETWORK } from "../../../src/network/attention_unet.js";
import { buildGenerator } from "../../../src/network/cut_networks.js";
import { buildDamtNet } from "../../../src/network/damt_net.js";
import { freeze } from "../../../src/network/freeze.js";
import { chain, inferenceCopy } from "../../../src/network/graft.js";
import { Random } from "../../../src/network/random.js";
import { receptiveField } from "../../../src/network/receptive_field.js";
import { buildYNet } from "../../../src/network/y_nets.js";
import { boxSize, boxVolume } from "../../../src/volume/box.js";
import type { Box } from "../../../src/volume/types.js";
import { writeTinyModel } from "../../support/tiny_model.js";
import { setTorchWeights } from "../network/torch_values.js";

/** What strategies leave behind: models in which every kind of layer that a package may hold occurs. */
const snapshots: Record<string, () => tf.LayersModel> = {
  "CUT chain": () => {
    const { model } = buildGenerator({ base: 2, blocks: 2, seed: 1 });
    const filters = [2, 3, 4];
    const segmenter = buildAttentionUNet({ ...NORMALISED_NETWORK, filters, dropoutRates: [0.1, 0.1, 0.1] });
    setTorchWeights(model);
    setTorchWeights(segmenter.model);
    return withImages(2, -1, (images) => chain(freeze(model, images), segmenter.model));
  },
  "DAMT-Net": () => {
    const { segmenter } = buildDamtNet({ base: 2, seed: 1 });
    setTorchWeights(segmenter);
    return withImages(2, 0, (images) => freeze(segmenter, images));
  },
  "Y-Net": () => {
    const { segmenter } = buildYNet({ filters: [2, 3, 4], seed: 1 });
    setTorchWeights(segmenter);
    return inferenceCopy(segmenter);
  },
};
const names = Object.keys(snapshots);

function withImages<T>(count: number, low: number, use: (images: tf.Tensor4D[]) => T): T {
  const images = Array.from({ length: count }, (_, i) => noise(48, 64, i + 1, low));
  const result = use(images);
  tf.dispose(images);
  return result;
}

function noise(height: number, width: number, seed: number, low = 0): tf.Tensor4D {
  const random = new Random(seed);
  const values = Float32Array.from({ length: height * width }, () => random.uniform(low, 1));
  return tf.tensor4d(values, [1, height, width, 1]);
}

let folder: string;
let tiny: ModelPackage;
const packages = new Map<string, ModelPackage>();

/** As a package would hold it. */
async function packed(model: tf.LayersModel): Promise<ModelPackage> {
  const named = model.weights.map((weight) => ({ name: weight.originalName, tensor: weight.read() }));
  const { data, specs } = await tf.io.encodeWeights(named);
  return {
    ...tiny,
    topology: JSON.parse(JSON.stringify(model.toJSON(null, false))),
    weightSpecs: specs as unknown as ModelPackage["weightSpecs"],
    weightData: data as ArrayBuffer,
    config: { ...tiny.config, field: receptiveField(model) },
  };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "chondria-"));
  await selectBackend("wasm");
  tiny = await writeTinyModel(join(folder, "tiny"));
  for (const name of names) packages.set(name, await packed(snapshots[name]()));
}, 60_000);

afterAll(() => rm(folder, { recursive: true }));

const BOUNDS: Box = { lower: [0, 0, 0], upper: [150, 118, 1] };

describe("snapshots of the strategies", () => {
  it.each(names)("%s: is a topology that packages may hold", (name) => {
    const { topology, weightSpecs } = packages.get(name) as ModelPackage;
    expect(() => checkTopology(topology as Record<string, unknown>, weightSpecs)).not.toThrow();
  });

  it("knows how far they see", () => {
    const generator = (blocks: number) => {
      const { model } = buildGenerator({ base: 1, blocks, seed: 1 });
      return withImages(1, -1, (images) => freeze(model, images));
    };
    // Each block has two 3x3 convolutions at a quarter of the resolution: 8 pixels.
    expect(receptiveField(generator(2))).toEqual({ halo: 40, multiple: 4 });
    expect(receptiveField(generator(9))).toEqual({ halo: 40 + 7 * 8, multiple: 4 });
    // The Attention U-Net of five levels: 112, at most.
    const segmenter = buildAttentionUNet({ ...NORMALISED_NETWORK, filters: [1, 1, 1, 1, 1] }).model;
    expect(receptiveField(chain(generator(9), segmenter))).toEqual({ halo: 96 + 112, multiple: 16 });
    // Bilinear doubling sees one pixel more at each level than a transposed convolution.
    expect(packages.get("DAMT-Net")?.config.field).toEqual({ halo: 128, multiple: 16 });
  });

  it.each(names)("%s: no pixel beyond the halo changes a prediction, and the next ones do", async (name) => {
    const network = await loadNetwork(packages.get(name) as ModelPackage);
    const { halo, multiple } = receptiveField(network);
    const size = Math.ceil((2 * halo + 40) / multiple) * multiple;
    const image = noise(16, size, 9);
    const at = size / 2;
    const row = async (changed: number | null) => {
      const output = tf.tidy(() => {
        const columns = tf.range(0, size);
        const bump = tf.mul(tf.cast(tf.equal(columns, changed ?? -1), "float32"), 50);
        return network.predict(tf.add(image, tf.reshape(bump, [1, 1, size, 1]))) as tf.Tensor4D;
      });
      const data = await output.data();
      output.dispose();
      return data.slice(0, size);
    };
    const before = await row(null);
    const far = await row(at - halo - multiple);
    expect(Object.is(far[at], before[at])).toBe(true);
    const near = await row(at - 2);
    expect(near[at]).not.toBe(before[at]);
    image.dispose();
    network.dispose();
  });

  it.each(names)("%s: a chunk has the bytes of the whole slice", async (name) => {
    const model = packages.get(name) as ModelPackage;
    const predictor = await createPredictor(model, "wasm");
    const random = new Random(4);
    const slice = Uint8Array.from({ length: boxVolume(BOUNDS) }, (_, i) =>
      Math.round(120 + 80 * Math.sin(i / 23) * Math.cos(i / (150 * 9)) + 40 * random.next()),
    );
    const geometry = chooseGeometry([{ bounds: BOUNDS, voxelSize: [10, 10, 10] }], model.config.voxelSize);
    const predict = async (core: Box, maxTilePixels?: number) => {
      const gather = gatherBox(geometry, model.config.field, core);
      const [width, height] = boxSize(gather);
      const em = Uint8Array.from({ length: width * height }, (_, i) => {
        const [x, y] = [gather.lower[0] + (i % width), gather.lower[1] + Math.floor(i / width)];
        return slice[x + 150 * y];
      });
      const using = maxTilePixels ? await createPredictor(model, "wasm", { maxTilePixels }) : predictor;
      const { probability } = await using.predict({
        em,
        gather,
        core,
        geometry,
        window: [0, 255],
        tta: "none",
      });
      if (using !== predictor) using.dispose();
      return probability;
    };
    const whole = await predict(BOUNDS);
    expect(new Set(whole).size).toBeGreaterThan(8);
    for (const core of [
      { lower: [0, 0, 0], upper: [31, 17, 1] },
      { lower: [64, 37, 0], upper: [97, 80, 1] },
      { lower: [140, 100, 0], upper: [150, 118, 1] },
    ] as Box[]) {
      const [width] = boxSize(core);
      const expected = Array.from(
        { length: boxVolume(core) },
        (_, i) => whole[core.lower[0] + (i % width) + 150 * (core.lower[1] + Math.floor(i / width))],
      );
      expect([...(await predict(core))]).toEqual(expected);
    }
    const side = 2 * model.config.field.halo + 64;
    expect(await predict(BOUNDS, side * side)).toEqual(whole);
    predictor.dispose();
  });

  it.each(names)("%s: cropping and folding do not change it", async (name) => {
    const model = packages.get(name) as ModelPackage;
    const plain = await tf.loadLayersModel(
      tf.io.fromMemory({
        modelTopology: model.topology,
        weightSpecs: model.weightSpecs as unknown as tf.io.WeightsManifestEntry[],
        weightData: model.weightData,
      }),
    );
    const folded = await loadNetwork(model);
    expect(folded.layers.length).toBeLessThan(plain.layers.length);
    expect(folded.layers.some((layer) => layer.getClassName() === "BatchNormalization")).toBe(false);
    const cropped = new CroppedNetwork(folded);
    const image = noise(96, 128, 3);
    const [a, b] = [plain.predict(image) as tf.Tensor4D, folded.predict(image) as tf.Tensor4D];
    const [expected, whole] = [await a.data(), await b.data()];
    expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(0.02);
    const errors = expected.map((p, i) => Math.abs(p - whole[i]));
    expect(Math.max(...errors)).toBeLessThan(2e-5);
    const tensors = tf.memory().numTensors;
    const random = new Random(5);
    const side = (size: number): [number, number] => {
      const first = random.integer(size);
      return [first, first + random.integer(Math.min(40, size - first))];
    };
    const regions: Region[] = [
      [
        [0, 0],
        [0, 0],
      ],
      [
        [95, 95],
        [127, 127],
      ],
      [
        [0, 95],
        [0, 127],
      ],
      ...Array.from({ length: 10 }, (): Region => [side(96), side(128)]),
    ];
    for (const [rows, columns] of regions) {
      const part = cropped.run(image, [rows, columns]);
      const [, height, width] = part.shape;
      const data = await part.data();
      part.dispose();
      expect([height, width]).toEqual([rows[1] - rows[0] + 1, columns[1] - columns[0] + 1]);
      const same = data.every((value, i) =>
        Object.is(value, whole[(rows[0] + Math.floor(i / width)) * 128 + columns[0] + (i % width)]),
      );
      expect(same, `rows ${rows}, columns ${columns}`).toBe(true);
    }
    expect(tf.memory().numTensors).toBe(tensors);
    tf.dispose([image, a, b]);
    plain.dispose();
    folded.dispose();
  });

  it("does not see through an unfrozen normalisation", () => {
    const { model } = buildGenerator({ base: 1, blocks: 2, seed: 1 });
    expect(() => receptiveField(model)).toThrow(
      "layer start_norm (GroupNormalisation): looks at the whole image",
    );
    expect(() => new CroppedNetwork(model)).toThrow("freeze it");
    const topology = JSON.parse(JSON.stringify(model.toJSON(null, false)));
    expect(() => checkTopology(topology, specsOf(model))).toThrow("layer GroupNormalisation is not allowed");
    model.dispose();
  });

  it("checks the settings of the new layers", () => {
    const { topology, weightSpecs } = packages.get("CUT chain") as ModelPackage;
    const spoiled = (name: string, change: (config: Record<string, unknown>) => void) => {
      const copy = JSON.parse(JSON.stringify(topology));
      change(copy.config.layers.find((l: { config: { name: string } }) => l.config.name === name).config);
      return () => checkTopology(copy, weightSpecs);
    };
    expect(spoiled("signed", (config) => Object.assign(config, { scale: "2" }))).toThrow('config.scale: "2"');
    expect(spoiled("signed", (config) => Object.assign(config, { offset: null }))).toThrow(
      "config.offset: null",
    );
    expect(spoiled("style_start_pad", (config) => Object.assign(config, { size: 1e6 }))).toThrow(
      "config.size: 1000000 is not within",
    );
  });
});

const specsOf = (model: tf.LayersModel) =>
  model.weights.map(({ originalName, shape }) => ({
    name: originalName,
    shape: shape as number[],
    dtype: "float32" as const,
  }));
