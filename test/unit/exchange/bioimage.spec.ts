import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { findModel } from "../../../src/cli/find_model.js";
import { specName } from "../../../src/exchange/bioimage_export.js";
import { exportPackage } from "../../../src/exchange/export_node.js";
import { readNpy } from "../../../src/exchange/npy.js";
import { loadNetwork } from "../../../src/inference/load.js";
import { selectBackend } from "../../../src/kernels/backend_node.js";
import { tf } from "../../../src/kernels/tf.js";
import { readBioimage } from "../../../src/model/bioimage.js";
import { sha256 } from "../../../src/model/limits.js";
import { readPackage } from "../../../src/model/read.js";
import { readPackageFolder, readPackageZip } from "../../../src/model/read_node.js";
import { ModelError, type ModelPackage } from "../../../src/model/types.js";
import { writeZip, ZipArchive } from "../../../src/model/zip.js";
import { zipFiles } from "../../../src/model/zip_files.js";
import { writeTinyModel } from "../../support/tiny_model.js";

// biome-ignore lint/suspicious/noExplicitAny: descriptions are spoilt anywhere
type Anything = any;

let root: string;
let tiny: ModelPackage;
let zip: string;
let files: Map<string, Uint8Array>;

beforeAll(async () => {
  await selectBackend("wasm");
  root = await mkdtemp(join(tmpdir(), "chondria-bioimage-"));
  tiny = await writeTinyModel(join(root, "models", "tiny"));
  zip = join(root, "tiny.zip");
  await exportPackage(join(root, "models", "tiny"), zip, { authors: ["A. Person"], overwrite: false });
  const archive = new ZipArchive(await readWhole(zip));
  files = new Map();
  for (const name of archive.names) files.set(name, await archive.read(name));
}, 120_000);
afterAll(() => rm(root, { recursive: true }));

const readWhole = async (path: string) => new Uint8Array(await readFile(path));
const rdfOf = (of: ReadonlyMap<string, Uint8Array>): Anything =>
  parse(new TextDecoder().decode(of.get("rdf.yaml")));

async function predict(model: ModelPackage, input: Float32Array, [, h, w]: readonly number[]) {
  const network = await loadNetwork(model);
  const output = tf.tidy(() => network.predict(tf.tensor4d(input, [1, h, w, 1])) as tf.Tensor);
  const values = Float32Array.from(await output.data());
  output.dispose();
  network.dispose();
  return values;
}

const farthest = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

