import { beforeAll, describe, expect, it } from "vitest";
import { editLabels } from "../../../src/adaptation/edits_labels.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { buildAttentionUNet, NORMALISED_NETWORK } from "../../../src/network/attention_unet.js";
import { Random } from "../../../src/network/random.js";
import { Replay } from "../../../src/proofreading/replay.js";
import { LocalGradients } from "../../../src/training/gradients.js";
import { segmentationLoss } from "../../../src/training/losses.js";
import { PatchSampler } from "../../../src/training/sampler.js";
import { cropSlices, type Slices, splitSlices } from "../../../src/training/slices.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";
import { blobVolume, Scribe, viewOf } from "../proofreading/scene.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const AUGMENTATION = { d4: true, rotation: 30, jitter: 0.1, noise: 0.05, blur: 0.5 };

function noise(count: number, seed: number, known?: (i: number) => boolean): Slices {
  const random = new Random(seed);
  const image = () => Uint8Array.from({ length: 64 * 48 }, () => random.integer(256));
  return {
    width: 64,
    height: 48,
    em: Array.from({ length: count }, image),
    labels: Array.from({ length: count }, image),
    ...(known && {
      known: Array.from({ length: count }, () =>
        Uint8Array.from({ length: 64 * 48 }, (_, i) => (known(i) ? 255 : 0)),
      ),
    }),
  };
}

/** Loss and its gradient by the logits. */
async function lossOf(name: "bce" | "bce+dice", y: number[], z: number[], w?: number[]) {
  const shape: [number, number, number, number] = [1, 2, 4, 1];
  const logits = tf.tensor4d(z, shape);
  const { value, grad } = tf.valueAndGrad((x: tf.Tensor) =>
    segmentationLoss(name, tf.tensor4d(y, shape), x, w && tf.tensor4d(w, shape)),
  )(logits) as unknown as { value: tf.Tensor; grad: tf.Tensor };
  return { value: (await value.data())[0], grad: Array.from(await grad.data()) };
}

describe("a loss of known pixels", () => {
  const y = [1, 0, 0.5, 1, 0, 0, 1, 0];
  const z = [2, -1, 0.5, -3, 4, 0, 1.5, -2];

  it.each(["bce", "bce+dice"] as const)("%s is the loss of all when all are known", async (name) => {
    const plain = await lossOf(name, y, z);
    const weighted = await lossOf(name, y, z, new Array<number>(8).fill(1));
    expect(weighted.value).toBeCloseTo(plain.value, 5);
    weighted.grad.forEach((value, i) => {
      expect(value).toBeCloseTo(plain.grad[i], 5);
    });
  });

  it.each(["bce", "bce+dice"] as const)("%s is that of the known ones alone", async (name) => {
    const w = [1, 1, 0, 1, 0, 0, 1, 0];
    const one = await lossOf(name, y, z, w);
    // Whatever is said or seen where nothing is known.
    const two = await lossOf(
      name,
      y.map((value, i) => (w[i] ? value : 1 - value)),
      z.map((value, i) => (w[i] ? value : -value + 7)),
      w,
    );
    expect(two.value).toBeCloseTo(one.value, 5);
    one.grad.forEach((value, i) => {
      if (w[i] === 0) expect(value).toBe(0);
      else expect(value).toBeCloseTo(two.grad[i], 5);
    });
    expect(one.grad.some((value) => Math.abs(value) > 0.01)).toBe(true);
  });

  it("is finite, and teaches nothing, where nothing is known", async () => {
    const none = await lossOf("bce+dice", y, z, new Array<number>(8).fill(0));
    expect(none.value).toBe(0);
    expect(none.grad.every((value) => value === 0)).toBe(true);
  });
});

