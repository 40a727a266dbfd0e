import { beforeAll, describe, expect, it } from "vitest";
import { cut, fastcut } from "../../../src/adaptation/cut.js";
import { UnpairedSampler } from "../../../src/adaptation/cut_batches.js";
import type { Images, SourceModel, Strategy, StrategyInput } from "../../../src/adaptation/types.js";
import { readVariables, variablesOf } from "../../../src/adaptation/weights.js";
import { chooseGeometry } from "../../../src/inference/geometry.js";
import { gatherBox } from "../../../src/inference/plan.js";
import { createPredictor } from "../../../src/inference/predictor.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import type { PackageContents } from "../../../src/model/encode.js";
import { readPackageFolder } from "../../../src/model/read_node.js";
import { writePackage } from "../../../src/model/write_node.js";
import { buildAttentionUNet } from "../../../src/network/attention_unet.js";
import { Random } from "../../../src/network/random.js";
import { receptiveField } from "../../../src/network/receptive_field.js";
import { openPhantom } from "../../../src/phantom/store.js";
import { readWeights } from "../../../src/training/loop.js";
import type { Box } from "../../../src/volume/types.js";
import { lossesOf, record, TINY_NETWORK, tinyInput } from "../../support/adaptation.js";
import { scratch } from "../../support/slices.js";
import { tinyContents } from "../../support/tiny_model.js";

let model: SourceModel;

beforeAll(async () => {
  await selectBackend("wasm");
  const network = buildAttentionUNet(TINY_NETWORK);
  model = { network: TINY_NETWORK, weights: await readWeights(network.model) };
  network.model.dispose();
});

const TINY = { generatorFilters: 4, blocks: 2, discriminatorFilters: 4, projection: 8, positions: 16 };

function inputOf(
  strategy: Strategy,
  options: Record<string, number | string | boolean> = {},
  stages: Parameters<typeof tinyInput>[1] = {},
): StrategyInput {
  const input = tinyInput(strategy, { ...stages, options: { ...TINY, ...options } });
  return { ...input, model, settings: { ...input.settings, batch: 1 } };
}

