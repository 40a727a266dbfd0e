import { Document } from "yaml";
import { sha256 } from "../model/limits.js";
import { buildRdf, type Citation } from "../model/rdf.js";
import { rdfText } from "../model/rdf_text.js";
import type { ModelPackage } from "../model/types.js";
import { writeZip } from "../model/zip.js";
import { writeNpy } from "./npy.js";
import { packageReadme } from "./readme.js";

/** What the description of a package says beside its settings. */
export interface ExportMetadata {
  readonly authors: readonly { readonly name: string }[];
  readonly cite: readonly Citation[];
  readonly license: string | null;
  readonly timestamp: string;
}

/** An image and what the network answers to it. */
export interface TestPair {
  readonly width: number;
  readonly height: number;
  /** Raw intensities, row-major. */
  readonly input: Float32Array;
  /** Probabilities. */
  readonly output: Float32Array;
  /** 8-bit PNG of both, for people. */
  readonly pictures: { readonly input: Uint8Array; readonly output: Uint8Array };
}

/** The edge of the smallest image that leaves a pixel once the halo is cut from both sides: what the description says. */
export function testSize({ config: { field } }: ModelPackage): number {
  return Math.ceil((2 * field.halo + 1) / field.multiple) * field.multiple;
}

export const WEIGHTS_ZIP = "tensorflow_js_weights.zip";

/** What the specification lets a model be called: letters, digits, "_+- ()", five characters at least. */
export function specName(name: string): string {
  const clean = name
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9_+\- ()]+/g, " ")
    .replace(/ +/g, " ")
    .trim();
  return (clean.length >= 5 ? clean : `model ${clean}`.padEnd(5)).slice(0, 128);
}

/** The network as tfjs stores it: model.json and one shard, the weights as they are. */
function networkFiles({ topology, weightSpecs, weightData }: ModelPackage): Map<string, Uint8Array> {
  const specs = weightSpecs.map(({ quantization, ...spec }) => ({
    ...spec,
    ...(quantization && { quantization: { ...quantization, original_dtype: "float32" } }),
  }));
  const json = {
    format: "layers-model",
    generatedBy: "Chondria",
    convertedBy: null,
    modelTopology: topology,
    weightsManifest: [{ paths: ["weights.bin"], weights: specs }],
  };
  return new Map([
    ["model.json", new TextEncoder().encode(JSON.stringify(json))],
    ["weights.bin", new Uint8Array(weightData)],
  ]);
}

/**
 * A package as bioimage.io's specification 0.5 has it, and as this program opens it: rdf.yaml, the weights as one zip of
 * model.json and its shard, README.md, test tensors as .npy with pictures of them, each with its SHA-256.
 * @returns the archive.
 */
export async function bioimagePackage(
  model: ModelPackage,
  metadata: ExportMetadata,
  test: TestPair,
): Promise<Uint8Array<ArrayBuffer>> {
  const weights = writeZip(networkFiles(model));
  const { width, height } = test;
  const files = new Map<string, Uint8Array>([
    [WEIGHTS_ZIP, weights],
    ["README.md", new TextEncoder().encode(packageReadme(model, metadata))],
    ["test_input.npy", writeNpy(test.input, [1, height, width, 1])],
    ["test_output.npy", writeNpy(test.output, [1, height, width, 1])],
    ["sample_input.png", test.pictures.input],
    ["sample_output.png", test.pictures.output],
  ]);
  const described = async (source: string) => ({
    source,
    sha256: await sha256(files.get(source) as Uint8Array),
  });
  const config = { ...model.config, files: { [WEIGHTS_ZIP]: await sha256(weights) } };
  const { name, description } = model;
  const rdf = buildRdf({ ...metadata, name: specName(name), description, config }, WEIGHTS_ZIP) as {
    inputs: [object];
    outputs: [object];
  };
  const complete = {
    ...rdf,
    documentation: "README.md",
    inputs: [
      {
        ...rdf.inputs[0],
        test_tensor: await described("test_input.npy"),
        sample_tensor: await described("sample_input.png"),
      },
    ],
    outputs: [
      {
        ...rdf.outputs[0],
        test_tensor: await described("test_output.npy"),
        sample_tensor: await described("sample_output.png"),
      },
    ],
  };
  const text = rdfText(new Document(complete, { aliasDuplicateObjects: false }));
  return writeZip(new Map([["rdf.yaml", new TextEncoder().encode(text)], ...files]));
}
