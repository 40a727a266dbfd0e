import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { tf } from "../../../src/kernels/tf.js";
import { sha256 } from "../../../src/model/limits.js";
import { readPackage } from "../../../src/model/read.js";
import { folderFiles, readPackageFolder } from "../../../src/model/read_node.js";
import { readIndex } from "../../../src/model/registry.js";
import { ModelError } from "../../../src/model/types.js";
import { type PackageContents, writeIndex, writePackage } from "../../../src/model/write_node.js";
import { tinyContents, writeTinyModel } from "../../support/tiny_model.js";

let root: string;
let contents: PackageContents;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "chondria-model-"));
  contents = await tinyContents();
  await writeTinyModel(join(root, "models", "tiny"));
});
afterAll(() => rm(root, { recursive: true }));

let copies = 0;
/** A copy of the tiny package to spoil. */
async function copy(): Promise<string> {
  const folder = join(root, `copy${copies++}`, "tiny");
  await cp(join(root, "models", "tiny"), folder, { recursive: true });
  return folder;
}

// biome-ignore lint/suspicious/noExplicitAny: the tests spoil arbitrary fields
type Anything = any;

/** Changes rdf.yaml. */
async function spoilRdf(change: (rdf: Anything) => void): Promise<string> {
  const folder = await copy();
  const rdf = parse(await readFile(join(folder, "rdf.yaml"), "utf8"));
  change(rdf);
  await writeFile(join(folder, "rdf.yaml"), stringify(rdf));
  return folder;
}

/** Changes model.json (an object, or its text) and makes the digests right again: an attacker would. */
async function spoilModel(change: (json: Anything) => undefined | string): Promise<string> {
  const folder = await copy();
  const json = JSON.parse(await readFile(join(folder, "model.json"), "utf8"));
  const bytes = Buffer.from(change(json) ?? JSON.stringify(json));
  await writeFile(join(folder, "model.json"), bytes);
  const rdf = parse(await readFile(join(folder, "rdf.yaml"), "utf8"));
  const digest = await sha256(bytes);
  rdf.weights.tensorflow_js.sha256 = digest;
  rdf.config.chondria.files["model.json"] = digest;
  await writeFile(join(folder, "rdf.yaml"), stringify(rdf));
  return folder;
}

async function failure(folder: string): Promise<string> {
  const error: unknown = await readPackageFolder(folder).catch((error) => error);
  expect(error).toBeInstanceOf(ModelError);
  expect((error as ModelError).model).toBe("tiny");
  return (error as Error).message;
}

const layer = (json: Anything, name: string) =>
  json.modelTopology.config.layers.find((l: Anything) => l.config.name === name);

