import * as v from "valibot";
import { lengthUnit } from "../volume/voxel_size.js";
import { inputScaling, outputActivation } from "./bioimage_processing.js";
import { FILE_NAME, type FileFetcher, LIMITS, sha256 } from "./limits.js";
import { checked, joined, type NetworkFiles, readNetworkFiles } from "./network_files.js";
import type { WeightSpec } from "./schema.js";
import { checkTopology } from "./topology.js";
import { CHANNEL_KERNEL, surround } from "./topology_edit.js";
import { topologyField } from "./topology_field.js";
import type { ModelPackage } from "./types.js";

/** What a person may say of a bioimage.io package that it does not say itself. */
export interface BioimageOverrides {
  /** nm, x y z. */
  readonly voxelSize?: readonly [number, number, number];
  /** Intensities that become 0 and 1, in place of a scaling that depends on the image. */
  readonly window?: readonly [number, number];
  /** Name or number of the output channel that is wanted. */
  readonly channel?: string;
  readonly source?: string;
}

const loose = v.looseObject({});
const description = v.looseObject({
  type: v.optional(v.literal("model")),
  format_version: v.pipe(v.string(), v.regex(/^0\.[45]\.\d{1,3}$/, "must be 0.4.x or 0.5.x")),
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(256)),
  description: v.optional(v.nullable(v.pipe(v.string(), v.maxLength(100_000)))),
  inputs: v.strictTuple([loose], "there must be one input"),
  outputs: v.strictTuple([loose], "there must be one output"),
  weights: loose,
});

const weights = v.looseObject({
  source: v.pipe(v.string(), v.maxLength(2000)),
  sha256: v.optional(v.nullable(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "is not a SHA-256")))),
});

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

interface Axis {
  readonly type: string;
  readonly id: string;
  readonly json: Json;
}

const LETTERS: Readonly<Record<string, readonly [type: string, id: string]>> = {
  b: ["batch", "batch"],
  t: ["time", "t"],
  i: ["index", "index"],
  z: ["space", "z"],
  y: ["space", "y"],
  x: ["space", "x"],
  c: ["channel", "channel"],
};

/** Axes of a tensor: a list of objects in 0.5, letters in 0.4. @throws Error unless they are batch, y, x, channel. */
function axesOf(tensor: Json, where: string): Axis[] {
  const { axes } = tensor;
  let list: Axis[] = [];
  if (typeof axes === "string" && axes.length <= 8)
    list = [...axes].map((letter) => {
      const [type, id] = LETTERS[letter] ?? ["unknown", letter];
      return { type, id, json: {} };
    });
  else if (Array.isArray(axes) && axes.length <= 8)
    list = axes.map((axis: unknown) => {
      const json = isObject(axis) ? axis : {};
      return { type: String(json.type), id: String(json.id ?? json.type), json };
    });
  const order = list.map(({ id }) => id).join(", ");
  const types = list.map(({ type }) => type).join();
  if (types !== "batch,space,space,channel" || list[1].id !== "y" || list[2].id !== "x")
    throw new Error(`${where}.axes: ${order || "none"}; a 2-D model of tfjs has batch, y, x, channel`);
  return list;
}

/** Number of channels as the description says it; null where it leaves that open. */
function channelsOf(tensor: Json, axis: Axis): { readonly count: number | null; readonly names: string[] } {
  const names = axis.json.channel_names;
  if (Array.isArray(names)) return { count: names.length, names: names.map(String) };
  const { shape } = tensor;
  const last = Array.isArray(shape)
    ? shape.at(-1)
    : isObject(shape) && Array.isArray(shape.min)
      ? shape.min.at(-1)
      : null;
  return { count: typeof last === "number" ? last : null, names: [] };
}

function voxelSizeOf(axes: readonly Axis[]): readonly [number, number, number] | null {
  const [y, x] = axes.slice(1, 3).map(({ json }) => {
    const unit = typeof json.unit === "string" ? lengthUnit(json.unit) : undefined;
    const scale = json.scale ?? 1;
    return unit !== undefined && typeof scale === "number" && scale > 0 ? scale * unit : null;
  });
  return x && y ? [x, y, x] : null;
}

