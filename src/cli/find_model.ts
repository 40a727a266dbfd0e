import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MODEL_ID } from "../model/limits.js";
import { readPackageFolder, readPackageZip } from "../model/read_node.js";
import { ModelError, type ModelPackage } from "../model/types.js";

/** The packages that ship with Chondria. */
export const MODELS_FOLDER = fileURLToPath(new URL("../../models", import.meta.url));

const isFile = (path: string) =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
const isPackage = async (folder: string) =>
  (await isFile(join(folder, "rdf.yaml"))) || isFile(join(folder, "bioimageio.yaml"));

/** Ids of the folders in a models folder; none when there is no such folder. */
export async function modelIds(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && MODEL_ID.test(entry.name))
    .map((entry) => entry.name)
    .sort();
}

/** Folder of a package given by path, or by the id of one that ships. @throws ModelError naming those there are. */
export async function findModelFolder(text: string): Promise<string> {
  if (await isPackage(text)) return text;
  const shipped = join(MODELS_FOLDER, text);
  if (MODEL_ID.test(text) && (await isPackage(shipped))) return shipped;
  const ids = await modelIds(MODELS_FOLDER);
  throw new ModelError(
    text,
    `is neither the folder of a package (no rdf.yaml there) nor the id of one in models/, which has ${ids.join(", ") || "none"}`,
  );
}

/** A package by its folder, its .zip file, or its id. @throws ModelError. */
export async function findModel(text: string): Promise<ModelPackage> {
  if (/\.zip$/i.test(text) && (await isFile(text))) return readPackageZip(text);
  return readPackageFolder(await findModelFolder(text));
}