describe("a written package", () => {
  it("reads back with its weights as halves, and vectors exact", async () => {
    const model = await readPackageFolder(join(root, "models", "tiny"));
    expect(model.id).toBe("tiny");
    expect(model.config).toMatchObject(contents.config);
    expect(model.digest).toBe(await sha256(await readFile(join(root, "models/tiny/rdf.yaml"))));
    const decoded = tf.io.decodeWeights(model.weightData, model.weightSpecs as Anything);
    for (const { name, shape, data } of contents.weights) {
      const values = await decoded[name].data();
      expect(decoded[name].shape).toEqual(shape);
      values.forEach((value, i) => {
        const tolerance = shape.length < 2 ? 0 : Math.max(2 ** -11 * Math.abs(data[i]), 2 ** -25);
        expect(Math.abs(value - data[i])).toBeLessThanOrEqual(tolerance);
      });
    }
    tf.dispose(decoded);
  });

  it("cites the paper, and the data where it is the paper's", async () => {
    const folder = join(root, "cited", "tiny");
    await writePackage(folder, {
      ...contents,
      config: { ...contents.config, source: "VNC stack1, columns 0-511" },
    });
    const { cite } = parse(await readFile(join(folder, "rdf.yaml"), "utf8"));
    expect(cite.map((entry: Anything) => entry.doi)).toEqual([
      "10.1016/j.cmpb.2022.106949",
      "10.6084/m9.figshare.856713",
    ]);
  });

  it("is the same, byte for byte, when written again", async () => {
    const again = join(root, "again", "tiny");
    await writePackage(again, contents);
    for (const file of await readdir(again))
      expect(await readFile(join(again, file))).toEqual(await readFile(join(root, "models", "tiny", file)));
  });

  it("replaces an older one as a whole and leaves nothing else", async () => {
    const folder = await copy();
    await writePackage(folder, { ...contents, description: "second" });
    expect((await readPackageFolder(folder)).description).toBe("second");
    expect(await readdir(join(folder, ".."))).toEqual(["tiny"]);
    expect((await readdir(folder)).sort()).toEqual(["model.json", "rdf.yaml", "weights.bin"]);
  });

  it("is not written when something is wrong, and the older one stays", async () => {
    const folder = await copy();
    const [first, ...rest] = contents.weights;
    const nan = { ...first, data: first.data.map((v, i) => (i === 1 ? Number.NaN : v)) };
    await expect(writePackage(folder, { ...contents, weights: [nan, ...rest] })).rejects.toThrow(
      `model tiny: weights.bin: weight ${first.name} holds NaN`,
    );
    const bent = { ...first, shape: [1, 2] };
    await expect(writePackage(folder, { ...contents, weights: [bent, ...rest] })).rejects.toThrow(
      "shape [1, 2]",
    );
    const config = { ...contents.config, voxelSize: [0, 10, 10] as const };
    await expect(writePackage(folder, { ...contents, config })).rejects.toThrow(
      "config.chondria.voxelSize.0",
    );
    await expect(writePackage(join(root, "bad id"), contents)).rejects.toThrow("is not a model id");
    expect((await readPackageFolder(folder)).name).toBe(contents.name);
    expect(await readdir(join(folder, ".."))).toEqual(["tiny"]);
  });

  it("keeps what a half cannot hold at 32 bits", async () => {
    const weights = contents.weights.map((w, i) => (i ? w : { ...w, data: w.data.map(() => 1e5) }));
    const model = await writePackage(join(root, "large", "tiny"), { ...contents, weights });
    expect(model.weightSpecs[0].quantization).toBeUndefined();
    expect(new Float32Array(model.weightData.slice(0, 4))[0]).toBe(1e5);
  });

  it("is listed in the index", async () => {
    const models = join(root, "models");
    expect(await writeIndex(models)).toEqual(["tiny"]);
    const [entry] = await readIndex(folderFiles(models));
    expect(entry).toMatchObject({
      id: "tiny",
      strategy: "untrained",
      parameters: 1690,
      voxelSize: [10, 10, 10],
    });
    await writeFile(join(root, "index.json"), '{"models": [{"id": "../up"}]}');
    await expect(readIndex(folderFiles(root))).rejects.toThrow("model index.json: models.0.");
  });
});

describe("a damaged package", () => {
  it("with changed weights names file and digest", async () => {
    const folder = await copy();
    const bytes = await readFile(join(folder, "weights.bin"));
    bytes[100] ^= 1;
    await writeFile(join(folder, "weights.bin"), bytes);
    expect(await failure(folder)).toMatch(
      /^model tiny: weights.bin: has 3472 bytes with SHA-256 .* get it again$/,
    );
  });

  it("with truncated or overlong weights", async () => {
    const folder = await copy();
    await truncate(join(folder, "weights.bin"), 3000);
    expect(await failure(folder)).toContain("weights.bin: has 3000 bytes");
    await truncate(join(folder, "weights.bin"), 4000);
    expect(await failure(folder)).toContain("weights.bin: 4000 bytes, more than the 3472 expected");
  });

  it("with a missing shard or description", async () => {
    const folder = await copy();
    await rm(join(folder, "weights.bin"));
    expect(await failure(folder)).toMatch(/weights.bin: missing \(.*weights.bin\)/);
    await rm(join(folder, "rdf.yaml"));
    expect(await failure(folder)).toMatch(/rdf.yaml: missing/);
  });

  it("with a changed model.json", async () => {
    const folder = await copy();
    const text = await readFile(join(folder, "model.json"), "utf8");
    await writeFile(join(folder, "model.json"), text.replace('"elu"', '"elU"'));
    expect(await failure(folder)).toContain("model.json: has");
  });

  it("whose description is not YAML, not text, huge, or unfolds without end", async () => {
    const folder = await copy();
    const write = (data: string | Uint8Array) => writeFile(join(folder, "rdf.yaml"), data);
    await write("type: [model");
    expect(await failure(folder)).toContain("rdf.yaml: is not YAML");
    await write("a: 1\na: 2");
    expect(await failure(folder)).toContain("rdf.yaml: is not YAML");
    await write(Uint8Array.from([0xff, 0xfe, 0x00]));
    expect(await failure(folder)).toContain("rdf.yaml: is not UTF-8");
    await write("x".repeat(2 << 20));
    expect(await failure(folder)).toContain("more than the 1048576 expected");
    const bomb = Array.from({ length: 12 }, (_, i) => `a${i}: &a${i} [${`*a${i - 1},`.repeat(i ? 9 : 0)} 1]`);
    await write(bomb.join("\n"));
    expect(await failure(folder)).toMatch(/rdf.yaml: .*alias/i);
    await write("just text");
    expect(await failure(folder)).toContain("rdf.yaml: ");
  });
});

