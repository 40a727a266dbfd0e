import { afterAll, describe, expect, it } from "vitest";
import { tf } from "../../../src/kernels/tf.js";
import { composes, planFilterGradient } from "../../../src/kernels/webgpu_filter_gradient.js";
import { Random } from "../../../src/network/random.js";
import { startDawn } from "../../support/dawn.js";

interface Shape {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly k: number;
  readonly r: number;
  readonly s: number;
  readonly stride: number;
  readonly pad: "same" | "valid" | number;
}

const shape = (
  [n, h, w, c]: [number, number, number, number],
  k: number,
  [r, s]: [number, number],
  stride = 1,
  pad: Shape["pad"] = "same",
): Shape => ({ n, h, w, c, k, r, s, stride, pad });

const SHAPES: Shape[] = [
  shape([1, 1, 1, 1], 1, [1, 1]),
  shape([2, 7, 5, 1], 1, [1, 1]),
  shape([2, 7, 5, 3], 4, [1, 1]),
  shape([1, 8, 8, 16], 1, [1, 1]),
  shape([3, 9, 11, 20], 33, [1, 1]),
  shape([2, 9, 11, 3], 5, [1, 1], 2),
  shape([2, 6, 10, 2], 3, [2, 2], 2, "valid"),
  shape([2, 7, 9, 2], 3, [2, 2], 2),
  shape([1, 7, 6, 4], 4, [2, 2]),
  shape([2, 9, 7, 1], 16, [3, 3]),
  shape([1, 17, 19, 5], 17, [3, 3]),
  shape([1, 18, 16, 17], 33, [3, 3], 1, "valid"),
  shape([2, 9, 9, 8], 65, [3, 3]),
  shape([1, 5, 5, 40], 70, [3, 3]),
  shape([2, 11, 13, 3], 4, [3, 3], 2),
  shape([2, 12, 10, 3], 4, [3, 3], 2, "valid"),
  shape([2, 12, 10, 3], 4, [4, 4], 2, 1),
  shape([1, 13, 11, 3], 6, [4, 4], 1, 1),
  shape([1, 33, 35, 2], 3, [7, 7]),
  shape([1, 15, 16, 1], 8, [7, 7], 2, 3),
  shape([1, 9, 12, 3], 4, [5, 3]),
  shape([1, 3, 70, 2], 2, [3, 3]),
  shape([1, 4, 4, 128], 128, [3, 3]),
];

const name = ({ n, h, w, c, k, r, s, stride, pad }: Shape) =>
  `[${n},${h},${w},${c}] by ${r}x${s} to ${k}, stride ${stride}, ${typeof pad === "number" ? `padding ${pad}` : pad}`;

const random = (length: number, seed: number) => {
  const source = new Random(seed);
  return Float32Array.from({ length }, () => source.uniform(-1, 1));
};

const infoOf = ({ n, h, w, c, k, r, s, stride, pad }: Shape) =>
  tf.backend_util.computeConv2DInfo(
    [n, h, w, c],
    [r, s, c, k],
    stride,
    1,
    pad,
    undefined,
    false,
    "channelsLast",
  );

/** The gradient as its definition says, in 64 bits. */
function byDefinition(test: Shape, x: Float32Array, dy: Float32Array): Float64Array {
  const { n, h, w, c, k, r, s, stride } = test;
  const { outHeight, outWidth, padInfo } = infoOf(test);
  const out = new Float64Array(r * s * c * k);
  for (let b = 0; b < n; ++b)
    for (let p = 0; p < outHeight; ++p)
      for (let q = 0; q < outWidth; ++q)
        for (let i = 0; i < r; ++i)
          for (let j = 0; j < s; ++j) {
            const [y, u] = [p * stride + i - padInfo.top, q * stride + j - padInfo.left];
            if (y < 0 || y >= h || u < 0 || u >= w) continue;
            for (let a = 0; a < c; ++a)
              for (let m = 0; m < k; ++m)
                out[((i * s + j) * c + a) * k + m] +=
                  x[((b * h + y) * w + u) * c + a] * dy[((b * outHeight + p) * outWidth + q) * k + m];
          }
  return out;
}

