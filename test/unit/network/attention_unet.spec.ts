import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import {
  type AttentionUNetOptions,
  buildAttentionUNet,
  NORMALISED_NETWORK,
  PAPER_NETWORK,
} from "../../../src/network/attention_unet.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

const small: AttentionUNetOptions = { ...NORMALISED_NETWORK, filters: [2, 3], dropoutRates: [0.5, 0.5] };

async function forward(options: AttentionUNetOptions, kwargs?: { training: boolean; dropoutSeed: number }) {
  const { model } = buildAttentionUNet(options);
  const output = tf.tidy(() => {
    const x = tf.reshape(tf.linspace(0, 1, 2 * 64), [2, 8, 8, 1]);
    return model.apply(x, kwargs) as tf.Tensor;
  });
  const data = [...(await output.data())];
  output.dispose();
  return data;
}

describe("Attention U-Net", () => {
  it("has the published number of parameters when it is the paper's", () => {
    // Printed in the authors' notebook (EM_domain_adaptation, SSL/SSL__StyleTransfer.ipynb).
    expect(buildAttentionUNet(PAPER_NETWORK).model.countParams()).toBe(1_985_061);
  });

  it("gates what the option says", () => {
    const gateInputs = (gate: "paper" | "textbook") => {
      const { model } = buildAttentionUNet({ ...small, gate });
      const inputs = model.getLayer("up0_attention_gate").inboundNodes[0].inputTensors as tf.SymbolicTensor[];
      return inputs.map((tensor) => tensor.sourceLayer.name);
    };
    expect(gateInputs("paper")[0]).toBe("up0_upsample");
    expect(gateInputs("textbook")[0]).toBe("down0_elu2");
  });

  it("starts from the same weights for the same seed, from others for another", async () => {
    expect(await forward(small)).toEqual(await forward(small));
    expect(await forward({ ...small, seed: 2 })).not.toEqual(await forward(small));
  });

  it.each(["element", "spatial"] as const)(
    "repeats %s dropout by its seed, and has none at inference",
    async (dropout) => {
      const options = { ...small, dropout };
      const at = (dropoutSeed: number) => forward(options, { training: true, dropoutSeed });
      expect(await at(3)).toEqual(await at(3));
      expect(await at(3)).not.toEqual(await at(4));
      expect(await forward(options)).toEqual(await forward({ ...options, dropout: "none" }));
    },
  );

  it("takes any size that pooling divides", async () => {
    const { model } = buildAttentionUNet(small);
    for (const [h, w] of [
      [2, 6],
      [16, 4],
    ]) {
      const y = model.predict(tf.zeros([1, h, w, 1])) as tf.Tensor;
      expect(y.shape).toEqual([1, h, w, 1]);
    }
  });

  it("comes back from its saved topology with its dropout layers", () => {
    const { model } = buildAttentionUNet(small);
    const topology = JSON.parse(JSON.stringify(model.toJSON(null, false)));
    expect(
      topology.config.layers.some((layer: { class_name: string }) => layer.class_name === "SeededDropout"),
    ).toBe(true);
  });

  it("refuses impossible options", () => {
    expect(() => buildAttentionUNet({ ...small, filters: [4] })).toThrow(/filters/);
    expect(() => buildAttentionUNet({ ...small, dropoutRates: [0.1] })).toThrow(/2 levels/);
    expect(() => buildAttentionUNet({ ...small, dropoutRates: [0.1, 1] })).toThrow(/dropout rate/);
  });
});
