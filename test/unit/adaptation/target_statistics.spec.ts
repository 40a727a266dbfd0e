import { beforeAll, describe, expect, it } from "vitest";
import { behindCurve, curveAt, curveThrough } from "../../../src/adaptation/grey_table.js";
import { matchingTable, matchingTemplate } from "../../../src/adaptation/histogram.js";
import { UnlabelledPatches } from "../../../src/adaptation/patches.js";
import { sourceOnly } from "../../../src/adaptation/source_only.js";
import {
  reestimateStatistics,
  targetStatistics,
  targetStatisticsMatched,
} from "../../../src/adaptation/target_statistics.js";
import type { SourceModel, SourceSummary, Strategy, StrategyInput } from "../../../src/adaptation/types.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { checkTopology } from "../../../src/model/topology.js";
import { buildAttentionUNet } from "../../../src/network/attention_unet.js";
import { Random } from "../../../src/network/random.js";
import { receptiveField } from "../../../src/network/receptive_field.js";
import { readWeights } from "../../../src/training/loop.js";
import type { Slices } from "../../../src/training/slices.js";
import { histogramOf } from "../../../src/training/source_statistics.js";
import {
  discs,
  iouOf,
  lossesOf,
  record,
  TINY_NETWORK,
  tinyInput,
  unlabelled,
} from "../../support/adaptation.js";

/** Another domain: bright, and of a third of the contrast. */
function faint(slices: Slices): Slices {
  return { ...slices, em: slices.em.map((image) => image.map((value) => 150 + 0.3 * value)) };
}

let model: SourceModel;
let summary: SourceSummary;

beforeAll(async () => {
  await selectBackend("wasm");
  // A source-only network that segments dark discs, and only dark ones.
  const input = tinyInput(sourceOnly, {
    stages: { steps: 40, validateEvery: 0, scoreEvery: 0, learningRate: 1e-2 },
  });
  const run = await sourceOnly.start(input);
  const stage = await run.begin("train");
  for (let i = 0; i < 40; i++) await stage.step(i, 1e-2);
  model = { network: TINY_NETWORK, weights: await readWeights(run.networks.segmenter) };
  stage.dispose();
  run.dispose();
  const prior = {
    objects: 1,
    fraction: 0.1,
    regions: 1,
    solidity: 0.9,
    ara: 0.1,
    eccentricity: 0.5,
    area: 100,
    solidityHistogram: [],
    voxelSize: [10, 10, 10] as const,
    source: "discs",
  };
  summary = { histogram: [...histogramOf(discs(4, 1).em)], prior };
}, 60_000);

function inputFor(strategy: Strategy, steps = 6): StrategyInput {
  const input = tinyInput(strategy, { stages: { steps, validateEvery: 0, scoreEvery: 0 } });
  const target = [faint(discs(2, 3)), faint(discs(2, 4))].map(unlabelled);
  return { ...input, source: null, target, model, summary };
}

describe("a curve of grey values", () => {
  const random = new Random(2);
  const bell = (mean: number, sd: number) =>
    histogramOf([
      Uint8Array.from({ length: 9000 }, () => Math.max(0, Math.min(255, mean + sd * random.normal()))),
    ]);

  it.each([
    ["brighter and flatter", bell(90, 30), bell(170, 12)],
    ["with padding", bell(20, 30), bell(150, 30)],
    ["to a narrow one", bell(128, 60), bell(60, 3)],
  ])("follows the table: %s", (_, from, to) => {
    const table = matchingTable(from, matchingTemplate(to));
    const curve = curveThrough(table, from);
    expect(curve.from.length).toBeLessThanOrEqual(25);
    let squares = 0;
    let total = 0;
    let before = -1;
    for (let value = 0; value < 256; value++) {
      const at = 255 * curveAt(curve, value / 255);
      expect(at).toBeGreaterThanOrEqual(before);
      before = at;
      squares += from[value] * (at - table[value]) ** 2;
      total += from[value];
    }
    expect(Math.sqrt(squares / total)).toBeLessThan(0.5);
  });

  it("is the same within a model, of layers that a package may hold, also in half precision", async () => {
    const source = bell(90, 30);
    const curve = curveThrough(matchingTable(source, matchingTemplate(bell(170, 25))), source);
    const input = tf.input({ shape: [null, null, 1], name: "em" });
    const identity = tf.model({
      inputs: input,
      outputs: tf.layers.activation({ name: "same", activation: "linear" }).apply(input) as tf.SymbolicTensor,
    });
    const chained = behindCurve(curve, identity);
    const x = Float32Array.from({ length: 256 }, (_, i) => i / 255);
    const run = async () => {
      const y = tf.tidy(() => chained.predict(tf.tensor4d(x, [1, 16, 16, 1])) as tf.Tensor);
      const values = await y.data();
      y.dispose();
      return values;
    };
    (await run()).forEach((value, i) => {
      expect(value).toBeCloseTo(curveAt(curve, x[i]), 5);
    });
    const half: tf.Tensor[] = [];
    for (const weight of chained.getWeights()) {
      const values = (await weight.data()) as Float32Array;
      half.push(
        tf.tensor(
          values.map((value) => value * (1 + 2 ** -11)),
          weight.shape,
        ),
      );
    }
    chained.setWeights(half);
    (await run()).forEach((value, i) => {
      expect(Math.abs(value - curveAt(curve, x[i]))).toBeLessThan(1 / 255);
    });
    const json = chained.toJSON(null, false) as { config: { layers: object[] } };
    const specs = chained.weights.map(({ originalName, shape }) => ({
      name: originalName,
      shape: shape as number[],
      dtype: "float32" as const,
    }));
    expect(() => checkTopology(json as never, specs)).not.toThrow();
    expect(receptiveField(chained)).toEqual({ halo: 0, multiple: 1 });
    tf.dispose(half);
    chained.dispose();
    identity.dispose();
  });
});

