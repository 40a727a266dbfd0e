import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import * as v from "valibot";
import { type BioimageOverrides, readBioimage } from "../model/bioimage.js";
import type { PackageContents } from "../model/encode.js";
import type { FileFetcher } from "../model/limits.js";
import { weightBytes } from "../model/network_files.js";
import { describesForeign, parseDescription, readDescription } from "../model/read.js";
import { folderFiles, openPackageZip } from "../model/read_node.js";
import { ModelError, type ModelPackage } from "../model/types.js";
import { writePackage } from "../model/write_node.js";
import { decodeFloats } from "./numbers.js";

export interface BioimageImportOptions extends BioimageOverrides {
  readonly name?: string;
  readonly description?: string;
  /** In place of the package's. */
  readonly authors: readonly string[];
  readonly license?: string;
  readonly precision: "single" | "half";
  /** The command that does this, for the record. */
  readonly command: string;
}

/** What is taken over of a description beside what decides the prediction. */
const metadata = v.object({
  authors: v.optional(v.array(v.object({ name: v.string() })), []),
  cite: v.optional(
    v.array(
      v.object({
        text: v.string(),
        doi: v.optional(v.nullable(v.string())),
        url: v.optional(v.nullable(v.string())),
      }),
    ),
    [],
  ),
  license: v.optional(v.nullable(v.string()), null),
});

/**
 * Writes a package of bioimage.io as one of Chondria's, with what a person says of it (voxel size, window, channel).
 * @param path its .zip file or folder. @param out models/<id>.
 * @throws ModelError naming what cannot be had.
 */
export async function importBioimagePackage(
  path: string,
  out: string,
  options: BioimageImportOptions,
): Promise<ModelPackage> {
  const { id, files } = await openFiles(path);
  let model: ModelPackage;
  let known: v.InferOutput<typeof metadata>;
  try {
    const text = await readDescription(files);
    const yaml = parseDescription(text);
    if (!describesForeign(yaml))
      throw new Error("is a package of Chondria's already: unpack it into models/, or use it as it is");
    model = await readBioimage(id, yaml, text, files, { overrides: options });
    known = v.parse(metadata, yaml);
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError(id, error instanceof Error ? error.message : String(error), { cause: error });
  }
  const { authors, license, precision, command } = options;
  const { formatVersion: _version, files: _files, ...config } = model.config;
  const written: PackageContents = {
    name: options.name ?? model.name,
    description: options.description ?? model.description,
    topology: model.topology,
    weights: decodeWeights(model),
    precision,
    authors:
      authors.length > 0 ? authors.map((name) => ({ name })) : known.authors.map(({ name }) => ({ name })),
    license: license ?? known.license,
    cite: known.cite.map(({ text, doi, url }) => ({ text, ...(doi && { doi }), ...(url && { url }) })),
    config: {
      ...config,
      strategy: "imported",
      training: { command, seed: 0, settings: { imported: { file: basename(path), digest: model.digest } } },
    },
  };
  return writePackage(out, written);
}

async function openFiles(path: string): Promise<{ id: string; files: FileFetcher }> {
  const found = await stat(path).catch((cause) => {
    throw new ModelError(path, "does not exist or cannot be read: check the path", { cause });
  });
  return found.isDirectory()
    ? { id: basename(resolve(path)), files: folderFiles(path) }
    : openPackageZip(path);
}

function decodeWeights({ weightSpecs, weightData }: ModelPackage): PackageContents["weights"] {
  const bytes = new Uint8Array(weightData);
  let at = 0;
  return weightSpecs.map(({ name, shape, quantization }) => {
    const length = weightBytes({ shape, quantization });
    const part = bytes.subarray(at, at + length);
    at += length;
    return { name, shape, data: decodeFloats(part, quantization === undefined ? "float32" : "float16") };
  });
}
