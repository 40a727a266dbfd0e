import * as v from "valibot";
import { parseDocument } from "yaml";
import { assertPlain } from "./json.js";
import { type FileFetcher, LIMITS, MODEL_ID, sha256 } from "./limits.js";
import { firstIssue, modelJsonSchema, rdfSchema, type WeightSpec } from "./schema.js";
import { checkTopology } from "./topology.js";
import { type ChondriaConfig, ModelError, type ModelPackage } from "./types.js";

export type { FileFetcher } from "./limits.js";

const RDF = "rdf.yaml";
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A ModelError that says which file of which package is wrong; an abort passes as it is. */
function wrong(id: string, file: string, error: unknown): Error {
  if (error instanceof ModelError || (error instanceof DOMException && error.name === "AbortError"))
    return error;
  return new ModelError(id, `${file}: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  });
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Error("is not UTF-8 text");
  }
}

function parseYaml(text: string): unknown {
  const document = parseDocument(text, {
    schema: "core",
    uniqueKeys: true,
    merge: false,
    logLevel: "silent",
  });
  if (document.errors.length > 0)
    throw new Error(`is not YAML: ${document.errors[0].message.split("\n")[0]}`);
  // Aliases can make a small text unfold into gigabytes; a description of a model has no use for many.
  const value: unknown = document.toJS({ maxAliasCount: 10 });
  assertPlain(value);
  return value;
}

function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  assertPlain(value);
  return value;
}

function check<S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (!result.success) throw new Error(firstIssue(result.issues));
  return result.output;
}

function joined(parts: readonly Uint8Array[]): ArrayBuffer {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes.buffer;
}

/** Bytes that a weight takes in its file. */
export function weightBytes(spec: Pick<WeightSpec, "shape" | "quantization">): number {
  return spec.shape.reduce((a, b) => a * b, 1) * (spec.quantization === undefined ? 4 : 2);
}

/** @throws Error naming the weight. */
function checkWeights(specs: readonly WeightSpec[]): void {
  let parameters = 0;
  const names = new Set<string>();
  for (const { name, shape } of specs) {
    if (names.has(name)) throw new Error(`weight ${name} is listed twice`);
    names.add(name);
    parameters += shape.reduce((a, b) => a * b, 1);
    if (!(parameters <= LIMITS.parameters))
      throw new Error(
        `weight ${name}, shape [${shape.join(", ")}]: more than ${LIMITS.parameters} parameters in all`,
      );
  }
}

export interface ParsedRdf {
  readonly name: string;
  readonly description: string;
  readonly config: ChondriaConfig;
  readonly topologyFile: string;
  readonly digest: string;
}

/**
 * Reads and checks rdf.yaml alone.
 * @throws ModelError naming package, file and field.
 */
export async function readRdf(id: string, fetchFile: FileFetcher, signal?: AbortSignal): Promise<ParsedRdf> {
  if (!MODEL_ID.test(id)) throw new ModelError(id.slice(0, 64), "is not a model id (letters, digits, . _ -)");
  try {
    const bytes = await fetchFile(RDF, { maxBytes: LIMITS.rdfBytes, signal });
    const rdf = check(rdfSchema, parseYaml(decode(bytes)));
    const { source, sha256: hash } = rdf.weights.tensorflow_js;
    const config: ChondriaConfig = rdf.config.chondria;
    if (config.files[source] !== hash)
      throw new Error(`weights.tensorflow_js.sha256: differs from config.chondria.files["${source}"]`);
    return {
      name: rdf.name,
      description: rdf.description,
      config,
      topologyFile: source,
      digest: await sha256(bytes),
    };
  } catch (error) {
    throw wrong(id, RDF, error);
  }
}

/**
 * Reads a model package and checks all of it: sizes before they are allocated, digests before contents are believed,
 * layers and shapes before anything is built. Runs no code of the package and makes no tensor.
 * @param id Folder name of the package.
 * @param fetchFile Reads one of its files.
 * @throws ModelError naming package, file and field; AbortError.
 */
export async function readPackage(
  id: string,
  fetchFile: FileFetcher,
  { signal }: { signal?: AbortSignal } = {},
): Promise<ModelPackage> {
  const { name, description, config, topologyFile, digest } = await readRdf(id, fetchFile, signal);
  let file = topologyFile;
  const verified = async (wanted: string, maxBytes: number): Promise<Uint8Array> => {
    file = wanted;
    const expected = config.files[file];
    if (expected === undefined) throw new Error(`has no digest in config.chondria.files of ${RDF}`);
    const bytes = await fetchFile(file, { maxBytes, signal });
    const actual = await sha256(bytes);
    if (actual !== expected)
      throw new Error(
        `has ${bytes.byteLength} bytes with SHA-256 ${actual}, but ${RDF} says ${expected}: damaged or changed, get it again`,
      );
    return bytes;
  };
  try {
    const json = check(
      modelJsonSchema,
      parseJson(decode(await verified(topologyFile, LIMITS.topologyBytes))),
    );
    const weightSpecs = json.weightsManifest.flatMap((group) => group.weights);
    checkWeights(weightSpecs);
    checkTopology(json.modelTopology, weightSpecs);
    const shards: Uint8Array[] = [];
    for (const group of json.weightsManifest) {
      let missing = group.weights.reduce((sum, spec) => sum + weightBytes(spec), 0);
      for (const path of group.paths) {
        const shard = await verified(path, missing);
        shards.push(shard);
        missing -= shard.byteLength;
      }
      if (missing > 0)
        throw new Error(`the weights end ${missing} bytes short of their shapes in ${topologyFile}`);
    }
    return {
      id,
      name,
      description,
      config,
      digest,
      topology: json.modelTopology,
      weightSpecs: weightSpecs.map(({ name, shape, dtype, quantization }) => ({
        name,
        shape,
        dtype,
        ...(quantization && { quantization: { dtype: quantization.dtype } }),
      })),
      weightData: joined(shards),
    };
  } catch (error) {
    throw wrong(id, file, error);
  }
}

/** Number of parameters, batch-normalisation statistics included. */
export function parameterCount({ weightSpecs }: Pick<ModelPackage, "weightSpecs">): number {
  return weightSpecs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}
