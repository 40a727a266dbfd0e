import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { RankedBlock, RankingSuccess } from "../evaluation/ranking_criteria.js";
import type { BackendName } from "../inference/types.js";
import type { ModelPackage } from "../model/types.js";
import type { Vec3 } from "../volume/types.js";
import { MODELS_FOLDER, modelIds } from "./find_model.js";
import { commandLine, fraction, untilInterrupted } from "./inference_flags.js";
import { ProgressBar } from "./progress.js";

interface RankFlags {
  data: string;
  out: string;
  pair: Pair[];
  models: string[];
  only?: string[];
  block: Vec3;
  threshold: number;
  backend: BackendName | "auto";
}

interface Pair {
  readonly source: string;
  readonly target: string;
}

const PAIRS: readonly Pair[] = [
  { source: "lucchi++", target: "vnc" },
  { source: "vnc", target: "lucchi++" },
];
/** As in the ids of packages: "lucchi-to-vnc-self-training". */
const stem = (dataSet: string) => dataSet.replace(/[^a-z0-9-]+/gi, "");

const pair = (text: string, before: Pair[]): Pair[] => {
  const [source, target, ...more] = text.split(":");
  if (!source || !target || more.length > 0)
    throw new InvalidArgumentError("Give two data sets, as in lucchi++:vnc.");
  return [...(before === DEFAULT_PAIRS ? [] : before), { source, target }];
};
const DEFAULT_PAIRS: Pair[] = [...PAIRS];
const DEFAULT_MODELS: string[] = [MODELS_FOLDER];

const blockSize = (text: string): Vec3 => {
  const [x, y, z, ...more] = text.split(",").map(Number);
  if (![x, y, z].every((edge) => Number.isSafeInteger(edge) && edge > 0) || more.length > 0)
    throw new InvalidArgumentError("Give three numbers of voxels, as in 256,256,20.");
  return [x, y, z];
};

export function register(program: Command): void {
  program
    .command("rank")
    .description(
      "Say how often ranking models without labels puts first the one with the truly higher IoU, block by block",
    )
    .requiredOption("--data <folder>", "folder of the public data sets (docs/datasets.md)")
    .option("--out <folder>", "keeps predictions, so that a second run goes on, and rank.json", "runs/rank")
    .addOption(
      new Option("--pair <source:target>", "data sets, as in lucchi++:vnc; may be repeated")
        .argParser(pair)
        .default(DEFAULT_PAIRS, "lucchi++:vnc and vnc:lucchi++"),
    )
    .addOption(
      new Option("--models <folder>", "folder of packages; may be repeated")
        .argParser((folder: string, before: string[]) => [
          ...(before === DEFAULT_MODELS ? [] : before),
          folder,
        ])
        .default(DEFAULT_MODELS, "those that ship"),
    )
    .option(
      "--only <names>",
      "packages whose ids end in these alone, as in source-only,self-training",
      (text) => text.split(","),
    )
    .option("--block <x,y,z>", "voxels of the data in a block", blockSize, [256, 256, 20])
    .option("--threshold <p>", "foreground from this probability on", fraction, 0.5)
    .addOption(
      new Option("--backend <name>", "compute engine")
        .choices(["auto", "tensorflow", "webgpu", "wasm"])
        .default("auto"),
    )
    .action(rank);
}

