import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import {
  buildAttentionUNet,
  NORMALISED_NETWORK,
  PAPER_NETWORK,
} from "../../../src/network/attention_unet.js";
import { reachAt, receptiveField } from "../../../src/network/receptive_field.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

/** A U-Net of few filters and positive kernels, in which every path from input to output can be felt. */
function positiveNetwork(gate: "paper" | "textbook") {
  const { model } = buildAttentionUNet({ ...PAPER_NETWORK, filters: [2, 2, 2, 2, 2], gate, dropout: "none" });
  model.setWeights(model.getWeights().map((w) => (w.rank > 1 ? tf.mul(tf.abs(w), 0.5) : w)));
  return model;
}

async function predictRow(
  model: tf.LayersModel,
  height: number,
  width: number,
  change?: { at: number; value: number },
) {
  const em = new Float32Array(height * width).fill(0.25);
  if (change) for (let y = 0; y < height; y++) em[y * width + change.at] = change.value;
  const output = tf.tidy(() => model.predict(tf.tensor4d(em, [1, height, width, 1])) as tf.Tensor);
  const data = await output.data();
  output.dispose();
  return data.slice(0, width);
}

describe("receptive field", () => {
  it("is that of the known networks", () => {
    for (const options of [PAPER_NETWORK, NORMALISED_NETWORK]) {
      const { model } = buildAttentionUNet({ ...options, filters: [1, 1, 1, 1, 1] });
      const reaches = Array.from({ length: 16 }, (_, i) => reachAt(model, i, 1));
      // By hand for position 0: two convolutions at each level on the way up (2 + 4 + 8 + 16 = 30 pixels), two at the
      // bottom (32), two at each level on the way down (30), each interval widened to whole pooling windows.
      expect(Math.max(...reaches.map((r) => r.before))).toBe(Math.max(...reaches.map((r) => r.after)));
      expect(receptiveField(model)).toEqual({ halo: 112, multiple: 16 });
    }
  });

  it.each(["paper", "textbook"] as const)(
    "is exact with the %s gate: beyond it nothing changes, within it something does",
    async (gate) => {
      const model = positiveNetwork(gate);
      const width = 320;
      const base = await predictRow(model, 16, width);
      for (const position of [160, 167, 175]) {
        const { before, after } = reachAt(model, position, 1);
        for (const [at, changes] of [
          [position - before - 1, false],
          [position - before, true],
          [position + after, true],
          [position + after + 1, false],
        ] as const) {
          const row = await predictRow(model, 16, width, { at, value: 1e4 });
          expect(row[position] !== base[position], `position ${position}, changed ${at}`).toBe(changes);
        }
      }
    },
  );

  it("refuses layers it does not know", () => {
    const input = tf.input({ shape: [null, null, 1] });
    const output = tf.layers
      .upSampling2d({ interpolation: "bilinear", name: "up" })
      .apply(input) as tf.SymbolicTensor;
    expect(() => receptiveField(tf.model({ inputs: input, outputs: output }))).toThrow(/layer up .*bilinear/);
  });
});
