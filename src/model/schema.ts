import * as v from "valibot";
import { QUANTILES } from "../morphology/types.js";
import { FILE_NAME, LIMITS } from "./limits.js";

const text = (max = 4096) => v.pipe(v.string(), v.minLength(1), v.maxLength(max));
const finite = v.pipe(v.number(), v.finite());
const unit = v.pipe(finite, v.minValue(0), v.maxValue(1));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(finite, v.gtValue(0));
const voxelSize = v.pipe(v.strictTuple([positive, positive, positive]), v.readonly());
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "is not a SHA-256 in lower-case hex"));
const fileName = v.pipe(v.string(), v.regex(FILE_NAME, "is not a plain file name"));

const summary = {
  objects: count,
  fraction: unit,
  regions: count,
  solidity: unit,
  ara: unit,
  eccentricity: unit,
  area: v.pipe(finite, v.minValue(0)),
  solidityHistogram: v.pipe(v.array(count), v.maxLength(1000)),
};

const prior = v.strictObject({
  ...summary,
  voxelSize,
  source: text(),
  chunks: v.optional(
    v.strictObject({ size: v.strictTuple([count, count, count]), summary: v.strictObject(summary) }),
  ),
});

const quantity = (value: v.GenericSchema<number, number>) =>
  v.strictObject({
    quantiles: v.pipe(
      v.array(value),
      v.length(QUANTILES),
      v.check((list) => list.every((q, i) => i === 0 || q >= list[i - 1]), "must not fall"),
    ),
    spread: positive,
  });

const sourceSummary = v.strictObject({
  histogram: v.pipe(
    v.array(count),
    v.length(256),
    v.check((bins) => bins.some((pixels) => pixels > 0), "has no pixel"),
  ),
  regions: v.nullable(
    v.strictObject({
      solidity: quantity(unit),
      logArea: quantity(finite),
      eccentricity: quantity(unit),
      density: quantity(v.pipe(finite, v.minValue(0))),
    }),
  ),
});

const score = v.strictObject({
  data: text(),
  iouPerSlice: unit,
  iouVolume: unit,
  tta: text(64),
  command: text(),
});

/** `config.chondria`, strictly: an unknown key is an error, so that a misspelt one is not silently ignored. */
export const chondriaSchema = v.strictObject({
  formatVersion: v.literal(1),
  strategy: text(128),
  source: text(),
  target: v.nullable(text()),
  voxelSize,
  field: v.strictObject({
    halo: v.pipe(count, v.maxValue(LIMITS.halo)),
    multiple: v.pipe(count, v.minValue(1), v.maxValue(LIMITS.multiple)),
  }),
  window: v.pipe(
    v.strictTuple([finite, finite]),
    v.check(([lower, upper]) => upper > lower, "must rise: lower < upper"),
    v.readonly(),
  ),
  prior: v.nullable(prior),
  sourceSummary: v.optional(sourceSummary),
  selection: v.strictObject({ criterion: text(), step: count }),
  training: v.strictObject({ command: text(), seed: count, settings: v.record(v.string(), v.unknown()) }),
  scores: v.pipe(v.array(score), v.maxLength(1000)),
  files: v.record(fileName, hash),
});

const axisType = v.picklist(["batch", "space", "channel"]);
const axes = v.pipe(
  v.array(v.looseObject({ type: axisType })),
  v.check(
    (list) => list.map((axis) => axis.type).join() === "batch,space,space,channel",
    "must be batch, y, x, channel",
  ),
);

/** The parts of a bioimage.io model description 0.5 that a prediction depends on; the rest may be there as well. */
export const rdfSchema = v.looseObject({
  type: v.literal("model"),
  format_version: v.pipe(v.string(), v.regex(/^0\.5\.\d{1,3}$/, "must be 0.5.x")),
  name: text(128),
  description: text(1024),
  inputs: v.strictTuple([v.looseObject({ axes })]),
  outputs: v.strictTuple([v.looseObject({ axes })]),
  weights: v.looseObject({
    tensorflow_js: v.looseObject({ source: fileName, sha256: hash, tensorflow_version: text(64) }),
  }),
  config: v.looseObject({ chondria: chondriaSchema }),
});

const dimension = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(LIMITS.parameters));

const weightSpec = v.strictObject({
  name: text(256),
  shape: v.pipe(v.array(dimension), v.maxLength(6)),
  dtype: v.literal("float32"),
  quantization: v.optional(
    v.strictObject({ dtype: v.literal("float16"), original_dtype: v.optional(v.literal("float32")) }),
  ),
});

/** model.json of a tfjs layers model. */
export const modelJsonSchema = v.looseObject({
  format: v.literal("layers-model"),
  modelTopology: v.looseObject({}),
  weightsManifest: v.pipe(
    v.array(
      v.strictObject({
        paths: v.pipe(v.array(fileName), v.minLength(1), v.maxLength(1000)),
        weights: v.pipe(v.array(weightSpec), v.maxLength(4 * LIMITS.layers)),
      }),
    ),
    v.minLength(1),
    v.maxLength(100),
  ),
});

export type WeightSpec = v.InferOutput<typeof weightSpec>;

/** models/index.json: what can be listed without opening a package. */
export const indexSchema = v.strictObject({
  models: v.pipe(
    v.array(
      v.strictObject({
        id: fileName,
        name: text(128),
        description: text(1024),
        strategy: text(128),
        source: text(),
        target: v.nullable(text()),
        voxelSize,
        parameters: count,
        bytes: count,
        digest: hash,
      }),
    ),
    v.maxLength(1000),
  ),
});

/** First problem of a failed parse as "field: what is wrong". */
export function firstIssue(issues: readonly v.BaseIssue<unknown>[]): string {
  const issue = issues[0];
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}