describe("target statistics", () => {
  it("are plain averages over the batches drawn", async () => {
    const input = inputFor(targetStatistics, 3);
    const { patch, batch, seed } = input.settings;
    const run = await targetStatistics.start(input);
    const stage = await run.begin("estimate");
    for (let i = 0; i < 3; i++) await stage.step(i, 1);
    const norm = run.networks.segmenter.getLayer("down0_norm1");
    const [, , mean, variance] = norm.getWeights();
    const kernel = run.networks.segmenter.getLayer("down0_conv1").getWeights()[0] as tf.Tensor4D;
    const augmentation = { d4: true, rotation: 0, jitter: 0, noise: 0, blur: 0 };
    const patches = new UnlabelledPatches(input.target, { size: patch, augmentation }, new Random(seed));
    const expected = tf.tidy(() => {
      const moments = Array.from({ length: 3 }, () => {
        const x = tf.tensor4d(patches.sample(batch).em, [batch, patch, patch, 1]);
        return tf.moments(tf.conv2d(x, kernel, 1, "same"), [0, 1, 2]);
      });
      const average = (tensors: tf.Tensor[]) => tf.div(tf.addN(tensors), 3);
      return [average(moments.map((m) => m.mean)), average(moments.map((m) => m.variance))];
    });
    for (const [got, wanted] of [
      [mean, expected[0]],
      [variance, expected[1]],
    ]) {
      const values = await wanted.data();
      (await got.data()).forEach((value, i) => {
        expect(value).toBeCloseTo(values[i], 4);
      });
    }
    tf.dispose(expected);
    stage.dispose();
    run.dispose();
  });

  it.each([targetStatistics, targetStatisticsMatched])(
    "$id segments a target on which the source model fails, as a model of raw images",
    async (strategy) => {
      const target = faint(discs(3, 8));
      const raw = buildAttentionUNet({ ...TINY_NETWORK, dropout: "none" }).model;
      const copies = model.weights.map((array, i) => tf.tensor(array, raw.getWeights()[i].shape));
      raw.setWeights(copies);
      tf.dispose(copies);
      const before = await iouOf(raw, target);
      let after = 0;
      await record(strategy, inputFor(strategy), {
        host: {
          async onScore(snapshot) {
            after = await iouOf(snapshot, target);
            const json = snapshot.toJSON(null, false) as never;
            const specs = snapshot.weights.map(({ originalName, shape }) => ({
              name: originalName,
              shape: shape as number[],
              dtype: "float32" as const,
            }));
            expect(() => checkTopology(json, specs)).not.toThrow();
            expect(receptiveField(snapshot)).toEqual(receptiveField(raw));
          },
        },
      });
      raw.dispose();
      expect(after).toBeGreaterThan(before + 0.1);
      expect(after).toBeGreaterThan(0.5);
    },
  );

  it("resume to the same numbers, in micro-batches too, and keep no tensors", async () => {
    const first = inputFor(targetStatisticsMatched);
    const input = { ...first, settings: { ...first.settings, accumulate: 2 } };
    const whole = await record(targetStatisticsMatched, input);
    const { numTensors } = tf.memory();
    const before = await record(targetStatisticsMatched, input, { abortAt: 3 });
    const after = await record(targetStatisticsMatched, input, { checkpoint: before.checkpoint });
    expect([...lossesOf(before), ...lossesOf(after)]).toEqual(lossesOf(whole));
    expect(after.checkpoint?.weights).toEqual(whole.checkpoint?.weights);
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  it("leave all but the statistics as they were", async () => {
    const network = buildAttentionUNet({ ...TINY_NETWORK, dropout: "none" }).model;
    const before = await readWeights(network);
    await reestimateStatistics(network, inputFor(targetStatistics).target, {
      patch: 32,
      seed: 1,
      batches: 2,
    });
    const after = await readWeights(network);
    network.weights.forEach(({ originalName }, i) => {
      const statistic = originalName.includes("moving_");
      if (statistic) expect(after[i], originalName).not.toEqual(before[i]);
      else expect(after[i], originalName).toEqual(before[i]);
    });
    network.dispose();
  });

  it("name what is missing", async () => {
    const input = inputFor(targetStatisticsMatched);
    const attempt = (change: Partial<StrategyInput>) =>
      targetStatisticsMatched.start({ ...input, ...change });
    await expect(attempt({ model: null })).rejects.toThrow(/needs a trained source model/);
    await expect(attempt({ summary: null })).rejects.toThrow(/needs the histogram of the source/);
    await expect(attempt({ target: [] })).rejects.toThrow(/needs images of the target/);
    const bare = { ...input.settings, network: { ...TINY_NETWORK, normalisation: "none" as const } };
    await expect(attempt({ settings: bare })).rejects.toThrow(/no normalisation layers/);
    const other = { ...input.settings, network: { ...TINY_NETWORK, filters: [4, 16] } };
    await expect(attempt({ settings: other })).rejects.toThrow(/does not fit the settings/);
  });
});
