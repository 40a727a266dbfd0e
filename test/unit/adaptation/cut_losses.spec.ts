import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { discriminatorLoss, leastSquares } from "../../../src/adaptation/gan_losses.js";
import {
  detached,
  gatherRows,
  l2Normalise,
  patchNce,
  samplePositions,
} from "../../../src/adaptation/patch_nce.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { Random } from "../../../src/network/random.js";

/** PyTorch's own values; see test/golden/adaptation/cut_losses.py. */
const golden = JSON.parse(
  readFileSync(new URL("../../golden/adaptation/cut_losses.json", import.meta.url), "utf8"),
) as {
  nce: {
    shape: [number, number, number];
    temperature: number;
    weights: number[];
    raw: number[];
    keys: number[];
    normalised: number[];
    losses: number[];
    queryGradient: number[];
    rawGradient: number[];
  };
  gan: {
    fake: number[];
    real: number[];
    discriminator: { total: number; fake: number; real: number };
    fakeGradient: number[];
    realGradient: number[];
    generator: number;
    generatorGradient: number[];
  };
};

beforeAll(async () => {
  await selectBackend("wasm");
});

async function near(tensor: tf.Tensor, wanted: readonly number[], digits = 5): Promise<void> {
  const got = await tensor.data();
  expect(got.length).toBe(wanted.length);
  wanted.forEach((value, i) => {
    expect(got[i]).toBeCloseTo(value, digits);
  });
}

/** Scalar function of a tensor by central differences, for what has no reference. */
async function differences(
  f: (x: tf.Tensor) => tf.Tensor,
  values: readonly number[],
  shape: number[],
): Promise<number[]> {
  const at = async (i: number, by: number) => {
    const y = tf.tidy(() => f(tf.tensor(Object.assign([...values], { [i]: values[i] + by }), shape)));
    return (await y.data())[0];
  };
  const step = 1e-2;
  const slopes: number[] = [];
  for (let i = 0; i < values.length; i++)
    slopes.push(((await at(i, step)) - (await at(i, -step))) / (2 * step));
  return slopes;
}

describe("least-squares adversarial loss", () => {
  const { fake, real, discriminator, ...rest } = golden.gan;
  const shape = [1, 3, 3, 1];

  it("is the reference's for the generator, value and gradient", async () => {
    const { value, grad } = tf.valueAndGrad((x) => leastSquares(x, true))(tf.tensor(fake, shape));
    await near(value, [rest.generator]);
    await near(grad, rest.generatorGradient);
  });

  it("is the reference's for the discriminator, value, parts and gradient", async () => {
    const answers = tf.tensor([...fake, ...real], [2, 3, 3, 1]);
    const parts = discriminatorLoss(answers);
    await near(parts.total, [discriminator.total]);
    await near(parts.fake, [discriminator.fake]);
    await near(parts.real, [discriminator.real]);
    await near(tf.grad((x) => discriminatorLoss(x).total)(answers), [
      ...rest.fakeGradient,
      ...rest.realGradient,
    ]);
  });

  it("refuses answers that are not halves", () => {
    expect(() => discriminatorLoss(tf.zeros([3, 2, 2, 1]))).toThrow(/as many generated images/);
  });
});

describe("PatchNCE", () => {
  const { shape, temperature, weights, raw, keys, normalised, losses, queryGradient, rawGradient } =
    golden.nce;
  const [images, places, channels] = shape;
  const rows: [number, number] = [images * places, channels];

  it("is the reference's, value and gradient, an image at a time", async () => {
    const queries = tf.tensor3d(normalised, shape);
    const k = tf.tensor3d(keys, shape);
    await near(patchNce(queries, k, temperature), losses);
    const loss = (q: tf.Tensor) => tf.sum(tf.mul(patchNce(q as tf.Tensor3D, k, temperature), weights));
    await near(tf.grad(loss)(queries), queryGradient, 4);
  });

  it("is the reference's through the normalisation", async () => {
    const k = tf.tensor3d(keys, shape);
    const loss = (x: tf.Tensor) =>
      tf.sum(
        tf.mul(
          patchNce(tf.reshape(l2Normalise(x as tf.Tensor2D), shape) as tf.Tensor3D, k, temperature),
          weights,
        ),
      );
    await near(l2Normalise(tf.tensor2d(raw, rows)), normalised);
    await near(tf.grad(loss)(tf.tensor2d(raw, rows)), rawGradient, 4);
  });

  it("leaves the keys alone", () => {
    const loss = (k: tf.Tensor) =>
      tf.sum(patchNce(tf.tensor3d(normalised, shape), k as tf.Tensor3D, temperature));
    expect(() => tf.grad(loss)(tf.tensor3d(keys, shape))).toThrow(/Cannot compute gradient/);
  });

  it("is about log P for places that cannot be told apart, and 0 for ones that are their keys", async () => {
    const same = tf.ones<tf.Rank.R3>([1, 8, 4]).mul(0.5) as tf.Tensor3D;
    await near(patchNce(same, same, 0.07), [Math.log(8)]);
    const apart = tf
      .oneHot(tf.range(0, 4, 1, "int32"), 4)
      .toFloat()
      .expandDims(0) as tf.Tensor3D;
    await near(patchNce(apart, apart, 0.07), [Math.log(1 + 3 * Math.exp(-1 / 0.07))]);
  });
});

describe("the parts of PatchNCE", () => {
  it("gathers rows, and brings gradients back to them", async () => {
    const values = Array.from({ length: 15 }, (_, i) => Math.sin(i));
    const chosen = Int32Array.of(4, 0, 3);
    const f = (x: tf.Tensor) => tf.sum(tf.square(gatherRows(x as tf.Tensor2D, chosen)));
    const x = tf.tensor2d(values, [5, 3]);
    await near(
      gatherRows(x, chosen),
      [12, 13, 14, 0, 1, 2, 9, 10, 11].map((i) => Math.sin(i)),
    );
    await near(tf.grad(f)(x), await differences(f, values, [5, 3]), 3);
  });

  it("normalises with a gradient that finite differences confirm, finite at zero", async () => {
    const values = [0.3, -0.4, 1.2, 2, 0.1, -0.7];
    const f = (x: tf.Tensor) => tf.sum(tf.mul(l2Normalise(x as tf.Tensor2D), [1, 2, 3]));
    await near(tf.grad(f)(tf.tensor2d(values, [2, 3])), await differences(f, values, [2, 3]), 3);
    const atZero = await tf
      .grad(f)(tf.zeros([1, 3]))
      .data();
    expect([...atZero].every(Number.isFinite)).toBe(true);
  });

  it("keeps gradients out of what is detached", async () => {
    const x = tf.tensor1d([3, 5]);
    // Only the factor that is not detached counts: d(x . stop(x)) = x.
    await near(
      tf.grad((v) =>
        tf.sum(
          tf.mul(
            v,
            detached(() => tf.mul(v, 1)),
          ),
        ),
      )(x),
      [3, 5],
    );
    await near(
      detached(() => tf.square(x)),
      [9, 25],
    );
  });

  it("samples distinct positions, all of a small map, evenly", () => {
    const random = new Random(3);
    const few = samplePositions(1000, 256, random);
    expect(new Set(few).size).toBe(256);
    expect(few.every((position) => position >= 0 && position < 1000)).toBe(true);
    expect([...samplePositions(9, 256, random)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 4000; i++) for (const position of samplePositions(10, 3, random)) counts[position]++;
    // 1200 each; the standard deviation of a binomial count is 29.
    for (const count of counts) expect(Math.abs(count - 1200)).toBeLessThan(150);
  });
});
