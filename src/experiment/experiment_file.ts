import * as v from "valibot";
import { LineCounter, parseDocument } from "yaml";
import { CRITERIA, STRATEGY_IDS } from "../adaptation/types.js";
import { assertPlain } from "../model/json.js";
import { SCHEDULES } from "../training/schedules.js";

/** Anything wrong with an experiment: names the file and the field. */
export class ExperimentError extends Error {
  override name = "ExperimentError";
  constructor(
    readonly file: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(`${file}: ${message}`, options);
  }
}

/** A name that becomes a folder. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
const name = v.pipe(
  v.string(),
  v.regex(NAME, "must be letters, digits, . _ + - (it becomes the name of a folder)"),
);
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(4096));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const above0 = v.pipe(v.number(), v.finite(), v.gtValue(0));
const fraction = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const rate = v.pipe(fraction, v.ltValue(1));
const triple = v.strictTuple([above0, above0, above0]);

const stage = v.strictObject({
  steps: v.optional(positive),
  learningRate: v.optional(above0),
  schedule: v.optional(v.picklist(SCHEDULES)),
  optimiser: v.optional(
    v.strictObject({
      name: v.picklist(["sgd", "adam", "adamw"]),
      momentum: v.optional(rate, 0.99),
      weightDecay: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), 0),
      beta1: v.optional(rate),
      beta2: v.optional(rate),
    }),
  ),
  validateEvery: v.optional(count),
  patience: v.optional(count),
  scoreEvery: v.optional(count),
});

const network = v.strictObject({
  filters: v.optional(v.pipe(v.array(positive), v.minLength(2), v.maxLength(8))),
  normalisation: v.optional(v.picklist(["none", "batch"])),
  gate: v.optional(v.picklist(["paper", "textbook"])),
  dropout: v.optional(v.picklist(["element", "spatial", "none"])),
  dropoutRates: v.optional(v.array(rate)),
});

const overrides = {
  protocol: v.optional(v.picklist(["paper", "reduced"])),
  patch: v.optional(positive),
  batch: v.optional(positive),
  accumulate: v.optional(positive),
  network: v.optional(network),
  /** Of every stage, below what `stages` says of one. */
  allStages: v.optional(stage),
  stages: v.optional(v.record(v.string(), stage)),
};

const options = v.optional(v.record(v.string(), v.union([v.number(), v.string(), v.boolean()])));
const strategyId = v.picklist(STRATEGY_IDS);
const strategy = v.union([
  strategyId,
  v.strictObject({
    id: strategyId,
    name: v.optional(name),
    repetitions: v.optional(positive),
    options,
    ...overrides,
  }),
]);

const part = v.strictObject({
  images: text,
  labels: v.optional(text),
  imagesDataset: v.optional(text),
  labelsDataset: v.optional(text),
  region: v.optional(text),
});

const volumes = v.strictObject({
  title: v.optional(text),
  train: part,
  test: v.optional(part),
  voxelSize: v.optional(triple),
  /** nm, in plane, of the model's grid when the data set is the source. */
  modelVoxelSize: v.optional(above0),
  window: v.optional(v.strictTuple([v.number(), v.number()])),
  ignoreLabels: v.optional(v.array(count)),
  /** EM of this value is no tissue: predictions there do not count (0 in Kasthuri++). */
  outside: v.optional(count),
});
const phantom = v.strictObject({
  phantom: text,
  train: text,
  test: text,
  modelVoxelSize: v.optional(above0),
});

const schema = v.strictObject({
  name,
  /** Folder of the public data sets, from the file's own. */
  data: v.optional(text),
  datasets: v.optional(v.record(name, v.union([phantom, volumes]))),
  pairs: v.pipe(v.array(v.strictObject({ source: text, target: text })), v.minLength(1), v.maxLength(100)),
  strategies: v.pipe(v.array(strategy), v.minLength(1), v.maxLength(100)),
  protocol: v.optional(v.picklist(["paper", "reduced"]), "reduced"),
  settings: v.optional(v.strictObject(overrides)),
  /** Seeds 1, 2, ... unless `seeds` names them. */
  repetitions: v.optional(v.pipe(positive, v.maxValue(100))),
  seeds: v.optional(v.pipe(v.array(count), v.minLength(1), v.maxLength(100))),
  backend: v.optional(v.picklist(["auto", "tensorflow", "webgpu", "wasm"]), "auto"),
  threshold: v.optional(fraction, 0.5),
  tta: v.optional(v.picklist(["none", "flip", "d4"]), "none"),
  /** The target's test images are seen, without labels, by training: the paper's setting. */
  transductive: v.optional(v.boolean(), true),
  /** Of the source's labelled slices, the last ones, held out. */
  validation: v.optional(v.pipe(v.number(), v.gtValue(0), v.ltValue(1)), 0.1),
  /** At most this many of them are scored. */
  validationSlices: v.optional(positive, 8),
  /** Part of a target's test volume that is scored, by data set: x0:x1,y0:y1,z0:z1. */
  scored: v.optional(v.record(v.string(), text), {}),
  keep: v.optional(
    v.strictObject({
      snapshots: v.optional(v.picklist(["picks", "all"]), "picks"),
      predictions: v.optional(v.picklist(["picks", "all"]), "all"),
    }),
    {},
  ),
  /** Packages of source-only models by data set, used in place of ones trained here. */
  sourceModels: v.optional(v.record(v.string(), text), {}),
  /** Which weights of a source-only run other strategies start from. */
  sourceModelCriterion: v.optional(v.picklist(["last", "validation"]), "last"),
  checkpointMinutes: v.optional(above0, 3),
  package: v.optional(
    v.strictObject({
      criterion: v.optional(v.picklist(CRITERIA), "solidity"),
      /** With {source}, {target}, {strategy} and {seed}, from the file's folder. */
      folder: text,
      /** Names of the strategies that are packaged; all of them when left out. */
      strategies: v.optional(v.array(name)),
      /** The seed whose run is packaged; the first one when left out. */
      seed: v.optional(count),
      license: v.optional(text),
    }),
  ),
});

