import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { buildAttentionUNet, NORMALISED_NETWORK } from "../../../src/network/attention_unet.js";
import { Random } from "../../../src/network/random.js";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "../../../src/training/checkpoint.js";
import { runTraining, type ValidationReport } from "../../../src/training/loop.js";
import type { TrainingSettings } from "../../../src/training/settings.js";
import type { Slices } from "../../../src/training/slices.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

/** Dark discs on a bright noisy ground: what a network of few filters learns in a few steps. */
function discs(count: number, seed: number): Slices {
  const [width, height] = [48, 40];
  const random = new Random(seed);
  const em: Uint8Array[] = [];
  const labels: Uint8Array[] = [];
  for (let z = 0; z < count; z++) {
    const [cx, cy, r] = [random.uniform(10, 38), random.uniform(10, 30), random.uniform(5, 9)];
    const inside = (i: number) => Math.hypot((i % width) - cx, Math.floor(i / width) - cy) < r;
    em.push(
      Uint8Array.from({ length: width * height }, (_, i) => (inside(i) ? 60 : 180) + random.integer(30)),
    );
    labels.push(Uint8Array.from({ length: width * height }, (_, i) => (inside(i) ? 255 : 0)));
  }
  return { width, height, em, labels };
}

const settings: TrainingSettings = {
  network: { ...NORMALISED_NETWORK, filters: [4, 8], dropoutRates: [0, 0.2] },
  seed: 5,
  steps: 12,
  batch: 2,
  accumulate: 1,
  patch: 32,
  loss: "bce+dice",
  optimiser: { name: "adamw", momentum: 0.9, weightDecay: 1e-2 },
  schedule: "cosine",
  learningRate: 1e-2,
  warmup: 2,
  augmentation: { d4: true, rotation: 30, jitter: 0.1, noise: 0.05, blur: 0.5 },
  validateEvery: 4,
  patience: 0,
  select: "iou",
};

interface Recording {
  losses: number[];
  validations: ValidationReport[];
  checkpoint: Checkpoint | null;
  weights: readonly Float32Array[];
  stopped: string;
}

async function record(options: {
  settings?: TrainingSettings;
  checkpoint?: Checkpoint;
  abortAt?: number;
  train?: Slices;
}): Promise<Recording> {
  const used = options.settings ?? settings;
  const controller = new AbortController();
  const result: Recording = { losses: [], validations: [], checkpoint: null, weights: [], stopped: "" };
  const network = buildAttentionUNet(used.network);
  const outcome = await runTraining(
    {
      network,
      train: options.train ?? discs(4, 1),
      validation: discs(2, 2),
      settings: used,
      checkpoint: options.checkpoint,
    },
    {
      signal: controller.signal,
      onStep({ step, loss }) {
        result.losses.push(loss);
        if (step === options.abortAt) controller.abort();
      },
      onValidation: (report) => result.validations.push(report),
      async save(checkpoint) {
        // Through its file form, as a real run does.
        result.checkpoint = decodeCheckpoint(encodeCheckpoint(checkpoint), "test");
      },
    },
  );
  network.model.dispose();
  return { ...result, weights: outcome.weights, stopped: outcome.stopped };
}

