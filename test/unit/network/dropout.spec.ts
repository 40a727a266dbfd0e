import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { SeededDropout } from "../../../src/network/dropout.js";
import { Random } from "../../../src/network/random.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

async function drop(kind: "element" | "spatial", rate: number, shape: [number, number, number, number]) {
  const layer = new SeededDropout({ rate, kind, salt: 5 });
  const y = tf.tidy(() => layer.apply(tf.ones(shape), { training: true, dropoutSeed: 11 }) as tf.Tensor);
  const data = (await y.data()) as Float32Array;
  y.dispose();
  return data;
}

describe("dropout", () => {
  it("keeps the expectation and drops at the rate, also past one noise line", async () => {
    const data = await drop("element", 0.3, [2, 128, 128, 4]);
    const kept = data.filter((v) => v > 0);
    expect(kept.length / data.length).toBeCloseTo(0.7, 1);
    expect(kept[0]).toBeCloseTo(1 / 0.7, 6);
    // The two samples do not share a mask although the noise repeats.
    const half = data.length / 2;
    expect(data.slice(0, half)).not.toEqual(data.slice(half));
  });

  it("drops whole maps when spatial", async () => {
    const data = await drop("spatial", 0.5, [4, 3, 3, 8]);
    for (let n = 0; n < 4; n++) {
      for (let c = 0; c < 8; c++) {
        const values = new Set(Array.from({ length: 9 }, (_, i) => data[(n * 9 + i) * 8 + c]));
        expect(values.size).toBe(1);
      }
    }
    expect(new Set(data)).toEqual(new Set([0, 2]));
  });

  it("refuses to train without a seed", () => {
    const layer = new SeededDropout({ rate: 0.5, kind: "spatial", salt: 0 });
    expect(() => layer.apply(tf.ones([1, 2, 2, 1]), { training: true })).toThrow(/dropoutSeed/);
  });
});

describe("random generator", () => {
  it("is xoshiro128**", () => {
    // First outputs of the reference C code from the state 1, 2, 3, 4.
    const random = new Random([1, 2, 3, 4]);
    expect([random.nextUint32(), random.nextUint32(), random.nextUint32()]).toEqual([11520, 0, 5927040]);
  });

  it("continues from its state", () => {
    const a = new Random(7);
    for (let i = 0; i < 10; i++) a.next();
    const b = new Random(a.state);
    expect([a.next(), a.normal(), a.integer(100)]).toEqual([b.next(), b.normal(), b.integer(100)]);
  });

  it("is uniform and normal", () => {
    const random = new Random(1);
    const draws = Array.from({ length: 20000 }, () => random.normal());
    const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
    expect(mean).toBeCloseTo(0, 1);
    expect(draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length).toBeCloseTo(1, 1);
    const counts = new Array(8).fill(0);
    for (let i = 0; i < 8000; i++) counts[random.integer(8)]++;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});