describe("CUT", () => {
  it("has the authors' settings", () => {
    const sizes = {
      sourceSlices: 165,
      sourceSize: [1024, 768],
      targetSlices: 40,
      targetSize: [512, 1024],
    } as const;
    const { patch, batch, stages, options } = cut.defaults("paper", sizes);
    expect({ patch, batch, ...stages.translate }).toMatchObject({
      patch: 512,
      batch: 1,
      steps: 400 * 165,
      learningRate: 2e-4,
      schedule: "linear-decay",
      optimiser: { name: "adam", beta1: 0.5, beta2: 0.999 },
    });
    expect(options).toMatchObject({
      generatorFilters: 64,
      blocks: 9,
      discriminatorFilters: 64,
      projection: 256,
      positions: 256,
      temperature: 0.07,
      nceLayers: "0,4,8,12,16",
      lambdaGan: 1,
      lambdaNce: 1,
      identity: true,
      flipEquivariance: false,
    });
    const fast = fastcut.defaults("paper", sizes);
    expect(fast.options).toMatchObject({ lambdaNce: 10, identity: false, flipEquivariance: true });
    expect(fast.stages.translate).toMatchObject({ steps: 200 * 165, schedule: "late-linear-decay" });
  });

  it("takes crops that fit the images", () => {
    const sizes = {
      sourceSlices: 10,
      sourceSize: [512, 384],
      targetSlices: 10,
      targetSize: [700, 400],
    } as const;
    expect(cut.defaults("paper", sizes).patch).toBe(384);
  });

  it.each([
    ["an unknown option", { width: 3 }, /no option width/],
    ["no feature map", { nceLayers: "" }, /nceLayers/],
    ["a feature map that there is not", { nceLayers: "0,5" }, /nceLayers/],
    ["one twice", { nceLayers: "4,4" }, /nceLayers/],
    ["half a block", { blocks: 1.5 }, /blocks/],
    ["a temperature of 0", { temperature: 0 }, /temperature/],
    ["a negative weight", { lambdaNce: -1 }, /lambdaNce/],
  ])("refuses %s", async (_, options, message) => {
    await expect(cut.start(inputOf(cut, options))).rejects.toThrow(message);
  });

  it("says what it needs", async () => {
    const input = inputOf(cut);
    await expect(cut.start({ ...input, source: null })).rejects.toThrow(/cut: needs images of the source/);
    await expect(cut.start({ ...input, model: null })).rejects.toThrow(/needs a trained source-only model/);
    await expect(cut.start({ ...input, target: [] })).rejects.toThrow(/needs slices/);
    const other = { ...model, network: { ...TINY_NETWORK, filters: [4, 4] } };
    await expect(cut.start({ ...input, model: other })).rejects.toThrow(/source model/);
    const divided = { ...input.settings, batch: 2, accumulate: 2 };
    await expect(cut.start({ ...input, settings: divided })).rejects.toThrow(/accumulate must be 1/);
  });

  it.each([
    ["CUT", cut, ["discriminatorFake", "discriminatorReal", "gan", "identity", "loss", "nce"], {}],
    ["FastCUT", fastcut, ["discriminatorFake", "discriminatorReal", "gan", "loss", "nce"], {}],
    [
      "CUT with two maps and other weights",
      cut,
      undefined,
      { nceLayers: "4,16", lambdaGan: 2, lambdaNce: 3 },
    ],
    ["CUT with one map", cut, undefined, { nceLayers: "12" }],
  ])("reports the parts of the loss, and keeps no tensor: %s", async (_, strategy, names, options) => {
    const before = tf.memory().numTensors;
    const run = await strategy.start(inputOf(strategy, options));
    const stage = await run.begin("translate");
    const counts: number[] = [];
    for (let step = 0; step < 3; step++) {
      const losses = await stage.step(step, 1e-3);
      counts.push(tf.memory().numTensors);
      if (names) expect(Object.keys(losses).sort()).toEqual(names);
      const { lambdaGan = 1, lambdaNce = strategy === cut ? 1 : 10 } = options as Record<string, number>;
      const kept = strategy === cut ? (losses.nce + losses.identity) / 2 : losses.nce;
      expect(losses.loss).toBeCloseTo(lambdaGan * losses.gan + lambdaNce * kept, 4);
    }
    expect(new Set(counts).size).toBe(1);
    stage.dispose();
    run.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("goes on exactly where it was interrupted", async () => {
    const input = inputOf(fastcut, {}, { stages: { steps: 4 } });
    const whole = await record(fastcut, input);
    const first = await record(fastcut, input, { abortAt: 2 });
    const rest = await record(fastcut, input, { checkpoint: first.checkpoint });
    expect(whole.steps.length).toBe(4);
    expect([...lossesOf(first), ...lossesOf(rest)]).toEqual(lossesOf(whole));
  });

  it("makes a snapshot that first stylises, leaving the training as it was", async () => {
    // Of one square slice the frozen statistics are its own, so that the copy equals the generator.
    const [{ width, em }] = inputOf(cut).target;
    const slice = new Uint8Array(40 * 40);
    for (let y = 0; y < 40; y++) slice.set(em[0].subarray(y * width, y * width + 40), y * 40);
    const run = await cut.start({ ...inputOf(cut), target: [{ width: 40, height: 40, em: [slice] }] });
    const read = () => readVariables(Object.values(run.networks).flatMap(variablesOf));
    const weights = await read();
    const snapshot = await run.snapshot();
    const image = tf.tensor4d(
      Float32Array.from(slice, (value) => value / 255),
      [1, 40, 40, 1],
    );
    const stylised = run.networks.generator.apply(tf.sub(tf.mul(image, 2), 1)) as tf.Tensor;
    const output = snapshot.getLayer("unsigned").output as tf.SymbolicTensor;
    const part = tf.model({ inputs: snapshot.inputs, outputs: output });
    const drawn = await (part.predict(image) as tf.Tensor).data();
    const wanted = await stylised.data();
    expect(Math.max(...drawn)).toBeGreaterThan(Math.min(...drawn));
    drawn.forEach((value, i) => {
      expect(value).toBeCloseTo((wanted[i] + 1) / 2, 4);
    });
    const probability = (await (snapshot.predict(image) as tf.Tensor).data()) as Float32Array;
    expect(probability.every((p) => p >= 0 && p <= 1)).toBe(true);
    expect(Math.max(...probability)).toBeGreaterThan(Math.min(...probability));
    snapshot.dispose();
    expect(await read()).toEqual(weights);
    run.dispose();
  });

  it("keeps no tensor of a snapshot", async () => {
    const run = await cut.start(inputOf(cut));
    (await run.snapshot()).dispose();
    const before = tf.memory().numTensors;
    (await run.snapshot()).dispose();
    expect(tf.memory().numTensors).toBe(before);
    run.dispose();
  });
});

/** Part of a one-slice box. */
function cropOf(voxels: Uint8Array, box: Box, part: Box): Uint8Array {
  const [width, height] = [part.upper[0] - part.lower[0], part.upper[1] - part.lower[1]];
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [part.lower[0] + (i % width), part.lower[1] + Math.floor(i / width)];
    return voxels[x - box.lower[0] + (y - box.lower[1]) * (box.upper[0] - box.lower[0])];
  });
}

