import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../../../src/cli/main.js";
import type { Architecture } from "../../../src/exchange/architectures.js";
import { frozenOn, stylisedOn } from "../../../src/exchange/frozen.js";
import { importWeights } from "../../../src/exchange/import_weights.js";
import { loadWeights } from "../../../src/exchange/load_weights.js";
import { readForeignWeights } from "../../../src/exchange/read.js";
import { slotsOf } from "../../../src/exchange/slots.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { readPackageFolder } from "../../../src/model/read_node.js";
import { buildAttentionUNet } from "../../../src/network/attention_unet.js";
import { buildGenerator } from "../../../src/network/cut_networks.js";
import { buildDamtNet } from "../../../src/network/damt_net.js";
import { Random } from "../../../src/network/random.js";
import { buildAttentionYNet, buildYNet } from "../../../src/network/y_nets.js";
import { foreignFile } from "../../support/foreign.js";
import { writeTinyModel } from "../../support/tiny_model.js";

let root: string;
beforeAll(async () => {
  await selectBackend("wasm");
  root = await mkdtemp(join(tmpdir(), "chondria-import-"));
});
afterAll(() => rm(root, { recursive: true }));

/** The network's weights as PyTorch would save them: [out, in, h, w], one module a layer. */
async function toSafetensors(whole: tf.LayersModel, nameOf: (name: string, i: number) => string) {
  const header: Record<string, object> = {};
  const parts: Float32Array[] = [];
  let at = 0;
  const add = (name: string, data: Float32Array, shape: readonly number[]) => {
    header[name] = { dtype: "F32", shape, data_offsets: [at, at + 4 * data.length] };
    parts.push(data);
    at += 4 * data.length;
  };
  for (const [i, { layer, name, kernel, norm }] of slotsOf(whole).entries()) {
    const module = nameOf(name, i);
    const [weights, bias] = layer.getWeights();
    const turned = tf.transpose(weights, [3, 2, 0, 1]);
    const [h, w, a, b] = kernel;
    add(`${module}.0.weight`, (await turned.data()) as Float32Array, [b, a, h, w]);
    if (bias) add(`${module}.0.bias`, (await bias.data()) as Float32Array, bias.shape);
    turned.dispose();
    for (const [j, weight] of (norm?.getWeights() ?? []).entries())
      add(
        `${module}.1.${["weight", "bias", "running_mean", "running_var"][j]}`,
        (await weight.data()) as Float32Array,
        weight.shape,
      );
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + at);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 8);
  let offset = 8 + text.length;
  for (const part of parts) {
    bytes.set(new Uint8Array(part.slice().buffer), offset);
    offset += 4 * part.length;
  }
  return bytes;
}

/** Random biases and statistics, so that each of them counts. */
function randomise(network: tf.LayersModel): void {
  const random = new Random(9);
  for (const layer of network.layers) {
    const weights = layer.getWeights().map((weight, i) => {
      const values = Float32Array.from({ length: weight.size }, () => random.normal());
      const positive = layer.getClassName() === "BatchNormalization" && (i === 0 || i === 3);
      const scale = weight.rank > 1 ? Math.sqrt(2 / (weight.size / (weight.shape.at(-1) as number))) : 0.2;
      return tf.tensor(
        values.map((value) => (positive ? Math.exp(0.3 * value) : scale * value)),
        weight.shape,
      );
    });
    if (weights.length > 0) layer.setWeights(weights);
    tf.dispose(weights);
  }
}

const attention = {
  filters: [3, 4, 5],
  normalisation: "batch",
  gate: "paper",
  dropout: "none",
  dropoutRates: [0, 0, 0],
  seed: 2,
} as const;
const made: Record<Architecture, () => { whole: tf.LayersModel; used: tf.LayersModel }> = {
  "attention-u-net": () => {
    const { model } = buildAttentionUNet(attention);
    return { whole: model, used: model };
  },
  "attention-y-net": () => {
    const { logits, segmenter } = buildAttentionYNet({ ...attention, normalisation: "none" });
    return { whole: logits, used: segmenter };
  },
  "y-net": () => {
    const { logits, segmenter } = buildYNet({ filters: [3, 4], seed: 2 });
    return { whole: logits, used: segmenter };
  },
  "damt-net": () => {
    const { training, segmenter } = buildDamtNet({ base: 2, seed: 2 });
    return { whole: training, used: segmenter };
  },
  "cut-generator": () => {
    const { model } = buildGenerator({ base: 2, blocks: 2, seed: 2 });
    return { whole: model, used: model };
  },
};

const images = (count: number) => {
  const random = new Random(4);
  const em = Array.from({ length: count }, () =>
    Uint8Array.from({ length: 48 * 40 }, () => random.integer(256)),
  );
  return { width: 48, height: 40, em };
};

describe("every architecture", () => {
  // Numbers sort as the modules were made; the other names are those of Chondria itself.
  it.each(
    (Object.keys(made) as Architecture[]).flatMap((name) => [
      [name, "by order", (_: string, i: number) => `modules.${i}`] as const,
      [name, "by its stages", (layer: string, i: number) => `${stage(layer)}.${i}`] as const,
    ]),
  )("%s comes back from safetensors %s", async (architecture, _, nameOf) => {
    const { whole, used } = made[architecture]();
    randomise(whole);
    const bytes = await toSafetensors(whole, nameOf);
    const back = await loadWeights(await readForeignWeights("a.safetensors", bytes), architecture, {});
    const x = tf.randomUniform([1, 32, 32, 1], 0, 1, "float32", 3);
    const [wanted, got] = [used, back.used].map((model) => model.predict(x) as tf.Tensor);
    const off = tf.max(tf.abs(tf.sub(wanted, got)));
    expect((await off.data())[0]).toBeLessThan(1e-6);
    expect(back.whole.countParams()).toBe(whole.countParams());
    tf.dispose([x, wanted, got, off]);
    whole.dispose();
    back.whole.dispose();
  });

  function stage(layer: string): string {
    if (/^(down|start)/.test(layer)) return "encoder";
    if (/^(bottom|block)/.test(layer)) return "middle";
    if (/^(reconstruct|image)/.test(layer)) return "rec_decoder";
    return /^up/.test(layer) ? "decoder" : "out";
  }
});

