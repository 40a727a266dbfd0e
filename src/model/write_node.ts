import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type Document, parseDocument } from "yaml";
import type { MorphologyPrior } from "../morphology/types.js";
import { encodePackage, type PackageContents } from "./encode.js";
import { MODEL_ID } from "./limits.js";
import { rdfText } from "./rdf_text.js";
import { readPackage, readRdf } from "./read.js";
import { folderFiles, readPackageFolder } from "./read_node.js";
import { INDEX_FILE, indexEntry } from "./registry.js";
import type { ModelPackage, ModelScore, SourceStatistics } from "./types.js";

export type { PackageContents } from "./encode.js";

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
  const files = await encodePackage(id, contents);
  const staged = join(dirname(target), `.${id}.${randomBytes(6).toString("hex")}.tmp`);
  await mkdir(staged, { recursive: true });
  try {
    for (const [name, bytes] of files) await writeFile(join(staged, name), bytes);
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

/** Changes the description of a package that was just read, checks it, and puts it in place; the index follows. */
async function changeRdf(directory: string, id: string, change: (rdf: Document) => void): Promise<void> {
  const path = join(directory, "rdf.yaml");
  const document = parseDocument(await readFile(path, "utf8"));
  change(document);
  const text = rdfText(document);
  await readRdf(id, async () => new TextEncoder().encode(text));
  await replaceFile(path, text);
  // An index that lists the package carries its digest.
  const models = dirname(resolve(directory));
  if ((await readdir(models)).includes(INDEX_FILE)) await writeIndex(models);
}

/**
 * Adds a measured score to a package, in the place of one for the same data and augmentation. The package's digest changes with it.
 * @throws ModelError when the package is broken or the score makes no sense; the package is then as before.
 */
export async function recordScore(directory: string, score: ModelScore): Promise<void> {
  const { id, config } = await readPackageFolder(directory);
  const kept = config.scores.filter((old) => old.data !== score.data || old.tta !== score.tta);
  await changeRdf(directory, id, (rdf) =>
    rdf.setIn(["config", "chondria", "scores"], rdf.createNode([...kept, score])),
  );
}

/**
 * Puts what adaptation needs of the source into a package, in the place of what it has. The package's digest changes with it.
 * @param prior for a package that has none; one that it has stays.
 * @throws ModelError when the package is broken or the summary makes no sense; the package is then as before.
 */
export async function recordSourceSummary(
  directory: string,
  summary: SourceStatistics,
  prior: MorphologyPrior,
): Promise<void> {
  const { id, config } = await readPackageFolder(directory);
  await changeRdf(directory, id, (rdf) => {
    const block = ["config", "chondria"];
    if (config.prior === null) rdf.setIn([...block, "prior"], rdf.createNode(prior));
    rdf.setIn([...block, "sourceSummary"], rdf.createNode(summary));
  });
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
