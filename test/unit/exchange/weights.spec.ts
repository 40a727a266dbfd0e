import { existsSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { Architecture } from "../../../src/exchange/architectures.js";
import { type LoadWeightsOptions, loadWeights } from "../../../src/exchange/load_weights.js";
import { readForeignWeights } from "../../../src/exchange/read.js";
import { ExchangeError } from "../../../src/exchange/types.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { foreignArray, foreignFile } from "../../support/foreign.js";

beforeAll(async () => {
  await selectBackend("wasm");
});

/** Largest difference of an imported network's answer from the framework's own. */
async function difference(file: string, expected: string, options: LoadWeightsOptions = {}): Promise<number> {
  const foreign = await readForeignWeights(file, foreignFile(file));
  const built = await loadWeights(foreign, "attention-u-net", options);
  const { shape, values } = foreignArray("input.npy");
  const input = tf.tensor(values, [...shape]);
  const output = built.used.predict(input) as tf.Tensor;
  const got = (await output.data()) as Float32Array;
  tf.dispose([input, output]);
  built.whole.dispose();
  const { values: wanted } = foreignArray(expected);
  expect(got.length).toBe(wanted.length);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0);
}

describe("weights of Keras", () => {
  it.each([
    ["keras3_model.h5", "keras_plain_output.npy"],
    ["keras3.weights.h5", "keras_small_output.npy"],
    ["keras2_weights.h5", "keras_small_output.npy"],
    ["keras3_batch.keras", "keras_batch_output.npy"],
  ])("%s answers as in Keras", async (file, output) => {
    expect(await difference(file, output)).toBeLessThan(1e-5);
  });

  it("say which gate they were made for, where the file describes the model", async () => {
    const error = await difference("keras3_model.h5", "keras_plain_output.npy", { gate: "textbook" }).catch(
      (error) => error,
    );
    expect(error).toBeInstanceOf(ExchangeError);
    expect(error.message).toBe("keras3_model.h5: describes the paper gate, not textbook");
  });
});

describe("weights of PyTorch", () => {
  it.each([
    ["torch.safetensors", 1e-5],
    ["torch_state.pt", 1e-5],
    // The checkpoint holds halves.
    ["torch_checkpoint.pth", 2e-3],
  ])("%s answers as in PyTorch", async (file, tolerance) => {
    expect(await difference(file, "torch_output.npy", { gate: "textbook" })).toBeLessThan(tolerance);
  });

  it("differ with the other gate, so that the comparison above can fail", async () => {
    expect(await difference("torch_state.pt", "torch_output.npy", { gate: "paper" })).toBeGreaterThan(1e-3);
  });

  it("are refused without being run where the pickle names a function", async () => {
    const error = await readForeignWeights("malicious.pt", foreignFile("malicious.pt")).catch(
      (error) => error,
    );
    expect(error).toBeInstanceOf(ExchangeError);
    expect(error.message).toMatch(/^malicious\.pt: names "(posix|os)\.system", which no state dict needs/);
    expect(existsSync("chondria-pickle-ran")).toBe(false);
  });
});

describe("what does not fit", () => {
  const refuse = async (file: string, architecture: Architecture): Promise<string> => {
    const foreign = await readForeignWeights(file, foreignFile(file));
    const error = await loadWeights(foreign, architecture).catch((error) => error);
    expect(error).toBeInstanceOf(ExchangeError);
    return error.message;
  };

  it("is named: the first layer that the file has nothing for", async () => {
    expect(await refuse("keras2_weights.h5", "attention-y-net")).toBe(
      "keras2_weights.h5: has nothing for reconstruct0_upsample (Conv2DTranspose, kernel [2, 2, 3, 5]): no layer is left",
    );
  });

  it("is named: the network's beginning", async () => {
    expect(await refuse("torch.safetensors", "cut-generator")).toBe(
      "torch.safetensors: has no 7x7 convolution of one channel, with which the network begins",
    );
  });

  it("leaves no tensor behind", async () => {
    const before = tf.memory().numTensors;
    await refuse("keras2_weights.h5", "attention-y-net");
    expect(tf.memory().numTensors).toBe(before);
  });
});