describe("an exported package", () => {
  it("opens again as what it was", async () => {
    const model = await readPackageZip(zip);
    expect(model.id).toBe("tiny");
    expect(model.weightData).toEqual(tiny.weightData);
    expect(model.topology).toEqual(tiny.topology);
    expect(model.weightSpecs).toEqual(tiny.weightSpecs);
    const { files: mine, ...config } = model.config;
    const { files: theirs, ...others } = tiny.config;
    expect(config).toEqual(others);
    expect(Object.keys(mine)).toEqual(["tensorflow_js_weights.zip"]);
    expect(Object.keys(theirs)).not.toEqual(Object.keys(mine));
    expect((await findModel(zip)).digest).toBe(model.digest);
  });

  it("opens from its unpacked folder, and from a folder inside of an archive", async () => {
    const folder = join(root, "unpacked");
    await mkdir(folder);
    for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
    expect((await readPackageFolder(folder)).weightData).toEqual(tiny.weightData);
    const nested = writeZip(new Map([...files].map(([name, bytes]) => [`some folder/${name}`, bytes])));
    expect((await readPackage("x", zipFiles(new ZipArchive(nested)))).weightData).toEqual(tiny.weightData);
  });

  // Fields that bioimageio.spec 0.5.7 (src/bioimageio/spec/model/v0_5.py) requires or asks for ("FAIR"), and their forms.
  it("says what bioimage.io requires", async () => {
    const rdf = rdfOf(files);
    expect(rdf).toMatchObject({
      type: "model",
      format_version: "0.5.7",
      name: expect.stringMatching(/^[A-Za-z0-9_+\- ()]{5,128}$/),
      description: expect.any(String),
      authors: [{ name: "A. Person" }],
      license: expect.stringMatching(/^[A-Za-z0-9.+-]+$/),
      documentation: "README.md",
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      inputs: [
        {
          id: "em",
          test_tensor: { source: "test_input.npy" },
          sample_tensor: { source: "sample_input.png" },
        },
      ],
      outputs: [{ id: "mitochondria", test_tensor: { source: "test_output.npy" } }],
      weights: { tensorflow_js: { source: "tensorflow_js_weights.zip", tensorflow_version: "4.22.0" } },
    });
    expect(rdf.cite.length).toBeGreaterThan(0);
    for (const { text, doi, url } of rdf.cite) {
      expect(text).toBeTruthy();
      expect(doi ?? url).toMatch(/^10\.[0-9]{4}.+$|^https:/);
    }
    expect(new TextDecoder().decode(files.get("README.md"))).toMatch(/^## Validation$/m);
    const ids = rdf.inputs[0].axes.map((axis: Anything) => axis.id ?? axis.type);
    expect(ids).toEqual(["batch", "y", "x", "channel"]);
  });

  it("names every file with its SHA-256, and the weights are a zip of model.json and its shard", async () => {
    const rdf = rdfOf(files);
    const named = [
      rdf.weights.tensorflow_js,
      rdf.inputs[0].test_tensor,
      rdf.outputs[0].test_tensor,
      rdf.inputs[0].sample_tensor,
      rdf.outputs[0].sample_tensor,
    ];
    for (const { source, sha256: hash } of named)
      expect(await sha256(files.get(source) as Uint8Array)).toBe(hash);
    const inner = new ZipArchive(files.get("tensorflow_js_weights.zip") as Uint8Array);
    expect(inner.names).toEqual(["model.json", "weights.bin"]);
  });

  it("has test tensors of a size that the axes allow, which the network reproduces", async () => {
    const rdf = rdfOf(files);
    const input = readNpy("in", files.get("test_input.npy") as Uint8Array);
    const output = readNpy("out", files.get("test_output.npy") as Uint8Array);
    expect(input.shape).toEqual(output.shape);
    for (const axis of [1, 2]) {
      const { min, step } = rdf.inputs[0].axes[axis].size;
      expect((input.shape[axis] - min) % step).toBe(0);
      expect(input.shape[axis]).toBeGreaterThanOrEqual(min);
      expect(min - 2 * rdf.outputs[0].axes[axis].halo).toBeGreaterThanOrEqual(1);
    }
    expect(Math.max(...output.values)).toBeGreaterThan(1e-3);
    // As another program does it: preprocessing by the description, then the network.
    let values = input.values;
    for (const { id, kwargs } of rdf.inputs[0].preprocessing) {
      if (id === "scale_linear") values = values.map((value) => value * kwargs.gain + kwargs.offset);
      else if (id === "clip")
        values = values.map((value) => Math.min(kwargs.max, Math.max(kwargs.min, value)));
      else throw new Error(id);
    }
    const got = await predict(await readPackageZip(zip), values, input.shape);
    expect(farthest(got, output.values)).toBeLessThan(1e-6);
  });

  it("does not replace a file unless told to", async () => {
    const again = exportPackage(join(root, "models", "tiny"), zip, { authors: [], overwrite: false });
    await expect(again).rejects.toThrow(/tiny\.zip: is there already/);
  });

  it("gets a name that the specification allows", () => {
    expect(specName("Mitochondrien: Übung/1, α")).toBe("Mitochondrien U bung 1");
    expect(specName("é")).toBe("model e");
  });
});

/** The exported files with another description, as if somebody else had made them. */
function foreign(change: (rdf: Anything) => void): Map<string, Uint8Array> {
  const rdf = rdfOf(files);
  delete rdf.config;
  change(rdf);
  const changed = new Map(files);
  changed.set("rdf.yaml", new TextEncoder().encode(stringify(rdf)));
  return changed;
}
const open = (of: ReadonlyMap<string, Uint8Array>) =>
  readPackage("other", zipFiles(new ZipArchive(writeZip(of))));
async function refusal(change: (rdf: Anything) => void): Promise<string> {
  const error: unknown = await open(foreign(change)).catch((error) => error);
  expect(error).toBeInstanceOf(ModelError);
  return (error as Error).message;
}

describe("a package of bioimage.io that is not of Chondria's making", () => {
  it("opens with the window, the voxel size and the receptive field that follow from it", async () => {
    const model = await open(foreign(() => {}));
    expect(model.config).toMatchObject({
      strategy: "bioimage.io",
      prior: null,
      window: [0, 255],
      voxelSize: [10, 10, 10],
      field: tiny.config.field,
    });
    const input = Float32Array.from({ length: 32 * 32 }, (_, i) => (i % 7) / 7);
    expect(await predict(model, input, [1, 32, 32])).toEqual(await predict(tiny, input, [1, 32, 32]));
  });

  it("has another digest with other weights", async () => {
    const model = await open(foreign(() => {}));
    const other = foreign((rdf) => {
      delete rdf.weights.tensorflow_js.sha256;
    });
    const inner = new ZipArchive(files.get("tensorflow_js_weights.zip") as Uint8Array);
    const weights = await inner.read("weights.bin");
    weights[0] ^= 1;
    const entries = new Map([
      ["model.json", await inner.read("model.json")],
      ["weights.bin", weights],
    ]);
    other.set("tensorflow_js_weights.zip", writeZip(entries));
    expect((await open(other)).digest).not.toBe(model.digest);
  });

  it.each<[string, Anything[], readonly number[], (raw: number) => number]>([
    [
      "fixed mean and deviation",
      [{ id: "fixed_zero_mean_unit_variance", kwargs: { mean: 100, std: 50 } }],
      [0, 255],
      (raw) => (raw - 100) / 50,
    ],
    [
      "fixed mean and deviation as 0.4 says it, in lists",
      [{ name: "zero_mean_unit_variance", kwargs: { mode: "fixed", mean: [100], std: [50] } }],
      [0, 255],
      (raw) => (raw - 100) / 50,
    ],
    [
      "a cut before a line",
      [
        { id: "clip", kwargs: { min: 40, max: 200 } },
        { id: "scale_linear", kwargs: { gain: 0.01, offset: 1 } },
      ],
      [40, 200],
      (raw) => Math.min(200, Math.max(40, raw)) * 0.01 + 1,
    ],
    [
      "an inverting line",
      [
        { id: "ensure_dtype", kwargs: { dtype: "float32" } },
        { id: "scale_linear", kwargs: { gain: -1 / 255, offset: 1 } },
      ],
      [0, 255],
      (raw) => 1 - raw / 255,
    ],
  ])("is given what %s makes of raw EM", async (_, preprocessing, window, scaled) => {
    const model = await open(
      foreign((rdf) => {
        rdf.inputs[0].preprocessing = preprocessing;
      }),
    );
    expect(model.config.window).toEqual(window);
    const raw = Float32Array.from({ length: 16 * 16 }, (_, i) => (i * 37) % 256);
    const [lower, upper] = model.config.window;
    const windowed = raw.map((v) => Math.min(1, Math.max(0, (v - lower) / (upper - lower))));
    const got = await predict(model, windowed, [1, 16, 16]);
    const wanted = await predict(tiny, raw.map(scaled), [1, 16, 16]);
    expect(farthest(got, wanted)).toBeLessThan(1e-5);
  });

  it("opens in the words of 0.4, with a sigmoid behind the network and a window that a person said", async () => {
    const changed = foreign((rdf) => {
      rdf.format_version = "0.4.9";
      const shape = { reference_tensor: "raw", scale: [1, 1, 1, 1], offset: [0, 0, 0, 0] };
      rdf.inputs = [{ name: "raw", axes: "byxc", data_type: "float32", shape: [1, 64, 64, 1] }];
      rdf.inputs[0].preprocessing = [{ name: "scale_range", kwargs: { mode: "per_sample", axes: "yx" } }];
      rdf.outputs = [{ name: "out", axes: "byxc", data_type: "float32", shape }];
      rdf.outputs[0].postprocessing = [{ name: "sigmoid" }, { name: "binarize", kwargs: { threshold: 0.5 } }];
    });
    const text = changed.get("rdf.yaml") as Uint8Array;
    const fetchFile = zipFiles(new ZipArchive(writeZip(changed)));
    const overrides = { voxelSize: [8, 8, 8] as const, window: [30, 230] as const };
    const yaml = parse(new TextDecoder().decode(text));
    const model = await readBioimage("old", yaml, text, fetchFile, { overrides });
    expect(model.config).toMatchObject({ voxelSize: [8, 8, 8], window: [30, 230] });
    const input = Float32Array.from({ length: 16 * 16 }, (_, i) => (i % 11) / 11);
    const wanted = (await predict(tiny, input, [1, 16, 16])).map((value) => 1 / (1 + Math.exp(-value)));
    expect(farthest(await predict(model, input, [1, 16, 16]), wanted)).toBeLessThan(1e-6);
    // 0.4 has no place for the size of a pixel: it has to be said.
    const unsaid = readBioimage("old", yaml, text, fetchFile, { overrides: { window: [0, 255] } });
    await expect(unsaid).rejects.toThrow(/do not say how large a pixel is/);
  });

  it("gives the channel that is asked for", async () => {
    const input = tf.input({ shape: [64, 64, 1], name: "in" });
    const convolution = tf.layers.conv2d({ name: "two", filters: 2, kernelSize: 1, activation: "softmax" });
    const network = tf.model({ inputs: input, outputs: convolution.apply(input) as tf.SymbolicTensor });
    convolution.setWeights([tf.tensor4d([2, -3], [1, 1, 1, 2]), tf.tensor1d([0.5, -0.25])]);
    const weights = [2, -3, 0.5, -0.25];
    const shapes = { "two/kernel": [1, 1, 1, 2], "two/bias": [2] };
    const manifest = Object.entries(shapes).map(([name, shape]) => ({ name, shape, dtype: "float32" }));
    const json = {
      format: "layers-model",
      modelTopology: network.toJSON(null, false),
      weightsManifest: [{ paths: ["group1-shard1of1.bin"], weights: manifest }],
    };
    network.dispose();
    const inner = new Map([
      ["web/model.json", new TextEncoder().encode(JSON.stringify(json))],
      ["web/group1-shard1of1.bin", new Uint8Array(Float32Array.from(weights).buffer)],
    ]);
    const changed = foreign((rdf) => {
      rdf.outputs[0].axes[3].channel_names = ["background", "mitochondria"];
      delete rdf.weights.tensorflow_js.sha256;
    });
    changed.set("tensorflow_js_weights.zip", writeZip(inner));
    await expect(open(changed)).rejects.toThrow(/has 2 channels \(background, mitochondria\); .*--channel/);
    const text = changed.get("rdf.yaml") as Uint8Array;
    const fetchFile = zipFiles(new ZipArchive(writeZip(changed)));
    const yaml = parse(new TextDecoder().decode(text));
    const overrides = { channel: "mitochondria" };
    const model = await readBioimage("two", yaml, text, fetchFile, { overrides });
    const values = Float32Array.from({ length: 16 }, (_, i) => i / 16);
    const wanted = values.map((x) => 1 / (1 + Math.exp(2 * x + 0.5 - (-3 * x - 0.25))));
    expect(farthest(await predict(model, values, [1, 4, 4]), wanted)).toBeLessThan(1e-6);
    const missing = readBioimage("two", yaml, text, fetchFile, { overrides: { channel: "nucleus" } });
    await expect(missing).rejects.toThrow(/has no channel nucleus; there is background, mitochondria/);
  });

  it.each<[string, (rdf: Anything) => void, RegExp]>([
    [
      "percentiles",
      (rdf) => {
        rdf.inputs[0].preprocessing = [
          { id: "scale_range", kwargs: { min_percentile: 1, max_percentile: 99 } },
        ];
      },
      /preprocessing\[0\]: scale_range depends on the image; .*--window/,
    ],
    [
      "statistics of the sample",
      (rdf) => {
        rdf.inputs[0].preprocessing = [{ id: "zero_mean_unit_variance", kwargs: { axes: ["x", "y"] } }];
      },
      /zero_mean_unit_variance cannot be had/,
    ],
    [
      "channels first",
      (rdf) => {
        rdf.inputs[0].axes = [0, 3, 1, 2].map((i) => rdf.inputs[0].axes[i]);
      },
      /inputs\[0\]\.axes: batch, channel, y, x;/,
    ],
    [
      "x before y",
      (rdf) => {
        rdf.inputs[0].axes = "bxyc";
      },
      /inputs\[0\]\.axes: batch, x, y, channel;/,
    ],
    [
      "several channels that the network does not make",
      (rdf) => {
        rdf.outputs[0].axes[3].channel_names = ["a", "b"];
      },
      /says 2 channels, but the network makes 1/,
    ],
    [
      "an output of another size",
      (rdf) => {
        rdf.outputs[0].axes[1].scale = 20;
      },
      /axis y has another scale/,
    ],
    [
      "another threshold",
      (rdf) => {
        rdf.outputs[0].postprocessing = [{ id: "binarize", kwargs: { threshold: 0.3 } }];
      },
      /binarize at 0\.3/,
    ],
    [
      "weights of another format",
      (rdf) => {
        rdf.weights = { torchscript: { source: "weights.pt" } };
      },
      /weights: no tensorflow_js, but torchscript/,
    ],
    [
      "weights that lie elsewhere",
      (rdf) => {
        rdf.weights.tensorflow_js.source = "https://example.org/weights.zip";
      },
      /is elsewhere .*get the whole package/,
    ],
    [
      "weights outside of the package",
      (rdf) => {
        rdf.weights.tensorflow_js.source = "../weights.zip";
      },
      /no plain file name/,
    ],
    [
      "weights of another digest",
      (rdf) => {
        rdf.weights.tensorflow_js.sha256 = "0".repeat(64);
      },
      /damaged or changed/,
    ],
    [
      "two inputs",
      (rdf) => {
        rdf.inputs.push(rdf.inputs[0]);
      },
      /inputs/,
    ],
    [
      "no units",
      (rdf) => {
        for (const axis of rdf.inputs[0].axes) delete axis.unit;
      },
      /do not say how large a pixel is .*--voxel-size/,
    ],
  ])("is refused with %s", async (_, change, message) => {
    const text = await refusal(change);
    expect(text.startsWith("model other: ")).toBe(true);
    expect(text).toMatch(message);
  });
});
