import { randomBytes } from "node:crypto";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { encode } from "fast-png";
import * as v from "valibot";
import { parse } from "yaml";
import { readPackage } from "../model/read.js";
import { readPackageFolder } from "../model/read_node.js";
import { ModelError } from "../model/types.js";
import { ZipArchive } from "../model/zip.js";
import { zipFiles } from "../model/zip_files.js";
import { bioimagePackage, type ExportMetadata } from "./bioimage_export.js";
import { makeTestImage } from "./test_pair.js";

const citation = v.object({ text: v.string(), doi: v.optional(v.string()), url: v.optional(v.string()) });
/** What is kept of a description beside what Chondria itself reads. */
const metadata = v.object({
  authors: v.optional(v.array(v.object({ name: v.string() })), []),
  cite: v.optional(v.array(citation), []),
  license: v.optional(v.nullable(v.string()), null),
  timestamp: v.optional(v.string()),
});

export interface ExportOptions {
  /** In place of the package's. */
  readonly authors: readonly string[];
  readonly license?: string;
  readonly overwrite: boolean;
}

export interface Exported {
  readonly bytes: number;
  readonly name: string;
  readonly license: string | null;
  readonly testImage: string;
}

/**
 * Writes a package as one .zip file that bioimage.io's specification 0.5 takes, with a test image made on the current
 * backend. The file is read back before it takes its place.
 * @throws ModelError when the package is broken, or not Chondria's; Error when `out` is there.
 */
export async function exportPackage(folder: string, out: string, options: ExportOptions): Promise<Exported> {
  const exists = await stat(out).then(
    () => true,
    () => false,
  );
  if (exists && !options.overwrite) throw new Error(`${out}: is there already; replace it with --overwrite`);
  const model = await readPackageFolder(folder);
  if (model.config.strategy === "bioimage.io")
    throw new ModelError(model.id, "is a package of bioimage.io: it needs no export");
  const yaml: unknown = parse(await readFile(join(folder, "rdf.yaml"), "utf8"), { maxAliasCount: 10 });
  const known = v.parse(metadata, yaml);
  const described: ExportMetadata = {
    authors: options.authors.length > 0 ? options.authors.map((name) => ({ name })) : known.authors,
    cite: known.cite,
    license: options.license ?? known.license,
    timestamp: known.timestamp ?? new Date().toISOString(),
  };
  const { size, input, output, source } = await makeTestImage(model);
  const picture = (data: Uint8Array) => encode({ width: size, height: size, data, depth: 8, channels: 1 });
  const bytes = await bioimagePackage(model, described, {
    width: size,
    height: size,
    input: Float32Array.from(input),
    output,
    pictures: {
      input: picture(input),
      output: picture(Uint8Array.from(output, (value) => Math.round(255 * Math.min(1, Math.max(0, value))))),
    },
  });
  const read = await readPackage(model.id, zipFiles(new ZipArchive(bytes)));
  if (Buffer.compare(Buffer.from(read.weightData), Buffer.from(model.weightData)) !== 0)
    throw new ModelError(model.id, "its weights did not survive the export");
  const temporary = join(dirname(out), `.${basename(out)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await writeFile(temporary, bytes);
    await rename(temporary, out);
  } finally {
    await rm(temporary, { force: true });
  }
  return { bytes: bytes.length, name: read.name, license: described.license, testImage: source };
}
