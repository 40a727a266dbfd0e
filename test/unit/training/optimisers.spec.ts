import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { Optimiser, type OptimiserName } from "../../../src/training/optimisers.js";

/** PyTorch's and Keras's own steps; see test/golden/training/optimisers.py. */
const golden = JSON.parse(
  readFileSync(new URL("../../golden/training/optimisers.json", import.meta.url), "utf8"),
) as { weights: number[]; gradients: number[][]; rates: number[] } & Record<OptimiserName, number[][]>;

beforeAll(async () => {
  await selectBackend("wasm");
});

const variable = (values: number[], shape: number[]) => tf.tidy(() => tf.variable(tf.tensor(values, shape)));
const options = (name: OptimiserName) => ({ name, momentum: 0.9, weightDecay: 0.1 });

describe("optimisers", () => {
  it.each(["sgd", "adam", "adamw"] as const)("%s takes the steps of the reference", async (name) => {
    const weights = variable(golden.weights, [3, 2]);
    const optimiser = new Optimiser([weights], options(name));
    for (let step = 0; step < golden.rates.length; step++) {
      const gradient = tf.tensor(golden.gradients[step], [3, 2]);
      optimiser.apply([gradient], golden.rates[step], step);
      gradient.dispose();
      const got = await weights.data();
      golden[name][step].forEach((value, i) => {
        expect(got[i]).toBeCloseTo(value, 5);
      });
    }
    optimiser.dispose();
    weights.dispose();
  });

  it("takes the decay rates of adversarial training", async () => {
    const weight = variable([0], [1]);
    const optimiser = new Optimiser([weight], { ...options("adam"), beta1: 0.5, beta2: 0.99 });
    for (const [step, value] of [1, 0.5].entries()) {
      const gradient = tf.tensor1d([value]);
      optimiser.apply([gradient], 1, step);
      gradient.dispose();
    }
    // First step 1. Then m = 0.5, v = 0.0124, corrected to 0.5 / 0.75 and 0.0124 / 0.0199: 0.66667 / 0.78938 = 0.84455.
    expect((await weight.data())[0]).toBeCloseTo(-1.84455, 4);
    optimiser.dispose();
    weight.dispose();
  });

  it("does not decay scales and biases", async () => {
    const [bias, other] = [variable([1, -2], [2]), variable([1, -2], [2])];
    const zero = tf.zeros([2]);
    new Optimiser([bias], options("adamw")).apply([zero], 0.5, 0);
    expect([...(await bias.data())]).toEqual([...(await other.data())]);
  });

  it("continues from restored slots, and refuses those of another network", async () => {
    const gradient = tf.tensor(golden.gradients[0], [3, 2]);
    const a = variable(golden.weights, [3, 2]);
    const first = new Optimiser([a], options("adam"));
    first.apply([gradient], 0.1, 0);
    const b = tf.variable(a);
    const second = new Optimiser([b], options("adam"));
    const slots: Float32Array[] = [];
    for (const slot of first.slots) slots.push((await slot.data()) as Float32Array);
    second.restore(slots);
    first.apply([gradient], 0.1, 1);
    second.apply([gradient], 0.1, 1);
    expect(await b.data()).toEqual(await a.data());
    expect(() => second.restore([new Float32Array(6)])).toThrow(/another network/);
    expect(() => second.apply([], 0.1, 2)).toThrow(/0 gradients for 1/);
  });
});