describe("a package of a CUT run", () => {
  it("predicts a chunk of the phantom as its snapshot does, whatever the chunk's neighbours", async () => {
    const run = await cut.start(inputOf(cut));
    const snapshot = await run.snapshot();
    run.dispose();
    const path = await scratch();
    const contents = await tinyContents();
    const weights: PackageContents["weights"][number][] = [];
    for (const weight of snapshot.weights)
      weights.push({
        name: weight.originalName,
        shape: weight.shape as number[],
        data: Float32Array.from((await weight.read().data()) as Float32Array),
      });
    await writePackage(path("chain"), {
      ...contents,
      topology: snapshot.toJSON(null, false) as object,
      weights,
      config: { ...contents.config, strategy: "cut", field: receptiveField(snapshot) },
    });
    const written = await readPackageFolder(path("chain"));
    const predictor = await createPredictor(written, "wasm");
    const em = openPhantom("phantom://shifted/3/em");
    const geometry = chooseGeometry(em.scales, written.config.voxelSize);
    const [x, y, z] = em.scales[geometry.scale].bounds.lower.map((v) => v + 1024);
    const core: Box = { lower: [x, y, z], upper: [x + 40, y + 24, z + 1] };
    const gather = gatherBox(geometry, written.config.field, core);
    const voxels = (await em.read(geometry.scale, gather, {})) as Uint8Array;
    const predict = async (part: Box) => {
      const around = gatherBox(geometry, written.config.field, part);
      const inside = cropOf(voxels, gather, around);
      const request = {
        em: inside,
        gather: around,
        core: part,
        geometry,
        window: [0, 255],
        tta: "none",
      } as const;
      return (await predictor.predict(request)).probability;
    };
    const probability = await predict(core);
    const right = await predict({ lower: [x + 17, y, z], upper: [x + 40, y + 24, z + 1] });
    probability.forEach((value, i) => {
      const [u, v] = [i % 40, Math.floor(i / 40)];
      if (u >= 17) expect(right[v * 23 + u - 17]).toBe(value);
    });
    const [width, height] = [gather.upper[0] - gather.lower[0], gather.upper[1] - gather.lower[1]];
    const image = tf.tensor4d(
      Float32Array.from(voxels, (value) => value / 255),
      [1, height, width, 1],
    );
    const whole = await (snapshot.predict(image) as tf.Tensor).data();
    expect(new Set(probability).size).toBeGreaterThan(8);
    probability.forEach((value, i) => {
      const [u, v] = [x - gather.lower[0] + (i % 40), y - gather.lower[1] + Math.floor(i / 40)];
      // Packages hold half-precision weights.
      expect(Math.abs(value - 255 * whole[v * width + u])).toBeLessThan(3);
    });
    predictor.dispose();
    snapshot.dispose();
  }, 120_000);
});

describe("unpaired crops", () => {
  const stack = (count: number, value: number, [width, height] = [40, 36]): Images => ({
    width,
    height,
    em: Array.from({ length: count }, (_, z) =>
      Uint8Array.from({ length: width * height }, (_, i) => value + z + (i % width)),
    ),
  });

  it("are in -1..1, of each side's slices; an epoch shows each slice of the larger side once", () => {
    const sampler = new UnpairedSampler([stack(3, 0), stack(2, 100)], [stack(2, 200)], 32, 1, new Random(1));
    const slices = (first: number) =>
      Array.from({ length: 5 }, (_, i) => {
        const { target, source } = sampler.sample(1, first + i);
        // Rows are ramps: the least value of a crop is the slice's value plus the crop's column.
        expect(Math.min(...source)).toBeGreaterThanOrEqual(200 / 127.5 - 1 - 1e-6);
        expect(Math.max(...target)).toBeLessThanOrEqual(1);
        return Math.round((Math.min(...target) + 1) * 127.5) >= 100 ? "second" : "first";
      });
    for (const first of [0, 5, 10])
      expect(slices(first).sort()).toEqual(["first", "first", "first", "second", "second"]);
  });

  it("are mirrored half of the time, and reflected where the slice is smaller", () => {
    const sampler = new UnpairedSampler([stack(1, 0)], [stack(1, 0, [20, 20])], 32, 1, new Random(2));
    let mirrored = 0;
    for (let i = 0; i < 400; i++) {
      const { target, source } = sampler.sample(1, i);
      if (target[0] > target[31]) mirrored++;
      expect(Math.round((Math.max(...source) + 1) * 127.5)).toBe(19);
    }
    expect(mirrored).toBeGreaterThan(160);
    expect(mirrored).toBeLessThan(240);
  });
});