/** The output must lie on the input's pixels. @throws Error when it is said to be larger, smaller or shifted. */
function checkSameSize(output: Json, axes: readonly Axis[], inputAxes: readonly Axis[]): void {
  const wrong = (what: string) => new Error(`outputs[0]: ${what}; the output must have the input's pixels`);
  for (const [i, { id, json }] of axes.entries()) {
    if (i !== 1 && i !== 2) continue;
    const { size } = json;
    if (isObject(size) && size.offset !== undefined && size.offset !== 0)
      throw wrong(`axis ${id} has the offset ${String(size.offset)}`);
    if ((json.scale ?? 1) !== (inputAxes[i].json.scale ?? 1)) throw wrong(`axis ${id} has another scale`);
  }
  const { shape } = output;
  if (!isObject(shape)) return;
  for (const i of [1, 2]) {
    if (Array.isArray(shape.scale) && shape.scale[i] !== 1)
      throw wrong(`scale ${JSON.stringify(shape.scale)}`);
    if (Array.isArray(shape.offset) && shape.offset[i] !== 0)
      throw wrong(`offset ${JSON.stringify(shape.offset)}`);
  }
}

/** Whether raw values are documented to be 0..1. */
function isUnit({ data, data_range: older }: Json): boolean {
  const first: unknown = Array.isArray(data) ? data[0] : data;
  const range = isObject(first) ? first.range : older;
  return Array.isArray(range) && range[0] === 0 && range[1] === 1;
}

function chooseChannel(
  output: Json,
  axis: Axis,
  outputs: number,
  wanted: string | undefined,
): { index: number; of: number } | undefined {
  const { count, names } = channelsOf(output, axis);
  if (count !== null && count !== outputs)
    throw new Error(`outputs[0]: says ${count} channels, but the network makes ${outputs}`);
  if (outputs === 1 && wanted === undefined) return undefined;
  const index = names.includes(wanted ?? "") ? names.indexOf(wanted ?? "") : Number(wanted ?? Number.NaN);
  if (!Number.isInteger(index) || index < 0 || index >= outputs) {
    const there = names.length > 0 ? names.join(", ").slice(0, 200) : `0 to ${outputs - 1}`;
    throw new Error(
      wanted === undefined
        ? `outputs[0]: has ${outputs} channels (${there}); say which one is mitochondria: chondria model import <package> --channel <name> --out models/<id>`
        : `outputs[0]: has no channel ${wanted}; there is ${there}`,
    );
  }
  return outputs === 1 ? undefined : { index, of: outputs };
}

/** Channels that a topology's output has, by the last layer behind which they cannot change any more. */
function outputChannels({ topology, weightSpecs }: NetworkFiles): number {
  const graph = (isObject(topology.model_config) ? topology.model_config : topology).config;
  const layers = isObject(graph) && Array.isArray(graph.layers) ? (graph.layers as Json[]) : [];
  const byName = new Map(layers.map((layer) => [String((layer.config as Json | undefined)?.name), layer]));
  const end = isObject(graph) && Array.isArray(graph.output_layers) ? graph.output_layers[0] : undefined;
  let name = Array.isArray(end) ? String(end[0]) : "";
  for (let steps = 0; steps < layers.length; steps++) {
    const layer = byName.get(name);
    const kernel = weightSpecs.find((spec) => spec.name === `${name}/kernel`);
    if (kernel) return kernel.shape[layer?.class_name === "Conv2DTranspose" ? 2 : 3] ?? 1;
    const inbound = layer?.inbound_nodes;
    const from: unknown = Array.isArray(inbound) ? inbound[0]?.[0]?.[0] : undefined;
    if (typeof from !== "string") break;
    name = from;
  }
  throw new Error("modelTopology: the number of output channels cannot be told");
}

function oneHot({ index, of }: { index: number; of: number }): { spec: WeightSpec; bytes: Uint8Array } {
  const kernel = new Float32Array(of);
  kernel[index] = 1;
  return {
    spec: { name: CHANNEL_KERNEL, shape: [1, 1, of, 1], dtype: "float32" },
    bytes: new Uint8Array(kernel.buffer),
  };
}

