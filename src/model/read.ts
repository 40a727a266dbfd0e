import { parseDocument } from "yaml";
import { readBioimage } from "./bioimage.js";
import { assertPlain } from "./json.js";
import { type FileFetcher, LIMITS, MODEL_ID, sha256 } from "./limits.js";
import { checked, decodeText, readNetworkFiles } from "./network_files.js";
import { rdfSchema } from "./schema.js";
import { checkTopology } from "./topology.js";
import { type ChondriaConfig, ModelError, type ModelPackage } from "./types.js";

export type { FileFetcher } from "./limits.js";

const RDF = "rdf.yaml";
const BIOIMAGE_RDF = "bioimageio.yaml";

/** Whether a description is of a model, but not one that Chondria wrote. */
export function describesForeign(yaml: unknown): boolean {
  if (typeof yaml !== "object" || yaml === null) return false;
  const { config, inputs, weights } = yaml as Record<string, Record<string, unknown> | null | undefined>;
  return inputs !== undefined && weights !== undefined && !(config && "chondria" in config);
}

/** A ModelError that says which file of which package is wrong; an abort passes as it is. */
function wrong(id: string, file: string, error: unknown): Error {
  if (error instanceof ModelError || (error instanceof DOMException && error.name === "AbortError"))
    return error;
  return new ModelError(id, `${file}: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  });
}

/** A description as plain values. @throws Error when it is no YAML, or unfolds into more than any model says. */
export function parseDescription(bytes: Uint8Array): unknown {
  const text = decodeText(bytes);
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

export interface ParsedRdf {
  readonly name: string;
  readonly description: string;
  readonly config: ChondriaConfig;
  readonly topologyFile: string;
  readonly digest: string;
  /** Of a package that Chondria did not make: all of it, since its settings follow from its network. */
  readonly whole?: ModelPackage;
}

/** The description of a package: rdf.yaml, or bioimageio.yaml as newer packages of bioimage.io call it. */
export async function readDescription(fetchFile: FileFetcher, signal?: AbortSignal): Promise<Uint8Array> {
  const options = { maxBytes: LIMITS.rdfBytes, signal };
  try {
    return await fetchFile(RDF, options);
  } catch (error) {
    signal?.throwIfAborted();
    return fetchFile(BIOIMAGE_RDF, options).catch(() => {
      throw error;
    });
  }
}

/**
 * Reads and checks rdf.yaml alone; of a bioimage.io package that is not of Chondria's making, its network as well.
 * @throws ModelError naming package, file and field.
 */
export async function readRdf(id: string, fetchFile: FileFetcher, signal?: AbortSignal): Promise<ParsedRdf> {
  if (!MODEL_ID.test(id)) throw new ModelError(id.slice(0, 64), "is not a model id (letters, digits, . _ -)");
  try {
    const bytes = await readDescription(fetchFile, signal);
    const yaml = parseDescription(bytes);
    if (describesForeign(yaml)) {
      const whole = await readBioimage(id, yaml, bytes, fetchFile, { signal });
      const { name, description, config, digest } = whole;
      return { name, description, config, topologyFile: "", digest, whole };
    }
    const rdf = checked(rdfSchema, yaml);
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
  const { name, description, config, topologyFile, digest, whole } = await readRdf(id, fetchFile, signal);
  if (whole !== undefined) return whole;
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
    const { topology, weightSpecs, weightData } = await readNetworkFiles(topologyFile, verified);
    checkTopology(topology, weightSpecs);
    return {
      id,
      name,
      description,
      config,
      digest,
      topology,
      weightSpecs,
      weightData,
    };
  } catch (error) {
    throw wrong(id, file, error);
  }
}

/** Number of parameters, batch-normalisation statistics included. */
export function parameterCount({ weightSpecs }: Pick<ModelPackage, "weightSpecs">): number {
  return weightSpecs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}