const described = {
  name: "imported",
  description: "d",
  source: "s",
  target: null,
  voxelSize: [10, 10, 10],
  window: [0, 255],
  authors: ["A"],
  license: null,
  command: "c",
  precision: "single",
} as const;

describe("networks that normalise by the whole image", () => {
  it("are stored frozen: DAMT-Net", async () => {
    const { whole } = made["damt-net"]();
    const bytes = await toSafetensors(whole, (_, i) => `modules.${i}`);
    whole.dispose();
    const foreign = await readForeignWeights("d.safetensors", bytes);
    const finish = (used: tf.LayersModel) => frozenOn(used, images(3));
    const { contents } = await importWeights(foreign, bytes, described, { architecture: "damt-net", finish });
    expect(contents.config.field.multiple).toBe(16);
    expect(JSON.stringify(contents.topology)).not.toContain("GroupNormalisation");
    // Without it the network has no receptive field, and no package can be made.
    const plain = importWeights(foreign, bytes, described, { architecture: "damt-net" });
    await expect(plain).rejects.toThrow(/looks at the whole image/);
  });

  it("are stored frozen: a generator before a segmenter", async () => {
    const { whole } = made["cut-generator"]();
    const bytes = await toSafetensors(whole, (_, i) => `modules.${i}`);
    whole.dispose();
    const foreign = await readForeignWeights("g.safetensors", bytes);
    const segmenter = made["attention-u-net"]().used;
    const finish = (used: tf.LayersModel) => stylisedOn(used, segmenter, images(2));
    const { contents } = await importWeights(foreign, bytes, described, {
      architecture: "cut-generator",
      finish,
    });
    segmenter.dispose();
    expect(contents.weights.some(({ name }) => name.startsWith("style_"))).toBe(true);
    expect(contents.weights.some(({ name }) => name.startsWith("segment_"))).toBe(true);
  });
});

describe("chondria model import", () => {
  const golden = (name: string) => `test/golden/foreign/${name}`;
  async function run(...args: string[]): Promise<string> {
    const write = process.stderr.write;
    let errors = "";
    process.stderr.write = ((text: string) => {
      errors += text;
      return true;
    }) as typeof write;
    try {
      await main(["model", "import", ...args]);
    } finally {
      process.stderr.write = write;
      process.exitCode = 0;
    }
    return errors;
  }
  const common = ["--architecture", "attention-u-net", "--voxel-size", "8nm", "--source", "somewhere"];
  const check = ["--check-input", golden("input.npy"), "--check-output", golden("torch_output.npy")];

  it("finds out the gate by the check, and writes what was measured", async () => {
    const out = join(root, "models", "torch");
    expect(await run(golden("torch.safetensors"), "--out", out, ...common, ...check)).toBe("");
    const { config, weightSpecs } = await readPackageFolder(out);
    expect(config.training.settings).toMatchObject({
      imported: { architecture: "attention-u-net", network: { gate: "textbook", filters: [3, 5, 6] } },
    });
    expect(config.prior).toBeNull();
    expect(weightSpecs.every(({ quantization }) => quantization === undefined)).toBe(true);
  });

  it("writes nothing when the check differs", async () => {
    const out = join(root, "models", "wrong");
    const errors = await run(
      golden("torch.safetensors"),
      "--out",
      out,
      ...common,
      ...check,
      "--gate",
      "paper",
    );
    expect(errors).toMatch(/differs by at most .*Nothing was written/);
    await expect(readPackageFolder(out)).rejects.toThrow(/missing/);
  });

  it("takes a Keras file, and says what is missing", async () => {
    const file = join(root, "weights.h5");
    await writeFile(file, foreignFile("keras2_weights.h5"));
    const out = join(root, "models", "keras");
    expect(await run(file, "--out", out, ...common)).toContain("nothing says which gate");
    expect((await readPackageFolder(out)).config.voxelSize).toEqual([8, 8, 8]);
    expect(await run(file, "--out", out, "--architecture", "y-net")).toContain("--voxel-size is missing");
    expect(
      await run(
        file,
        "--out",
        out,
        ...common.map((word) => (word === "attention-u-net" ? "damt-net" : word)),
      ),
    ).toContain("--freeze-on");
  });

  it("takes a package of bioimage.io", async () => {
    const folder = join(root, "other", "tiny");
    await writeTinyModel(folder);
    const rdf = await readFile(join(folder, "rdf.yaml"), "utf8");
    await writeFile(join(folder, "rdf.yaml"), rdf.slice(0, rdf.indexOf("\nconfig:")));
    const out = join(root, "models", "bio");
    expect(await run(folder, "--out", out, "--voxel-size", "6nm", "--source", "elsewhere")).toBe("");
    const { config } = await readPackageFolder(out);
    expect(config).toMatchObject({ strategy: "imported", source: "elsewhere", voxelSize: [6, 6, 6] });
  });
});
