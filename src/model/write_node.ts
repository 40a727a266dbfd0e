import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { parseDocument, stringify } from "yaml";
import { encodeFloat16 } from "./float16.js";
import { MODEL_ID, sha256 } from "./limits.js";
import { buildRdf, type Citation, dataCitations, PAPER } from "./rdf.js";
import { readPackage, readRdf } from "./read.js";
import { folderFiles, readPackageFolder } from "./read_node.js";
import { INDEX_FILE, indexEntry } from "./registry.js";
import { type ChondriaConfig, ModelError, type ModelPackage, type ModelScore } from "./types.js";

export interface PackageContents {
  readonly name: string;
  readonly description: string;
  /** tfjs layers topology: `model.toJSON(null, false)`. */
  readonly topology: object;
  readonly weights: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly data: Float32Array;
  }[];
  readonly config: Omit<ChondriaConfig, "formatVersion" | "files">;
  readonly authors?: readonly { readonly name: string }[];
  /** Beside the paper and the data sets that it uses. */
  readonly cite?: readonly Citation[];
  /** SPDX identifier. */
  readonly license?: string;
  /** ISO 8601; now when left out. */
  readonly timestamp?: string;
}

const TOPOLOGY = "model.json";
const WEIGHTS = "weights.bin";
const YAML_STYLE = { lineWidth: 110 };

/**
 * Kernels are stored as halves; vectors (biases, batch-normalisation statistics) keep their 32 bits, being few and, as
 * variances, not always within a half's range. So does a kernel that a half cannot hold.
 */
function encodeWeight(id: string, { name, shape, data }: PackageContents["weights"][number]) {
  if (shape.reduce((a, b) => a * b, 1) !== data.length)
    throw new ModelError(
      id,
      `${WEIGHTS}: weight ${name}, shape [${shape.join(", ")}], has ${data.length} values`,
    );
  let largest = 0;
  for (const value of data) {
    if (!Number.isFinite(value)) throw new ModelError(id, `${WEIGHTS}: weight ${name} holds ${value}`);
    largest = Math.max(largest, Math.abs(value));
  }
  const half = shape.length >= 2 && largest < 65520;
  const values = half ? encodeFloat16(data) : data;
  return {
    bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    spec: {
      name,
      shape: [...shape],
      dtype: "float32",
      ...(half && { quantization: { dtype: "float16", original_dtype: "float32" } }),
    },
  };
}

/** Puts `staged` in the place of `target`; a reader sees the old folder or the new one, never half of either. */
async function replaceFolder(staged: string, target: string): Promise<void> {
  const old = `${staged}.old`;
  let had = true;
  try {
    await rename(target, old);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    had = false;
  }
  try {
    await rename(staged, target);
  } catch (error) {
    if (had) await rename(old, target);
    throw error;
  }
  if (had) await rm(old, { recursive: true, force: true });
}

/**
 * Writes a model package (rdf.yaml, model.json, weights.bin) and checks it by reading it back before it takes its place.
 * @param directory models/<id>: its last part becomes the package's id; an existing package is replaced as a whole.
 * @returns The package as a reader gets it, float16 weights included.
 * @throws ModelError.
 */
export async function writePackage(directory: string, contents: PackageContents): Promise<ModelPackage> {
  const target = resolve(directory);
  const id = basename(target);
  if (!MODEL_ID.test(id)) throw new ModelError(id, "is not a model id (letters, digits, . _ -)");
  const encoded = contents.weights.map((weight) => encodeWeight(id, weight));
  const weights = Buffer.concat(encoded.map(({ bytes }) => bytes));
  const model = Buffer.from(
    JSON.stringify({
      format: "layers-model",
      generatedBy: "Chondria",
      convertedBy: null,
      modelTopology: contents.topology,
      weightsManifest: [{ paths: [WEIGHTS], weights: encoded.map(({ spec }) => spec) }],
    }),
  );
  const files = { [TOPOLOGY]: await sha256(model), [WEIGHTS]: await sha256(weights) };
  const rdf = buildRdf(
    {
      name: contents.name,
      description: contents.description,
      authors: contents.authors ?? [{ name: "Chondria" }],
      cite: [PAPER, ...dataCitations(contents.config.source), ...(contents.cite ?? [])],
      license: contents.license ?? "CC-BY-4.0",
      timestamp: contents.timestamp ?? new Date().toISOString(),
      config: { formatVersion: 1, ...contents.config, files },
    },
    TOPOLOGY,
  );
  const staged = join(dirname(target), `.${id}.${randomBytes(6).toString("hex")}.tmp`);
  await mkdir(staged, { recursive: true });
  try {
    await writeFile(join(staged, WEIGHTS), weights);
    await writeFile(join(staged, TOPOLOGY), model);
    await writeFile(
      join(staged, "rdf.yaml"),
      stringify(rdf, { ...YAML_STYLE, aliasDuplicateObjects: false }),
    );
    const written = await readPackage(id, folderFiles(staged));
    await replaceFolder(staged, target);
    return written;
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

/** Gives a file its whole contents at once. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Adds a measured score to a package, in the place of one for the same data and augmentation. The package's digest changes with it.
 * @throws ModelError when the package is broken or the score makes no sense; the package is then as before.
 */
export async function recordScore(directory: string, score: ModelScore): Promise<void> {
  const { id, config } = await readPackageFolder(directory);
  const path = join(directory, "rdf.yaml");
  const document = parseDocument(await readFile(path, "utf8"));
  const kept = config.scores.filter((old) => old.data !== score.data || old.tta !== score.tta);
  document.setIn(["config", "chondria", "scores"], document.createNode([...kept, score]));
  const text = document.toString(YAML_STYLE);
  await readRdf(id, async () => new TextEncoder().encode(text));
  await replaceFile(path, text);
  // An index that lists the package carries its digest.
  const models = dirname(resolve(directory));
  if ((await readdir(models)).includes(INDEX_FILE)) await writeIndex(models);
}

/**
 * Writes models/index.json anew from the packages that lie in the folder.
 * @returns The ids listed. @throws ModelError when one of them is broken.
 */
export async function writeIndex(modelsDirectory: string): Promise<string[]> {
  const folders = (await readdir(modelsDirectory, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && MODEL_ID.test(entry.name))
    .map((entry) => entry.name)
    .sort();
  const models = [];
  for (const id of folders) models.push(indexEntry(await readPackageFolder(join(modelsDirectory, id))));
  await replaceFile(join(modelsDirectory, INDEX_FILE), `${JSON.stringify({ models }, null, 2)}\n`);
  return folders;
}
