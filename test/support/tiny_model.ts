import { dirname, resolve } from "node:path";
import { tf } from "../../src/kernels/tf.js";
import type { ModelPackage } from "../../src/model/types.js";
import { type PackageContents, writeIndex, writePackage } from "../../src/model/write_node.js";
import { buildAttentionUNet } from "../../src/network/attention_unet.js";
import { Random } from "../../src/network/random.js";
import { receptiveField } from "../../src/network/receptive_field.js";

/** Filters of each level. */
const FILTERS = [4, 8];

/**
 * A network small enough for a software GPU, with weights that are the same everywhere and mean something: the first
 * feature map carries the locally averaged intensity through both levels, and what is darker than 0.42 comes out as
 * foreground; small random weights elsewhere make every layer count in the result.
 */
export async function tinyContents(): Promise<PackageContents> {
  await tf.ready();
  const { model } = buildAttentionUNet({
    filters: FILTERS,
    normalisation: "none",
    gate: "textbook",
    dropout: "none",
    dropoutRates: [0, 0],
    seed: 1,
  });
  const random = new Random(7);
  const weights = model.weights.map(({ originalName: name, shape: dims }) => {
    const shape = dims as number[];
    const kernel = shape.length === 4;
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
      kernel ? 0.04 * random.normal() : 0,
    );
    if (kernel && !name.includes("attention")) carryIntensity(name, shape, data);
    if (name === "logits/bias") data[0] = 0.42 * 24;
    return { name, shape, data };
  });
  const contents: PackageContents = {
    name: "Tiny test network",
    description: "Not trained: marks what is dark. For tests only.",
    topology: model.toJSON(null, false) as object,
    weights,
    timestamp: "2026-01-01T00:00:00.000Z",
    config: {
      strategy: "untrained",
      source: "none",
      target: null,
      voxelSize: [10, 10, 10],
      field: receptiveField(model),
      window: [0, 255],
      prior: {
        objects: 43,
        fraction: 0.07,
        regions: 2517,
        solidity: 0.9484,
        ara: 0.0046,
        eccentricity: 0.715,
        area: 3606,
        solidityHistogram: [0, 0, 0, 0, 0, 1, 5, 60, 300, 2151],
        voxelSize: [10, 10, 10],
        source: "invented for tests",
      },
      selection: { criterion: "none", step: 0 },
      training: { command: "none", seed: 1, settings: {} },
      scores: [],
    },
  };
  model.dispose();
  return contents;
}

/** Sets the weights that take feature map 0 to feature map 0: the first 3x3 kernel averages, everything else copies. */
function carryIntensity(name: string, shape: readonly number[], data: Float32Array): void {
  const [rows, columns, a, b] = shape;
  const at = (row: number, column: number) => ((row * columns + column) * a + 0) * b;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      if (name.startsWith("logits")) data[at(row, column)] = -24;
      else if (name.startsWith("down0_conv1")) data[at(row, column)] = 1 / 9;
      else if (rows === 2 || (row === 1 && column === 1)) data[at(row, column)] = 1;
  if (name.startsWith("up0_conv1")) {
    // Max pooling lets dark things shrink: a quarter of it, and the rest from the skip, which the gate has halved.
    data[at(1, 1)] = 0.25;
    data[at(1, 1) + FILTERS[0] * b] = 1.5;
  }
}

/** Writes the tiny package as `<models>/<id>` and lists it in `<models>/index.json`. */
export async function writeTinyModel(directory: string): Promise<ModelPackage> {
  const written = await writePackage(directory, await tinyContents());
  await writeIndex(dirname(resolve(directory)));
  return written;
}
