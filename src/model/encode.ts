import { Document } from "yaml";
import { encodeFloat16 } from "./float16.js";
import { MODEL_ID, sha256 } from "./limits.js";
import { buildRdf, type Citation, dataCitations, PAPER } from "./rdf.js";
import { rdfText } from "./rdf_text.js";
import { type ChondriaConfig, ModelError } from "./types.js";

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
  /** SPDX identifier; null: not stated. */
  readonly license?: string | null;
  /** Of kernels: 16 bits (when left out) or 32, for weights that must stay what they are elsewhere. */
  readonly precision?: "half" | "single";
  /** ISO 8601; now when left out. */
  readonly timestamp?: string;
}

const RDF = "rdf.yaml";
const TOPOLOGY = "model.json";
const WEIGHTS = "weights.bin";

/**
 * Kernels are stored as halves; vectors (biases, batch-normalisation statistics) keep their 32 bits, being few and, as
 * variances, not always within a half's range. So does a kernel that a half cannot hold.
 */
function encodeWeight(
  id: string,
  { name, shape, data }: PackageContents["weights"][number],
  precision: PackageContents["precision"],
) {
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
  const half = precision !== "single" && shape.length >= 2 && largest < 65520;
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

/** A network as a package stores it. */
export interface EncodedNetwork {
  /** Topology and manifest, a tfjs layers model that names weights.bin. */
  readonly model: Uint8Array<ArrayBuffer>;
  readonly weights: Uint8Array<ArrayBuffer>;
  readonly weightSpecs: readonly ReturnType<typeof encodeWeight>["spec"][];
}

/**
 * Topology and weights as bytes: what a package holds beside its description.
 * @param id for error messages.
 * @throws ModelError naming the weight that cannot be stored.
 */
export function encodeNetwork(
  id: string,
  { topology, weights, precision }: Pick<PackageContents, "topology" | "weights" | "precision">,
): EncodedNetwork {
  const encoded = weights.map((weight) => encodeWeight(id, weight, precision));
  const weightSpecs = encoded.map(({ spec }) => spec);
  const model = new TextEncoder().encode(
    JSON.stringify({
      format: "layers-model",
      generatedBy: "Chondria",
      convertedBy: null,
      modelTopology: topology,
      weightsManifest: [{ paths: [WEIGHTS], weights: weightSpecs }],
    }),
  );
  return { model, weights: concatenate(encoded.map(({ bytes }) => bytes)), weightSpecs };
}

/**
 * The files of a model package (rdf.yaml, model.json, weights.bin) as bytes, for any host to store: a folder in Node, the
 * browser's own storage in a page. They are not read back here: `readPackage` does that before they take a place.
 * @param id Folder name of the package.
 * @throws ModelError naming the weight that cannot be stored.
 */
export async function encodePackage(
  id: string,
  contents: PackageContents,
): Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>> {
  if (!MODEL_ID.test(id)) throw new ModelError(id, "is not a model id (letters, digits, . _ -)");
  const { model, weights } = encodeNetwork(id, contents);
  const files = { [TOPOLOGY]: await sha256(model), [WEIGHTS]: await sha256(weights) };
  const rdf = buildRdf(
    {
      name: contents.name,
      description: contents.description,
      authors: contents.authors ?? [{ name: "Chondria" }],
      cite: [PAPER, ...dataCitations(contents.config.source), ...(contents.cite ?? [])],
      license: contents.license === undefined ? "CC-BY-4.0" : contents.license,
      timestamp: contents.timestamp ?? new Date().toISOString(),
      config: { formatVersion: 1, ...contents.config, files },
    },
    TOPOLOGY,
  );
  return new Map([
    [WEIGHTS, weights],
    [TOPOLOGY, model],
    [RDF, new TextEncoder().encode(rdfText(new Document(rdf, { aliasDuplicateObjects: false })))],
  ]);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}