export type ExperimentFile = v.InferOutput<typeof schema>;
export type SettingsOverrides = NonNullable<ExperimentFile["settings"]>;
export type StageOverrides = v.InferOutput<typeof stage>;
export type VolumesEntry = v.InferOutput<typeof volumes>;
export type PhantomEntry = v.InferOutput<typeof phantom>;
export type PartEntry = v.InferOutput<typeof part>;

/** One of `strategies`, with all of its fields. */
export interface StrategyEntry extends SettingsOverrides {
  readonly id: (typeof STRATEGY_IDS)[number];
  /** Unique within the file; its id unless it has a name. */
  readonly name: string;
  /** Of the first seeds; all of them when left out. */
  readonly repetitions?: number;
  readonly options?: Readonly<Record<string, number | string | boolean>>;
}

export interface Experiment extends Omit<ExperimentFile, "strategies" | "repetitions" | "seeds"> {
  readonly strategies: readonly StrategyEntry[];
  readonly seeds: readonly number[];
}

/** The deepest problem of a failed union says more than "expected this or that". */
function problem(issue: v.BaseIssue<unknown>): { path: string; message: string } {
  const path = v.getDotPath(issue) ?? "";
  const inner = issue.issues?.map(problem) ?? [];
  const deepest = inner.sort((a, b) => b.path.length - a.path.length)[0];
  if (deepest && deepest.path.length > 0)
    return { path: path === "" ? deepest.path : `${path}.${deepest.path}`, message: deepest.message };
  return { path, message: issue.message };
}

/**
 * Reads an experiment's YAML.
 * @param file as error messages should name it.
 * @throws ExperimentError naming file and field.
 */
export function parseExperiment(yaml: string, file: string): Experiment {
  const lines = new LineCounter();
  const document = parseDocument(yaml, {
    schema: "core",
    uniqueKeys: true,
    merge: false,
    logLevel: "silent",
    lineCounter: lines,
  });
  if (document.errors.length > 0)
    throw new ExperimentError(file, `is not YAML: ${document.errors[0].message.split("\n")[0]}`);
  let value: unknown;
  try {
    // Aliases are of use in a file that repeats settings; billions of them are not.
    value = document.toJS({ maxAliasCount: 100 });
    assertPlain(value);
  } catch (cause) {
    throw new ExperimentError(file, cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (!result.success) {
    const { path, message } = problem(result.issues[0]);
    throw new ExperimentError(file, path === "" ? message : `${path}: ${message}`);
  }
  const { strategies, repetitions, seeds, ...rest } = result.output;
  if (repetitions !== undefined && seeds !== undefined && seeds.length !== repetitions)
    throw new ExperimentError(file, `repetitions: ${repetitions}, but seeds names ${seeds.length}`);
  const named = strategies.map(
    (entry): StrategyEntry =>
      typeof entry === "string" ? { id: entry, name: entry } : { ...entry, name: entry.name ?? entry.id },
  );
  unique(
    file,
    "strategies",
    named.map((entry) => entry.name),
    "give one of them another name",
  );
  unique(
    file,
    "pairs",
    rest.pairs.map(({ source, target }) => `${source} -> ${target}`),
    "remove one",
  );
  const used = seeds ?? Array.from({ length: repetitions ?? 1 }, (_, i) => i + 1);
  unique(file, "seeds", used.map(String), "a run is the same when its seed is");
  for (const entry of named)
    if ((entry.repetitions ?? 1) > used.length)
      throw new ExperimentError(
        file,
        `strategies: ${entry.name} wants ${entry.repetitions} repetitions, but there are ${used.length} seeds`,
      );
  if (rest.package?.seed !== undefined && !used.includes(rest.package.seed))
    throw new ExperimentError(
      file,
      `package.seed: ${rest.package.seed} is none of the seeds ${used.join(", ")}`,
    );
  for (const wanted of rest.package?.strategies ?? [])
    if (!named.some((entry) => entry.name === wanted))
      throw new ExperimentError(file, `package.strategies: ${wanted} is none of the strategies`);
  if (rest.package && strategies.length > 1 && !rest.package.folder.includes("{strategy}"))
    throw new ExperimentError(file, "package.folder: must hold {strategy}, or all packages get one folder");
  if (
    rest.package &&
    rest.pairs.length > 1 &&
    !/\{source\}.*\{target\}|\{target\}.*\{source\}/.test(rest.package.folder)
  )
    throw new ExperimentError(
      file,
      "package.folder: must hold {source} and {target}, or pairs share a folder",
    );
  return { ...rest, strategies: named, seeds: used };
}

function unique(file: string, field: string, values: readonly string[], remedy: string): void {
  const twice = values.find((value, i) => values.indexOf(value) !== i);
  if (twice !== undefined) throw new ExperimentError(file, `${field}: ${twice} is there twice; ${remedy}`);
}