async function rank(flags: RankFlags): Promise<void> {
  const { selectBackend } = await import("../kernels/backend_node.js");
  const backend = await selectBackend(flags.backend);
  const { signal, release } = untilInterrupted(
    "stopped: predictions that are done are kept, run it again to go on",
  );
  try {
    const reports: object[] = [];
    for (const one of flags.pair) {
      const { text, report } = await rankPair(one, flags, backend.name, signal);
      process.stdout.write(`${text}\n`);
      reports.push(report);
    }
    await mkdir(flags.out, { recursive: true });
    const report = { command: commandLine(), backend: backend.description, pairs: reports };
    await writeFile(join(flags.out, "rank.json"), `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    release();
  }
}

/** Packages for a pair: the source's own, and those adapted to the target. The first folder that has an id wins. */
async function packagesOf({ source, target }: Pair, { models, only }: RankFlags): Promise<ModelPackage[]> {
  const { readPackageFolder } = await import("../model/read_node.js");
  const found = new Map<string, string>();
  for (const folder of models)
    for (const id of await modelIds(folder)) {
      const own =
        id === `${stem(source)}-source-only` || id.startsWith(`${stem(source)}-to-${stem(target)}-`);
      const wanted = only === undefined || only.some((end) => id.endsWith(`-${end}`));
      if (own && wanted && !found.has(id)) found.set(id, join(folder, id));
    }
  if (found.size < 2)
    throw new Error(
      `${source} -> ${target}: ${found.size} packages named ${stem(source)}-source-only or ${stem(source)}-to-${stem(target)}-... in ${models.join(", ")}; a ranking needs two`,
    );
  return Promise.all([...found.values()].map((folder) => readPackageFolder(folder)));
}

async function rankPair(
  one: Pair,
  flags: RankFlags,
  backend: BackendName,
  signal: AbortSignal,
): Promise<{ text: string; report: object }> {
  const { openDataSet } = await import("../experiment/datasets_node.js");
  const { keptPrediction } = await import("../evaluation/ranking_predictions_node.js");
  const { measureBlocks } = await import("../evaluation/ranking_blocks.js");
  const { comparable, RANK_CRITERIA, rankBlock, rankingSuccess } = await import(
    "../evaluation/ranking_criteria.js"
  );
  const models = await packagesOf(one, flags);
  const set = await openDataSet(one.target, { file: "--pair", experiment: {}, dataRoot: flags.data });
  try {
    const { em, labels, title } = set.test;
    if (labels === null) throw new Error(`${title} has no labels: nothing tells which model is right`);
    const [{ bounds, voxelSize }] = em.scales;
    const ignored = new Set(set.ignore);
    const truth = Uint8Array.from((await labels.read(0, bounds, { signal })) as Uint8Array, (label) =>
      label !== 0 && !ignored.has(label) ? 1 : 0,
    );
    const predictions: Uint8Array[] = [];
    for (const model of models) {
      const bar = new ProgressBar(`${title} by ${model.id}`);
      predictions.push(
        await keptPrediction(em, model, {
          folder: join(flags.out, "predictions"),
          target: stem(one.target),
          window: set.window,
          backend,
          signal,
          onSlices: (done, total) => bar.update(done / total),
        }),
      );
      bar.end();
    }
    // One grid for all, that of the source: what is compared has pixels of one size.
    const [wanted] = models.map(({ config }) => config.voxelSize);
    const factor = [0, 1].map((axis) => Math.max(1, Math.round(wanted[axis] / voxelSize[axis]))) as [
      number,
      number,
    ];
    const sources = models.map((model) => morphologyOf(model, factor, voxelSize));
    const blocks = measureBlocks(predictions, truth, {
      bounds,
      block: flags.block,
      threshold: flags.threshold,
      factor,
    }).map((block) => rankBlock(block, sources));
    const usable = comparable(blocks);
    const success = RANK_CRITERIA.map(({ id }) => rankingSuccess(usable, id));
    const names = models.map(({ id }) => id);
    return {
      text: table(`${one.source} -> ${title}`, flags.block, blocks, usable, names, success),
      report: { ...one, target: title, block: flags.block, models: names, blocks, success },
    };
  } finally {
    await set.close();
  }
}

function morphologyOf({ id, config }: ModelPackage, factor: readonly [number, number], voxelSize: Vec3) {
  const regions = config.sourceSummary?.regions;
  if (!regions || config.prior === null)
    throw new Error(
      `model ${id} says nothing of its source's morphology: add it with chondria model summarise, or leave it out with --only`,
    );
  const grid = factor[0] * voxelSize[0] * factor[1] * voxelSize[1];
  return {
    regions,
    solidity: config.prior.solidity,
    pixelRatio: grid / (config.voxelSize[0] * config.voxelSize[1]),
  };
}

function table(
  title: string,
  block: Vec3,
  blocks: readonly RankedBlock[],
  usable: readonly RankedBlock[],
  names: readonly string[],
  success: readonly RankingSuccess[],
): string {
  const mean = (values: readonly number[]) =>
    values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
  const percent = (part: number, whole: number) =>
    `${part} of ${whole}${whole === 0 ? "" : ` (${((100 * part) / whole).toFixed(0)} %)`}`;
  const best = (k: number) => usable.filter(({ iou }) => iou[k] === Math.max(...iou)).length;
  const scores = names.map((_, k) => mean(usable.map((block) => block.scores["prior and agreement"][k])));
  const inOrder = names.map((_, k) => k).sort((a, b) => scores[a] - scores[b]);
  const width = Math.max(...names.map(({ length }) => length), 20);
  return [
    `${title}: ${usable.length} blocks of ${block.join(" x ")} voxels of the data, of ${blocks.length}; ${names.length} models`,
    `  ${"model, by mean score".padEnd(width)}  score  mean IoU  best in`,
    ...inOrder.map(
      (k) =>
        `  ${names[k].padEnd(width)}  ${scores[k].toFixed(2).padStart(5)}  ${mean(
          usable.map(({ iou }) => iou[k]),
        )
          .toFixed(3)
          .padStart(8)}  ${best(k)}`,
    ),
    `  ${"ranked by".padEnd(width)}  first is best      pairs in the right order    IoU lost`,
    ...success.map(
      ({ criterion, first, blocks: all, pairs, rightPairs, lost }) =>
        `  ${criterion.padEnd(width)}  ${percent(first, all).padEnd(17)}  ${percent(rightPairs, pairs).padEnd(26)}  ${lost.toFixed(3)}`,
    ),
    `  by chance: first ${percent(Math.round(usable.length / names.length), usable.length)}, pairs 50 %`,
    "",
  ].join("\n");
}
