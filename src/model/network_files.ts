import * as v from "valibot";
import { assertPlain } from "./json.js";
import { LIMITS } from "./limits.js";
import { firstIssue, modelJsonSchema, type WeightSpec } from "./schema.js";
import { ZipArchive } from "./zip.js";

/** Reads one file of a package, verified where there is a digest. */
export type GetFile = (file: string, maxBytes: number) => Promise<Uint8Array>;

/** A tfjs layers model as its files say it, sizes checked against each other. */
export interface NetworkFiles {
  readonly topology: Record<string, unknown>;
  readonly weightSpecs: readonly WeightSpec[];
  readonly weightData: ArrayBuffer;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

export function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Error("is not UTF-8 text");
  }
}

export function checked<S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (!result.success) throw new Error(firstIssue(result.issues));
  return result.output;
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

export function joined(parts: readonly Uint8Array[]): ArrayBuffer {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes.buffer;
}

/**
 * Opens the weights that a description names: model.json with its shards beside it, or one zip archive that holds them, as
 * bioimage.io has it.
 * @throws Error naming what is wrong; the caller knows the file, the last that it was asked for.
 */
export async function readNetworkFiles(source: string, get: GetFile): Promise<NetworkFiles> {
  if (!source.toLowerCase().endsWith(".zip")) return readLayersModel(source, get);
  // Eight bytes a parameter: shards may be larger than what is believed of them at last.
  const most = LIMITS.topologyBytes + 8 * LIMITS.parameters;
  const archive = new ZipArchive(await get(source, most), { bytes: most });
  const topology = archive.names
    .filter((name) => /(?:^|\/)model\.json$/.test(name))
    .sort((a, b) => a.length - b.length)[0];
  if (topology === undefined) throw new Error("holds no model.json, so it is no tfjs model");
  const folder = topology.slice(0, -"model.json".length);
  return readLayersModel("model.json", (file, maxBytes) => archive.read(`${folder}${file}`, maxBytes));
}

async function readLayersModel(topologyFile: string, get: GetFile): Promise<NetworkFiles> {
  const value: unknown = JSON.parse(decodeText(await get(topologyFile, LIMITS.topologyBytes)));
  assertPlain(value);
  if ((value as { format?: unknown } | null)?.format === "graph-model")
    throw new Error(
      "format: is a tfjs graph model, of which the receptive field cannot be told: convert the Keras model with tensorflowjs_converter --output_format=tfjs_layers_model",
    );
  const json = checked(modelJsonSchema, value);
  const weightSpecs = json.weightsManifest.flatMap((group) => group.weights);
  checkWeights(weightSpecs);
  const shards: Uint8Array[] = [];
  for (const group of json.weightsManifest) {
    let missing = group.weights.reduce((sum, spec) => sum + weightBytes(spec), 0);
    for (const path of group.paths) {
      const shard = await get(path, missing);
      shards.push(shard);
      missing -= shard.byteLength;
    }
    if (missing > 0)
      throw new Error(`the weights end ${missing} bytes short of their shapes in ${topologyFile}`);
  }
  return {
    topology: json.modelTopology,
    // Nothing but what is known of: a file may say more.
    weightSpecs: weightSpecs.map(({ name, shape, dtype, quantization }) => ({
      name,
      shape,
      dtype,
      ...(quantization && { quantization: { dtype: quantization.dtype } }),
    })),
    weightData: joined(shards),
  };
}