describe("a hostile or wrong description", () => {
  it.each<[string, (rdf: Anything) => void, string]>([
    [
      "another type",
      (r) => {
        r.type = "dataset";
      },
      "rdf.yaml: type:",
    ],
    [
      "another version",
      (r) => {
        r.format_version = "0.4.10";
      },
      "rdf.yaml: format_version: must be 0.5.x",
    ],
    [
      "axes of a 3-D model",
      (r) => {
        r.inputs[0].axes.push({ type: "space" });
      },
      "inputs.0.axes: must be batch, y, x, channel",
    ],
    [
      "a path out of its folder",
      (r) => {
        r.weights.tensorflow_js.source = "../tiny/model.json";
      },
      "weights.tensorflow_js.source: is not a plain file name",
    ],
    [
      "no digest of a file",
      (r) => {
        delete r.config.chondria.files["weights.bin"];
      },
      "weights.bin: has no digest",
    ],
    [
      "an unknown key",
      (r) => {
        r.config.chondria.treshold = 1;
      },
      "config.chondria.treshold",
    ],
    [
      "a voxel size of 0",
      (r) => {
        r.config.chondria.voxelSize[1] = 0;
      },
      "config.chondria.voxelSize.1",
    ],
    [
      "a falling window",
      (r) => {
        r.config.chondria.window = [9, 3];
      },
      "config.chondria.window: must rise",
    ],
    [
      "an absurd halo",
      (r) => {
        r.config.chondria.field.halo = 1e9;
      },
      "config.chondria.field.halo",
    ],
    [
      "a solidity of 7",
      (r) => {
        r.config.chondria.prior.solidity = 7;
      },
      "config.chondria.prior.solidity",
    ],
    [
      "an empty config",
      (r) => {
        r.config.chondria = null;
      },
      "rdf.yaml: config.chondria",
    ],
    [
      "two digests that differ",
      (r) => {
        r.weights.tensorflow_js.sha256 = "0".repeat(64);
      },
      "differs from config.chondria.files",
    ],
  ])("with %s", async (_, change, message) => {
    expect(await failure(await spoilRdf(change))).toContain(message);
  });

  it("with keys that reach into prototypes", async () => {
    const folder = await copy();
    const text = await readFile(join(folder, "rdf.yaml"), "utf8");
    await writeFile(join(folder, "rdf.yaml"), `${text}\n__proto__:\n  polluted: 1\n`);
    expect(await failure(folder)).toContain("rdf.yaml: __proto__: forbidden key");
    const json = await spoilModel((j) =>
      JSON.stringify(j).replace('"config":', '"config":{"constructor":1},"x":'),
    );
    expect(await failure(json)).toContain("model.json: modelTopology.config.constructor: forbidden key");
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe("a hostile network", () => {
  it.each<[string, (json: Anything) => undefined | string, string]>([
    ["not JSON", () => "{", "model.json: "],
    [
      "a graph model",
      (j) => {
        j.format = "graph-model";
        return undefined;
      },
      "model.json: format",
    ],
    [
      "a Lambda layer",
      (j) => {
        layer(j, "probability").class_name = "Lambda";
        return undefined;
      },
      "layer Lambda is not allowed",
    ],
    [
      "a model in a model",
      (j) => {
        layer(j, "probability").class_name = "Model";
        return undefined;
      },
      "layer Model is not allowed",
    ],
    [
      "a sequential model",
      (j) => {
        j.modelTopology.class_name = "Sequential";
        return undefined;
      },
      "is not a functional model",
    ],
    [
      "an input of three channels",
      (j) => {
        layer(j, "em").config.batch_input_shape[3] = 3;
        return undefined;
      },
      "input shape [null,null,null,3]",
    ],
    [
      "a million filters",
      (j) => {
        layer(j, "logits").config.filters = 1e6;
        return undefined;
      },
      "config.filters: 1000000 is not within",
    ],
    [
      "filters that its weights do not have",
      (j) => {
        layer(j, "logits").config.filters = 77;
        return undefined;
      },
      "config.filters: 77 does not fit weight shape",
    ],
    [
      "a kernel of 999",
      (j) => {
        layer(j, "logits").config.kernel_size = [999, 1];
        return undefined;
      },
      "config.kernel_size",
    ],
    [
      "two inputs",
      (j) => {
        j.modelTopology.config.layers.push(layer(j, "em"));
        return undefined;
      },
      "2 inputs, expected 1",
    ],
    [
      "5,000 layers",
      (j) => {
        j.modelTopology.config.layers = Array(5000).fill(layer(j, "probability"));
        return undefined;
      },
      "5000 layers, at most 1000",
    ],
    ["deep nesting", () => `{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`, "nested deeper than 32"],
    [
      "absurd shapes",
      (j) => {
        j.weightsManifest[0].weights[0].shape = [99999, 99999];
        return undefined;
      },
      "more than 100000000 parameters",
    ],
    [
      "a negative shape",
      (j) => {
        j.weightsManifest[0].weights[0].shape[0] = -3;
        return undefined;
      },
      "weightsManifest.0.weights.0.shape.0",
    ],
    [
      "a fractional shape",
      (j) => {
        j.weightsManifest[0].weights[0].shape[0] = 2.5;
        return undefined;
      },
      "weightsManifest.0.weights.0.shape.0",
    ],
    [
      "shapes larger than the data",
      (j) => {
        j.weightsManifest[0].weights[0].shape[2] += 1;
        return undefined;
      },
      "bytes short",
    ],
    [
      "a weight twice",
      (j) => {
        j.weightsManifest[0].weights[1].name = j.weightsManifest[0].weights[0].name;
        return undefined;
      },
      "listed twice",
    ],
    [
      "integer weights",
      (j) => {
        j.weightsManifest[0].weights[0].dtype = "int32";
        return undefined;
      },
      "weights.0.dtype",
    ],
    [
      "a shard elsewhere",
      (j) => {
        j.weightsManifest[0].paths = ["http://example.org/weights.bin"];
        return undefined;
      },
      "paths.0: is not a plain file name",
    ],
    [
      "a shard without digest",
      (j) => {
        j.weightsManifest[0].paths = ["other.bin"];
        return undefined;
      },
      "other.bin: has no digest",
    ],
  ])("with %s", async (_, change, message) => {
    expect(await failure(await spoilModel(change))).toContain(message);
  });

  it("fits its weights: shapes larger than the data are refused before they are allocated", async () => {
    const folder = await spoilModel((json) => {
      layer(json, "logits").config.filters = 4000;
      json.weightsManifest[0].weights.find((w: Anything) => w.name === "logits/kernel").shape = [
        1, 1, 4, 4000,
      ];
      return undefined;
    });
    expect(await failure(folder)).toContain("bytes short");
  });
});

describe("readPackage", () => {
  it("takes files from anywhere, several shards too", async () => {
    const files = folderFiles(join(root, "models", "tiny"));
    const weights = await files("weights.bin", { maxBytes: 1e6 });
    const rdf = parse(new TextDecoder().decode(await files("rdf.yaml", { maxBytes: 1e6 })));
    const json = JSON.parse(new TextDecoder().decode(await files("model.json", { maxBytes: 1e6 })));
    json.weightsManifest[0].paths = ["a.bin", "b.bin"];
    const served: Record<string, Uint8Array> = {
      "model.json": new TextEncoder().encode(JSON.stringify(json)),
      "a.bin": weights.subarray(0, 1001),
      "b.bin": weights.subarray(1001),
    };
    for (const [name, bytes] of Object.entries(served)) rdf.config.chondria.files[name] = await sha256(bytes);
    rdf.weights.tensorflow_js.sha256 = rdf.config.chondria.files["model.json"];
    served["rdf.yaml"] = new TextEncoder().encode(stringify(rdf));
    const model = await readPackage("tiny", async (name) => served[name]);
    expect(new Uint8Array(model.weightData)).toEqual(new Uint8Array(weights));
  });

  it("refuses ids that are paths, and passes an abort on", async () => {
    await expect(readPackage("../x", async () => new Uint8Array())).rejects.toThrow("is not a model id");
    const signal = AbortSignal.abort();
    await expect(readPackageFolder(join(root, "models", "tiny"), { signal })).rejects.toMatchObject({
      name: "AbortError",
    });
  });
});