describe("planFilterGradient", () => {
  it("covers every row, map and block, and splits long sums alone", () => {
    for (const [rows, maps, lines, columns] of [
      [1, 1, 1, 1],
      [9, 16, 1024, 256],
      [144, 16, 1024, 256],
      [2304, 256, 64, 16],
      [4608, 512, 128, 32],
      [17, 33, 5, 17],
    ]) {
      const plan = planFilterGradient(rows, maps, lines, columns);
      expect(plan.tileRows * plan.down * 16).toBeGreaterThanOrEqual(rows);
      expect(plan.tileColumns * plan.across * 16).toBeGreaterThanOrEqual(maps);
      expect(plan.blocks * 16).toBeGreaterThanOrEqual(lines * columns);
      expect(plan.splits * plan.blocksPerSplit).toBeGreaterThanOrEqual(plan.blocks);
      expect((plan.splits - 1) * plan.blocksPerSplit).toBeLessThan(plan.blocks);
      expect(plan.splits * rows * maps * 4).toBeLessThanOrEqual(Math.max(2 ** 26, rows * maps * 4));
      // WebGPU's least promise for a dispatch.
      expect(Math.max(plan.tileRows, plan.tileColumns, plan.splits)).toBeLessThan(65536);
    }
    // The first layer of a 256 x 256 patch, batch 4: hundreds of workgroups, where one thread a weight makes three.
    expect(planFilterGradient(9, 16, 1024, 256).splits).toBeGreaterThan(500);
    expect(planFilterGradient(2304, 256, 4, 16).splits).toBe(1);
  });
});

const dawn = await startDawn();
if (typeof dawn === "string") {
  console.log(`the WebGPU filter gradient is not tested: ${dawn}`);
  describe("filter gradient on WebGPU", () => it.skip(dawn, () => {}));
} else {
  describe("filter gradient on WebGPU", () => {
    afterAll(() => expect(dawn.gpuErrors).toEqual([]));

    it.each(SHAPES.map((test) => [name(test), test] as const))("%s", async (_name, test) => {
      const { n, h, w, c, k, r, s } = test;
      const { outHeight, outWidth } = infoOf(test);
      const x = random(n * h * w * c, 1);
      const dy = random(n * outHeight * outWidth * k, 2);
      const gradient = tf.tidy(() =>
        tf.grad((filter: tf.Tensor) =>
          tf.conv2d(tf.tensor4d(x, [n, h, w, c]), filter as tf.Tensor4D, test.stride, test.pad),
        )(tf.zeros([r, s, c, k]), tf.tensor4d(dy, [n, outHeight, outWidth, k])),
      );
      expect(gradient.shape).toEqual([r, s, c, k]);
      const actual = await gradient.data();
      gradient.dispose();
      const expected = byDefinition(test, x, dy);
      const scale = Math.sqrt(n * outHeight * outWidth);
      const worst = expected.reduce((most, v, i) => Math.max(most, Math.abs(v - actual[i])), 0);
      expect(worst / scale).toBeLessThan(2e-6);
    });

    it("takes both ways over the shapes of a network, and gives the same bits each time", async () => {
      const ways = new Set(SHAPES.map((test) => composes(infoOf(test))));
      expect(ways).toEqual(new Set([true, false]));
      const x = tf.tensor4d(random(2 * 32 * 32 * 4, 3), [2, 32, 32, 4]);
      const dy = tf.tensor4d(random(2 * 32 * 32 * 8, 4), [2, 32, 32, 8]);
      const run = async () => {
        const gradient = tf.grad((filter: tf.Tensor) => tf.conv2d(x, filter as tf.Tensor4D, 1, "same"))(
          tf.zeros([3, 3, 4, 8]),
          dy,
        );
        const data = Float32Array.from(await gradient.data());
        gradient.dispose();
        return data;
      };
      const first = await run();
      for (let i = 0; i < 3; ++i) expect(await run()).toEqual(first);
      tf.dispose([x, dy]);
    });

    it("leaves no buffer behind", async () => {
      const memory = () => tf.memory() as tf.MemoryInfo & { numBytesInGPU: number };
      const x = tf.tensor4d(random(2 * 32 * 32 * 4, 3), [2, 32, 32, 4]);
      const dy = tf.tensor4d(random(2 * 32 * 32 * 8, 4), [2, 32, 32, 8]);
      const run = async () => {
        const gradient = tf.tidy(() =>
          tf.grad((filter: tf.Tensor) => tf.conv2d(x, filter as tf.Tensor4D, 1, "same"))(
            tf.zeros([3, 3, 4, 8]),
            dy,
          ),
        );
        await gradient.data();
        gradient.dispose();
      };
      await run();
      const { numTensors, numBytesInGPU } = memory();
      for (let i = 0; i < 5; ++i) await run();
      expect(memory().numTensors).toBe(numTensors);
      expect(memory().numBytesInGPU).toBe(numBytesInGPU);
      tf.dispose([x, dy]);
    });
  });
}
