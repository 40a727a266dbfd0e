import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { sourceModelOf } from "../../../src/adaptation/source_model.js";
import { sourceNetworkOf } from "../../../src/adaptation/source_network.js";
import { tf } from "../../../src/kernels/tf.js";
import { readPackageFolder } from "../../../src/model/read_node.js";
import type { ModelPackage } from "../../../src/model/types.js";

let model: ModelPackage;

beforeAll(async () => {
  await tf.setBackend("cpu");
  model = await readPackageFolder("models/phantom-source-only");
});

const withNetwork = (network: unknown): ModelPackage => ({
  ...model,
  config: { ...model.config, training: { ...model.config.training, settings: { network } } },
});
const network = () => model.config.training.settings.network as Record<string, unknown>;

describe("the source model of a package", () => {
  it("is its network and all its weights, and leaves no tensor behind", async () => {
    const before = tf.memory().numTensors;
    const source = await sourceModelOf(model);
    expect(tf.memory().numTensors).toBe(before);
    expect(source.network.filters).toEqual([16, 32, 64, 128, 256]);
    const count = source.weights.reduce((sum, weight) => sum + weight.length, 0);
    const index = JSON.parse(await readFile("models/index.json", "utf8")) as {
      models: { id: string; parameters: number }[];
    };
    expect(count).toBe(index.models.find(({ id }) => id === model.id)?.parameters);
  });

  it.each([
    ["nothing", undefined],
    ["text", "unet"],
    ["no filters", { filters: [] }],
    ["giant filters", { filters: [1e9, 1e9] }],
  ])("is not to be had when the package says %s", async (_, settings) => {
    expect(sourceNetworkOf(withNetwork(settings).config)).toBeNull();
    await expect(sourceModelOf(withNetwork(settings))).rejects.toThrow(/adapt from a source-only model/);
  });

  it("is not to be had when the weights are those of another network", async () => {
    const other = withNetwork({ ...network(), gate: "paper", filters: [8, 16, 32, 64, 128] });
    expect(sourceNetworkOf(other.config)).not.toBeNull();
    await expect(sourceModelOf(other)).rejects.toThrow(/not the one Attention U-Net/);
    const giant = withNetwork({ ...network(), filters: [16, 4096, 4096, 4096, 4096] });
    await expect(sourceModelOf(giant)).rejects.toThrow(/not the one Attention U-Net/);
    const uneven = withNetwork({ ...network(), dropoutRates: [0.1] });
    expect(sourceNetworkOf(uneven.config)).toBeNull();
  });
});