describe("training loop", () => {
  it("gives the same losses when it is stopped and resumed as when it is not", async () => {
    const whole = await record({});
    expect(whole.losses).toHaveLength(12);
    const first = await record({ abortAt: 5 });
    expect(first.stopped).toBe("interrupted");
    expect(first.losses).toEqual(whole.losses.slice(0, 5));
    const second = await record({ checkpoint: first.checkpoint! });
    expect(second.losses).toEqual(whole.losses.slice(5));
    expect([...first.validations, ...second.validations]).toEqual(whole.validations);
    expect(second.weights).toEqual(whole.weights);
    expect(second.stopped).toBe("finished");
  });

  it("resumes SGD on a plateau schedule as well", async () => {
    const other: TrainingSettings = {
      ...settings,
      optimiser: { name: "sgd", momentum: 0.9, weightDecay: 0 },
      schedule: "reduce-on-plateau",
      select: "loss",
    };
    const whole = await record({ settings: other });
    const first = await record({ settings: other, abortAt: 9 });
    const second = await record({ settings: other, checkpoint: first.checkpoint! });
    expect([...first.losses, ...second.losses]).toEqual(whole.losses);
  });

  it("learns discs, and ends with the best weights", async () => {
    const { validations, losses } = await record({ settings: { ...settings, steps: 60, validateEvery: 20 } });
    expect(losses.at(-1)!).toBeLessThan(losses[0] * 0.6);
    expect(validations.at(-1)!.iouPerSlice).toBeGreaterThan(0.8);
    expect(validations[0].best).toBe(true);
  });

  it("keeps the weights it is told to: the best validated, or the last", async () => {
    // A rate that spoils what was learnt, so that the last weights are not the best.
    const spoiling: TrainingSettings = {
      ...settings,
      learningRate: 0.5,
      schedule: "constant",
      validateEvery: 1,
    };
    for (const select of ["iou", "last"] as const) {
      const { weights, checkpoint } = await record({ settings: { ...spoiling, select } });
      expect(checkpoint!.bestWeights).not.toEqual(checkpoint!.weights);
      expect(weights).toEqual(select === "last" ? checkpoint!.weights : checkpoint!.bestWeights);
    }
  });

  it("averages micro-batches to the gradient of the whole batch where nothing couples the samples", async () => {
    const plain: TrainingSettings = {
      ...settings,
      network: { ...settings.network, normalisation: "none", dropout: "none" },
      loss: "bce",
      steps: 3,
      batch: 4,
    };
    const whole = await record({ settings: plain });
    const parts = await record({ settings: { ...plain, accumulate: 4 } });
    parts.losses.forEach((loss, i) => {
      expect(loss).toBeCloseTo(whole.losses[i], 4);
    });
  });

  it("keeps no tensors", async () => {
    const counts: number[] = [];
    const network = buildAttentionUNet(settings.network);
    const before = tf.memory().numTensors;
    await runTraining(
      { network, train: discs(2, 1), validation: discs(1, 2), settings: { ...settings, accumulate: 2 } },
      { onStep: () => counts.push(tf.memory().numTensors), wantsCheckpoint: () => true, async save() {} },
    );
    expect(new Set(counts.slice(1)).size).toBe(1);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("stops when validation gets no better for long", async () => {
    const still: TrainingSettings = {
      ...settings,
      learningRate: 1e-12,
      warmup: 0,
      network: { ...settings.network, normalisation: "none", dropout: "none" },
      steps: 100,
      validateEvery: 1,
      patience: 3,
    };
    const { stopped, losses } = await record({ settings: still });
    expect(stopped).toBe("patience");
    expect(losses.length).toBeLessThan(20);
  });

  it("says so when the loss explodes", async () => {
    const wild: TrainingSettings = {
      ...settings,
      network: { ...settings.network, normalisation: "none" },
      optimiser: { name: "sgd", momentum: 0.99, weightDecay: 0 },
      schedule: "constant",
      learningRate: 1e30,
    };
    await expect(record({ settings: wild })).rejects.toThrow(/lower the learning rate/);
  });

  it("refuses impossible settings and a foreign checkpoint", async () => {
    await expect(record({ settings: { ...settings, patch: 33 } })).rejects.toThrow(
      /patch must be a multiple of 2/,
    );
    await expect(record({ settings: { ...settings, batch: 3, accumulate: 2 } })).rejects.toThrow(
      /micro-batches/,
    );
    const { checkpoint } = await record({ settings: { ...settings, steps: 1 } });
    const larger = { ...settings, network: { ...settings.network, filters: [6, 8] } };
    await expect(record({ settings: larger, checkpoint: checkpoint! })).rejects.toThrow(/another network/);
  });
});

describe("checkpoint file", () => {
  it("refuses what is damaged, naming the file", async () => {
    const { checkpoint } = await record({ settings: { ...settings, steps: 1 } });
    const bytes = encodeCheckpoint(checkpoint!);
    expect(() => decodeCheckpoint(bytes.subarray(0, bytes.length - 4), "runs/a")).toThrow(
      /runs\/a: is \d+ bytes/,
    );
    expect(() => decodeCheckpoint(new Uint8Array(10), "runs/a")).toThrow(
      /runs\/a: is not a training checkpoint/,
    );
    const broken = bytes.slice();
    broken.fill(0x7b, 30, 60);
    expect(() => decodeCheckpoint(broken, "runs/a")).toThrow(/runs\/a: has a damaged header/);
  });
});