describe("patches", () => {
  const draw = (slices: Slices, seed = 3) =>
    new PatchSampler(slices, 32, AUGMENTATION, "random", 1, new Random(seed)).sample(4, 0);

  it("are the same with all known as without a mask", () => {
    const plain = draw(noise(3, 1));
    const masked = draw({ ...noise(3, 1), known: noise(3, 1, () => true).known });
    expect(plain.weights).toBeUndefined();
    expect(masked.em).toEqual(plain.em);
    expect(masked.labels).toEqual(plain.labels);
    expect(masked.weights?.every((value) => value === 1)).toBe(true);
  });

  it("turn the mask with the image, and have something to learn from", () => {
    const slices = noise(3, 1, (i) => i % 64 < 12 && i < 64 * 16);
    // What is known is marked in the image.
    const marked: Slices = {
      ...slices,
      em: slices.known!.map((known) => known.slice()),
      labels: slices.known!.map((known) => known.slice()),
    };
    const augmentation = { ...AUGMENTATION, jitter: 0, noise: 0, blur: 0 };
    const sampler = new PatchSampler(marked, 32, augmentation, "random", 1, new Random(5));
    const { em, weights, count } = sampler.sample(20, 0);
    const patch = 32 * 32;
    for (let n = 0; n < count; ++n) {
      const sum = weights?.subarray(n * patch, (n + 1) * patch).reduce((a, b) => a + b, 0) ?? 0;
      expect(sum).toBeGreaterThan(0);
    }
    em.forEach((value, i) => {
      if (weights?.[i] === 1) expect(value).toBeGreaterThan(0.99);
      else if (value > 0.9999) expect(weights?.[i]).toBe(1);
    });
  });

  it("keep the mask when slices are split and cropped", () => {
    const { train, validation } = splitSlices(
      noise(4, 1, (i) => i % 2 === 0),
      0.25,
    );
    expect([train.known?.length, validation.known?.length]).toEqual([3, 1]);
    const cropped = cropSlices(validation, 16);
    expect(cropped.known?.[0]).toHaveLength(256);
  });

  it("teach the same gradients whatever is where nothing is known", async () => {
    const network = () =>
      buildAttentionUNet({ ...NORMALISED_NETWORK, filters: [4, 8], dropoutRates: [0, 0], seed: 2 });
    const gradientsOf = async (labels: (value: number, known: boolean) => number) => {
      const built = network();
      const { count, size, em, labels: y, weights } = draw(noise(2, 8, (i) => i % 64 < 40));
      const changed = y.map((value, i) => labels(value, weights?.[i] === 1));
      const { gradients } = await new LocalGradients(built, "bce+dice").compute(
        [{ count, size, em, labels: changed, weights }],
        1,
      );
      const arrays = await Promise.all(gradients.map(async (each) => Float32Array.from(await each.data())));
      tf.dispose(gradients);
      built.model.dispose();
      return arrays;
    };
    const one = await gradientsOf((value) => value);
    const two = await gradientsOf((value, known) => (known ? value : 1 - value));
    const three = await gradientsOf((value) => 1 - value);
    expect(two).toEqual(one);
    expect(three).not.toEqual(one);
  });
});

describe("labels from corrections", () => {
  const SIZE: Vec3 = [80, 40, 5];
  const BOX: Box = { lower: [0, 0, 0], upper: SIZE };
  const probability = blobVolume(SIZE, [
    { centre: [12, 12, 2], radius: 7 },
    { centre: [34, 12, 2], radius: 7 },
    { centre: [56, 12, 2], radius: 7 },
    { centre: [12, 30, 2], radius: 6 },
    { centre: [34, 30, 2], radius: 6 },
    { centre: [60, 31, 2], radius: 6, peak: 0.4 },
  ]);

  async function labelled(margin: number, reviewed: readonly Box[] = []) {
    const view = await viewOf(probability, SIZE);
    const scribe = new Scribe();
    scribe.write({ kind: "verdict", anchor: [12, 12, 2], verdict: "accept" });
    scribe.write({ kind: "delete", anchor: [34, 12, 2] });
    scribe.write({ kind: "verdict", anchor: [56, 12, 2], verdict: "unsure" });
    scribe.write({ kind: "comment", anchor: [12, 30, 2], text: "what is it?" });
    scribe.write({ kind: "add", seed: [60, 31, 2], threshold: 0.25, radius: [9, 9, 4] });
    const replay = await Replay.of(view, scribe.log.operations);
    expect(replay.conflicts()).toEqual([]);
    const { labels, known } = editLabels(replay.corrections, view, BOX, { margin, reviewed });
    return ([x, y, z]: Vec3) => {
      const at = x + 80 * (y + 40 * z);
      return known[at] === 0 ? "unknown" : labels[at] === 1 ? "mitochondrion" : "background";
    };
  }

  it("know what was judged or changed, with a margin, and nothing else", async () => {
    const at = await labelled(30);
    expect(at([12, 12, 2])).toBe("mitochondrion");
    expect(at([60, 31, 2])).toBe("mitochondrion");
    expect(at([34, 12, 2])).toBe("background");
    // Unsure, commented on only, not looked at.
    for (const voxel of [
      [56, 12, 2],
      [12, 30, 2],
      [34, 30, 2],
    ] as Vec3[])
      expect(at(voxel)).toBe("unknown");
    // Voxels are 10 nm: three beyond the border (radius 7) are in the margin, four are not.
    expect([at([19, 12, 2]), at([22, 12, 2]), at([23, 12, 2])]).toEqual([
      "mitochondrion",
      "background",
      "unknown",
    ]);
    expect(at([75, 5, 2])).toBe("unknown");
    const bare = await labelled(0);
    expect(bare([22, 12, 2])).toBe("unknown");
  });

  it("know all of a part that was looked at, but for what people are unsure of", async () => {
    const at = await labelled(0, [{ lower: [0, 0, 0], upper: [80, 40, 3] }]);
    expect(at([75, 5, 2])).toBe("background");
    expect(at([75, 5, 3])).toBe("unknown");
    expect(at([34, 30, 2])).toBe("mitochondrion");
    expect(at([12, 30, 2])).toBe("mitochondrion");
    expect(at([56, 12, 2])).toBe("unknown");
    expect(at([34, 12, 2])).toBe("background");
  });
});
