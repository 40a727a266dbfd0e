import { afterAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import {
  buildAttentionUNet,
  NORMALISED_NETWORK,
  PAPER_NETWORK,
} from "../../../src/network/attention_unet.js";
import { Random } from "../../../src/network/random.js";
import { LocalGradients, trainableVariables } from "../../../src/training/gradients.js";
import { Optimiser } from "../../../src/training/optimisers.js";
import { startDawn } from "../../support/dawn.js";

const NETWORKS = {
  normalised: { ...NORMALISED_NETWORK, filters: [4, 8], dropoutRates: [0, 0.2] },
  "the paper's": { ...PAPER_NETWORK, filters: [4, 8], dropoutRates: [0.1, 0.2] },
};
/** Small: the software GPU shares its cores with everything else. */
const SIZE = 16;
const STEPS = 3;

function batch(seed: number) {
  const random = new Random(seed);
  const em = Float32Array.from({ length: 2 * SIZE * SIZE }, () => random.uniform(0, 1));
  return { count: 2, size: SIZE, em, labels: em.map((v) => (v > 0.6 ? 1 : 0)) };
}

interface Trained {
  readonly losses: number[];
  /** Of the first step. */
  readonly gradients: Float32Array[];
  /** Tensors alive after each step. */
  readonly tensors: number[];
}

/** A few steps from the same weights on the same batches, on the current backend. */
async function train(options: (typeof NETWORKS)[keyof typeof NETWORKS]): Promise<Trained> {
  const network = buildAttentionUNet(options);
  const optimiser = new Optimiser(trainableVariables(network.logits), {
    name: "adamw",
    momentum: 0.99,
    weightDecay: 0.01,
  });
  const source = new LocalGradients(network, "bce+dice");
  const losses: number[] = [];
  const tensors: number[] = [];
  let first: Float32Array[] = [];
  for (let step = 0; step < STEPS; ++step) {
    const { loss, gradients } = await source.compute([batch(step)], step);
    if (step === 0) {
      first = [];
      for (const gradient of gradients)
        first.push(Float32Array.from((await gradient.data()) as Float32Array));
    }
    optimiser.apply(gradients, 1e-3, step);
    tf.dispose(gradients);
    losses.push(loss);
    tensors.push(tf.memory().numTensors);
  }
  optimiser.dispose();
  network.model.dispose();
  return { losses, gradients: first, tensors };
}

const norm = (values: ArrayLike<number>) => Math.sqrt(Array.from(values).reduce((sum, v) => sum + v * v, 0));

await selectBackend("wasm");
const references = new Map<string, Trained>();
for (const [name, options] of Object.entries(NETWORKS)) references.set(name, await train(options));

const dawn = await startDawn();
if (typeof dawn === "string") {
  console.log(`a training step on WebGPU is not tested: ${dawn}`);
  describe("a training step on WebGPU", () => it.skip(dawn, () => {}));
} else {
  describe("a training step on WebGPU", () => {
    afterAll(() => expect(dawn.gpuErrors).toEqual([]));

    it.each(Object.keys(NETWORKS) as (keyof typeof NETWORKS)[])(
      "of the Attention U-Net, %s, is the one on WASM, every gradient of it, and leaves nothing behind",
      { timeout: 120_000 },
      async (name) => {
        expect(tf.getBackend()).toBe("webgpu");
        const reference = references.get(name)!;
        const { losses, gradients, tensors } = await train(NETWORKS[name]);
        expect(gradients.length).toBe(reference.gradients.length);
        const largest = Math.max(...reference.gradients.map(norm));
        gradients.forEach((gradient, i) => {
          const expected = reference.gradients[i];
          const difference = norm(gradient.map((v, j) => v - expected[j]));
          // Relative to itself, but a gradient that is zero but for rounding (of what a normalisation removes) to all.
          expect(difference, `gradient ${i}`).toBeLessThan(1e-3 * norm(expected) + 1e-5 * largest);
        });
        losses.forEach((loss, step) => {
          expect(Math.abs(loss - reference.losses[step]), `step ${step}`).toBeLessThan(2e-3);
        });
        expect(new Set(tensors).size).toBe(1);
      },
    );
  });
}
