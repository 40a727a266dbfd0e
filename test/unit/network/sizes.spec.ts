import { beforeAll, describe, expect, it, vi } from "vitest";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import {
  buildGenerator,
  buildPatchGan,
  buildPatchHeads,
  featureChannels,
  GENERATOR,
} from "../../../src/network/cut_networks.js";
import {
  buildFeatureDiscriminator,
  buildLabelDiscriminator,
} from "../../../src/network/damt_discriminators.js";
import { buildDamtNet, DAMT_NETWORK } from "../../../src/network/damt_net.js";
import {
  ATTENTION_Y_NETWORK,
  buildAttentionYNet,
  buildYNet,
  Y_NETWORK,
} from "../../../src/network/y_nets.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

// Drawing a hundred million random numbers takes a minute; the sizes do not depend on them.
vi.mock(import("../../../src/network/initialisers.js"), async (load) => ({
  ...(await load()),
  xavierNormal: () => tf.initializers.zeros(),
  torchDefault: () => tf.initializers.zeros(),
}));

const seed = 1;

/** The published networks with their numbers of parameters (paper.md, sections 2 to 5). */
const published: [string, number, () => tf.LayersModel][] = [
  ["Attention Y-Net", 10_199_558, () => buildAttentionYNet(ATTENTION_Y_NETWORK).logits],
  ["CUT's generator", 11_365_633, () => buildGenerator(GENERATOR).model],
  ["CUT's discriminator", 2_762_689, () => buildPatchGan({ base: 64, seed })],
  [
    "CUT's projection heads",
    559_872,
    () => buildPatchHeads({ channels: featureChannels(GENERATOR), units: 256, seed }),
  ],
  ["DAMT-Net", 38_344_003, () => buildDamtNet(DAMT_NETWORK).training],
  ["DAMT-Net's label discriminator", 2_763_713, () => buildLabelDiscriminator({ base: 64, seed })],
  [
    "DAMT-Net's feature discriminator",
    56_734_562,
    () => buildFeatureDiscriminator({ channels: 64, size: 512, pooled: false, seed }),
  ],
];

describe("sizes of the published networks", () => {
  it.each(published)("%s has %i parameters", (_, count, build) => {
    const before = tf.memory().numTensors;
    const model = build();
    expect(model.countParams()).toBe(count);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("Y-Net has 2,511,235 that are trained", () => {
    const { logits } = buildYNet(Y_NETWORK);
    const sizes = logits.trainableWeights.map(({ shape }) => (shape as number[]).reduce((a, b) => a * b, 1));
    expect(sizes.reduce((a, b) => a + b, 0)).toBe(2_511_235);
    logits.dispose();
  });

  it("the pooled feature discriminator is as large for every crop", () => {
    for (const size of [64, 128, 512]) {
      const model = buildFeatureDiscriminator({ channels: 64, size, pooled: true, seed });
      // Three convolutions, then 8 x 8 x 48 inputs of the first dense layer.
      const convolutions = 9 * 48 * (64 + 48 + 48) + 3 * 48;
      expect(model.countParams()).toBe(convolutions + (3072 + 1) * 288 + (288 + 1) * 144 + (144 + 1) * 2);
      model.dispose();
    }
  });
});
