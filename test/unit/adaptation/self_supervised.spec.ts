import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { crappify, PAPER_CORRUPTION, resizeBilinear } from "../../../src/adaptation/crappify.js";
import { runAdaptation } from "../../../src/adaptation/engine.js";
import { selfSupervised } from "../../../src/adaptation/self_supervised.js";
import type { StageSettings } from "../../../src/adaptation/types.js";
import { readVariables, variablesWithout } from "../../../src/adaptation/weights.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { buildAttentionUNet } from "../../../src/network/attention_unet.js";
import { Random } from "../../../src/network/random.js";
import { readWeights } from "../../../src/training/loop.js";
import { discs, iouOf, lossesOf, record, TINY_NETWORK, tinyInput } from "../../support/adaptation.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

/** From PyTorch: test/golden/adaptation/crappify.py. */
const golden = JSON.parse(
  readFileSync(new URL("../../golden/adaptation/crappify.json", import.meta.url), "utf8"),
) as { size: number; target: number; image: number[]; resized: number[] }[];

describe("crappify", () => {
  it.each(golden)("resizes $size to $target as PyTorch does", ({ size, target, image, resized }) => {
    const out = resizeBilinear(Float32Array.from(image), size, target);
    out.forEach((value, i) => {
      expect(value).toBeCloseTo(resized[i], 6);
    });
  });

  it("adds noise of 0.3 max, clips it, and leaves a quarter of the pixels", () => {
    const size = 128;
    const image = new Float32Array(size * size).fill(0.4);
    image[5] = 0.8;
    const noiseOnly = crappify(image, size, { noise: 0.3, scale: 1 }, new Random(1));
    const mean = noiseOnly.reduce((a, b) => a + b, 0) / noiseOnly.length;
    const sd = Math.sqrt(noiseOnly.reduce((a, b) => a + (b - mean) ** 2, 0) / noiseOnly.length);
    expect(mean).toBeCloseTo(0.4, 2);
    // 0.3 * 0.8 = 0.24, a little less for the clipping at 0 and 0.8 (1.67 standard deviations away).
    expect(sd).toBeGreaterThan(0.2);
    expect(sd).toBeLessThan(0.24);
    expect(Math.max(...noiseOnly)).toBeCloseTo(0.8, 6);
    expect(Math.min(...noiseOnly)).toBe(0);
    const both = crappify(image, size, PAPER_CORRUPTION, new Random(1));
    const halved = resizeBilinear(resizeBilinear(noiseOnly, size, size / 2), size / 2, size);
    expect(both).toEqual(halved);
    expect(crappify(image, size, { noise: 0, scale: 1 }, new Random(1))).toEqual(image);
  });
});

const stages = (change: Partial<StageSettings>) => ({ stages: change });

describe("self-supervised", () => {
  it("resumes to the same losses in both stages, and keeps no tensors", async () => {
    const input = tinyInput(selfSupervised, stages({ steps: 4, scoreEvery: 2 }));
    const whole = await record(selfSupervised, input);
    expect(whole.stages).toEqual(["pretrain", "finetune"]);
    const { numTensors } = tf.memory();
    for (const abortAt of [2, 6]) {
      const before = await record(selfSupervised, input, { abortAt });
      const after = await record(selfSupervised, input, { checkpoint: before.checkpoint });
      expect([...lossesOf(before), ...lossesOf(after)]).toEqual(lossesOf(whole));
    }
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  it("learns to restore, then trains all but the encoder", async () => {
    const input = tinyInput(
      selfSupervised,
      stages({ steps: 40, learningRate: 1e-2, validateEvery: 0, scoreEvery: 8 }),
    );
    const run = await selfSupervised.start(input);
    const model = run.networks.segmenter;
    const isEncoder = (name: string) => name.startsWith("down");
    const names = new Set(model.layers.map(({ name }) => name));
    const encoder = () =>
      readVariables(variablesWithout(model, new Set([...names].filter((n) => !isEncoder(n)))));
    const others = () => readVariables(variablesWithout(model, new Set([...names].filter(isEncoder))));
    const losses: number[] = [];
    let iou = 0;
    let kept: [Float32Array[], Float32Array[]] | null = null;
    await runAdaptation(
      { strategy: selfSupervised, run, settings: input.settings },
      {
        onStep: ({ losses: { loss } }) => losses.push(loss),
        async onScore(snapshot, { stage, step }) {
          if (stage === "pretrain") kept = [await encoder(), await others()];
          if (stage === "finetune" && step === 40) iou = await iouOf(snapshot, discs(3, 8, 65));
        },
      },
    );
    const [frozen, trained] = kept!;
    const after = await encoder();
    after.forEach((array, i) => {
      expect(array).toEqual(frozen[i]);
    });
    expect(await others()).not.toEqual(trained);
    run.dispose();
    const mean = (from: number, to: number) =>
      losses.slice(from, to).reduce((a, b) => a + b, 0) / (to - from);
    expect(mean(30, 40)).toBeLessThan(0.5 * mean(0, 5));
    expect(mean(70, 80)).toBeLessThan(0.8 * mean(40, 45));
    expect(iou).toBeGreaterThan(0.4);
  }, 60_000);

  it("starts both stages from the source model when told to", async () => {
    const network = buildAttentionUNet({ ...TINY_NETWORK, seed: 5 });
    const model = { network: TINY_NETWORK, weights: await readWeights(network.model) };
    const encoder = new Set(
      network.model.layers.map(({ name }) => name).filter((name) => name.startsWith("down")),
    );
    const decoder = await readVariables(variablesWithout(network.model, encoder));
    network.model.dispose();
    const input = {
      ...tinyInput(selfSupervised, { ...stages({ steps: 2 }), options: { initial: true } }),
      model,
    };
    const run = await selfSupervised.start(input);
    expect(await readWeights(run.networks.segmenter)).toEqual(model.weights);
    const stage = await run.begin("pretrain");
    await stage.step(0, 1e-2);
    stage.dispose();
    const now = () => readVariables(variablesWithout(run.networks.segmenter, encoder));
    expect(await now()).not.toEqual(decoder);
    await run.enter!("finetune");
    expect(await now()).toEqual(decoder);
    run.dispose();
  });

  it("states the authors' settings, and refuses what cannot be", async () => {
    const sizes = {
      sourceSlices: 10,
      sourceSize: [512, 512],
      targetSlices: 20,
      targetSize: [256, 600],
    } as const;
    const { stages: paper } = selfSupervised.defaults("paper", sizes);
    // 10 slices of 4 patches and 20 of 2, in batches of 6: 14 steps an epoch; of the source alone 7.
    expect(paper.pretrain).toMatchObject({ steps: 200 * 14, learningRate: 5e-4, schedule: "one-cycle" });
    expect(paper.finetune).toMatchObject({ steps: 60 * 7, learningRate: 1e-4, schedule: "one-cycle" });
    const attempt = (options: Record<string, number | boolean>) =>
      selfSupervised.start(tinyInput(selfSupervised, { options }));
    await expect(attempt({ noise: -1 })).rejects.toThrow(/noise must be/);
    await expect(attempt({ scale: 0 })).rejects.toThrow(/scale/);
    await expect(attempt({ initial: true })).rejects.toThrow(/needs a source model/);
    const input = tinyInput(selfSupervised);
    await expect(selfSupervised.start({ ...input, source: null })).rejects.toThrow(/labelled source/);
    await expect(selfSupervised.start({ ...input, target: [] })).rejects.toThrow(/images of the target/);
  });
});
