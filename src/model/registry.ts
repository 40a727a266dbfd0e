import * as v from "valibot";
import { assertPlain } from "./json.js";
import type { FileFetcher } from "./limits.js";
import { parameterCount } from "./read.js";
import { firstIssue, indexSchema } from "./schema.js";
import { ModelError, type ModelPackage } from "./types.js";

export const INDEX_FILE = "index.json";
const INDEX_BYTES = 1 << 20;

/** What models/index.json says of one package: enough to list and choose. */
export type ModelEntry = v.InferOutput<typeof indexSchema>["models"][number];

/**
 * Lists the packages of a models folder from its index.
 * @param fetchFile Reads a file of the models folder.
 * @throws ModelError naming the field.
 */
export async function readIndex(
  fetchFile: FileFetcher,
  { signal }: { signal?: AbortSignal } = {},
): Promise<ModelEntry[]> {
  try {
    const bytes = await fetchFile(INDEX_FILE, { maxBytes: INDEX_BYTES, signal });
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    assertPlain(json);
    const result = v.safeParse(indexSchema, json, { abortEarly: true });
    if (!result.success) throw new Error(firstIssue(result.issues));
    return result.output.models;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ModelError(INDEX_FILE, error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

export function indexEntry(model: ModelPackage): ModelEntry {
  const { id, name, description, digest, config, weightData } = model;
  const { strategy, source, target, voxelSize } = config;
  return {
    id,
    name,
    description,
    strategy,
    source,
    target,
    voxelSize,
    parameters: parameterCount(model),
    bytes: weightData.byteLength,
    digest,
  };
}