/** The file of the tensorflow_js weights. @throws Error saying what there is in its place, and what to do with it. */
function sourceOf(entries: Json): { source: string; hash: string | null } {
  if (entries.tensorflow_js === undefined || entries.tensorflow_js === null) {
    const there = Object.keys(entries).slice(0, 8).join(", ");
    throw new Error(
      `weights: no tensorflow_js, but ${there || "none"}; weights of Keras and PyTorch are taken by chondria model import <file> --architecture <name>`,
    );
  }
  const entry = checked(weights, entries.tensorflow_js);
  const source = entry.source.replace(/^\.\//, "");
  if (/^\w+:/.test(source))
    throw new Error(
      `weights.tensorflow_js.source: is elsewhere (${source.slice(0, 100)}); get the whole package`,
    );
  if (!FILE_NAME.test(source))
    throw new Error(`weights.tensorflow_js.source: ${source.slice(0, 100)} is no plain file name`);
  return { source, hash: entry.sha256 ?? null };
}

/**
 * Opens a model of bioimage.io (description 0.4 or 0.5 with `tensorflow_js` weights) that is not of Chondria's making: its
 * preprocessing becomes the intensity window, what it does to the output is put behind the network, and the receptive
 * field is worked out from the layers. It has no prior and no scores.
 * @param yaml its description, parsed. @param text the same as bytes.
 * @throws Error naming the field that cannot be had; the caller names package and file.
 */
export async function readBioimage(
  id: string,
  yaml: unknown,
  text: Uint8Array,
  fetchFile: FileFetcher,
  { signal, overrides = {} }: { signal?: AbortSignal; overrides?: BioimageOverrides } = {},
): Promise<ModelPackage> {
  const rdf = checked(description, yaml);
  const [input] = rdf.inputs;
  const [output] = rdf.outputs;
  const inputAxes = axesOf(input, "inputs[0]");
  const outputAxes = axesOf(output, "outputs[0]");
  if ((channelsOf(input, inputAxes[3]).count ?? 1) !== 1) throw new Error("inputs[0]: EM has one channel");
  checkSameSize(output, outputAxes, inputAxes);
  const scaling = inputScaling(input.preprocessing, { unit: isUnit(input), given: overrides.window });
  const { sigmoid } = outputActivation(output.postprocessing);
  const voxelSize = overrides.voxelSize ?? voxelSizeOf(inputAxes);
  if (voxelSize === null)
    throw new Error(
      "inputs[0].axes: do not say how large a pixel is (unit and scale); say it when importing: chondria model import <package> --voxel-size <x,y,z> --out models/<id>",
    );
  const { source, hash } = sourceOf(rdf.weights);
  const files: Record<string, string> = {};
  const network = await readNetworkFiles(source, async (file, maxBytes) => {
    const bytes = await fetchFile(file, { maxBytes, signal });
    const digest = await sha256(bytes);
    if (file === source && hash !== null && digest !== hash)
      throw new Error(
        `${file}: has SHA-256 ${digest}, but ${hash} is said: damaged or changed, get it again`,
      );
    files[file] = digest;
    return bytes;
  });
  const channel = chooseChannel(output, outputAxes[3], outputChannels(network), overrides.channel);
  const picked = channel && oneHot(channel);
  const weightSpecs = picked ? [...network.weightSpecs, picked.spec] : network.weightSpecs;
  const weightData = picked ? joined([new Uint8Array(network.weightData), picked.bytes]) : network.weightData;
  const topology = surround(network.topology, { ...scaling, sigmoid, channel });
  checkTopology(topology, weightSpecs);
  const field = topologyField(topology);
  if (field.halo > LIMITS.halo || field.multiple > LIMITS.multiple)
    throw new Error(`the network sees ${field.halo} pixels around, more than the ${LIMITS.halo} allowed`);
  const digest = await sha256(
    new Uint8Array(joined([text, new TextEncoder().encode(JSON.stringify(files))])),
  );
  return {
    id,
    name: rdf.name.slice(0, 128),
    description: (rdf.description || rdf.name).slice(0, 1024),
    config: {
      formatVersion: 1,
      strategy: "bioimage.io",
      source: overrides.source ?? "not stated",
      target: null,
      voxelSize,
      field,
      window: scaling.window,
      prior: null,
      selection: { criterion: "not known", step: 0 },
      training: { command: "not known", seed: 0, settings: {} },
      scores: [],
      files,
    },
    digest,
    topology,
    weightSpecs,
    weightData,
  };
}
