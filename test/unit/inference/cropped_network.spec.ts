import { beforeAll, describe, expect, it } from "vitest";
import { CroppedNetwork, type Region } from "../../../src/inference/cropped_network.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { buildAttentionUNet, PAPER_NETWORK } from "../../../src/network/attention_unet.js";
import { Random } from "../../../src/network/random.js";

beforeAll(() => selectBackend("wasm"));

/** The paper's network with few filters, and statistics that are not those of an untrained one. */
function network(normalisation: "none" | "batch", gate: "paper" | "textbook"): tf.LayersModel {
  const filters = [2, 3, 4, 5, 6];
  const { model } = buildAttentionUNet({ ...PAPER_NETWORK, filters, normalisation, gate, dropout: "none" });
  const random = new Random(3);
  for (const weight of model.weights) {
    const variance = weight.originalName.includes("variance");
    const size = weight.shape.reduce<number>((a, b) => a * (b ?? 1), 1);
    const values = Float32Array.from({ length: size }, () => random.uniform(variance ? 0.5 : -0.6, 0.9));
    if (weight.shape.length !== 1) continue;
    const tensor = tf.tensor1d(values);
    weight.write(tensor);
    tensor.dispose();
  }
  return model;
}

describe("CroppedNetwork", () => {
  it.each([
    ["none", "paper"],
    ["batch", "textbook"],
  ] as const)(
    "gives the bytes of the whole window (normalisation %s, gate %s)",
    async (normalisation, gate) => {
      const model = network(normalisation, gate);
      const cropped = new CroppedNetwork(model);
      const random = new Random(5);
      const [height, width] = [192, 256];
      const input = tf.tensor4d(
        Float32Array.from({ length: 2 * height * width }, () => random.next()),
        [2, height, width, 1],
      );
      const full = model.predict(input) as tf.Tensor4D;
      const spread = (await tf.moments(full).variance.data())[0];
      expect(spread).toBeGreaterThan(1e-5);
      const before = tf.memory().numTensors;
      const regions: Region[] = [
        [
          [0, 0],
          [0, 0],
        ],
        [
          [0, height - 1],
          [0, width - 1],
        ],
        [
          [80, 111],
          [96, 159],
        ],
        [
          [height - 1, height - 1],
          [3, 3],
        ],
      ];
      for (let i = 0; i < 12; i++) {
        const side = (size: number): [number, number] => {
          const first = random.integer(size);
          return [first, first + random.integer(size - first)];
        };
        regions.push([side(height), side(width)]);
      }
      for (const region of regions) {
        const [rows, columns] = region;
        const size = [2, rows[1] + 1 - rows[0], columns[1] + 1 - columns[0], 1];
        const part = cropped.run(input, region);
        const expected = tf.slice(full, [0, rows[0], columns[0], 0], size);
        expect(part.shape).toEqual(size);
        const [a, b] = [await part.data(), await expected.data()];
        tf.dispose([part, expected]);
        expect(a.length).toBe(b.length);
        expect(a.every((value, i) => Object.is(value, b[i]))).toBe(true);
      }
      expect(tf.memory().numTensors).toBe(before);
      expect(input.isDisposed).toBe(false);
      tf.dispose([input, full]);
      model.dispose();
    },
  );

  it("refuses a network that it does not understand", () => {
    const input = tf.input({ shape: [null, null, 1] });
    const output = tf.layers.conv2d({ filters: 1, kernelSize: 3, strides: 2 }).apply(input);
    const model = tf.model({ inputs: input, outputs: output as tf.SymbolicTensor });
    expect(() => new CroppedNetwork(model)).toThrow("conv2d");
    model.dispose();
  });
});
