import { type Command, InvalidArgumentError } from "commander";
import type { ModelPackage } from "../model/types.js";
import { QUEUE_METRICS, type QueueMetric } from "../proofreading/queue.js";
import type { SimulationOrder, SimulationRun } from "../proofreading/simulate_orders.js";
import type { Quality } from "../proofreading/simulate_score.js";
import type { Connectivity } from "../segmentation/types.js";
import type { VolumeSource } from "../volume/types.js";
import { findModel } from "./find_model.js";
import {
  addInferenceFlags,
  fraction,
  type InferenceFlags,
  openInput,
  untilInterrupted,
} from "./inference_flags.js";
import { ProgressBar } from "./progress.js";

interface SimulateFlags extends InferenceFlags {
  model: string;
  second?: string;
  volume: string;
  labels: string;
  labelsDataset?: string;
  out?: string;
  order: SimulationOrder[];
  f1: number;
  iou: number;
  minimumVoxels: number;
  miss: number;
  missWidth: number;
  seed: number;
  repeats: number;
}

const whole = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError("Give a whole number that is not negative.");
  return value;
};

const amount = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && Number.isFinite(value)))
    throw new InvalidArgumentError("Give a number that is not negative.");
  return value;
};

const orders = (text: string): SimulationOrder[] =>
  text.split(",").map((name) => {
    if (name === "random" || QUEUE_METRICS.includes(name as QueueMetric)) return name as SimulationOrder;
    throw new InvalidArgumentError(`Give some of ${QUEUE_METRICS.join(", ")}, random.`);
  });

export function register(edits: Command): void {
  addInferenceFlags(
    edits
      .command("simulate")
      .description(
        "Let a scripted proofreader, who looks at the truth only to choose the next operation, correct a prediction; count operations",
      )
      .requiredOption("--model <id>", "package whose prediction is corrected: id, folder or .zip file")
      .requiredOption("--volume <path>", "EM")
      .requiredOption("--labels <path>", "truth: labels of the same voxels, mitochondria > 0"),
  )
    .option("--labels-dataset <path>", "data set inside of an HDF5 file or a Zarr group")
    .option("--second <id>", "another model, for the order by disagreement")
    .option("--out <file>", "write the log of the metric that needed the fewest operations")
    .option(
      "--order <metrics>",
      `what places are ordered by, several one after the other: ${QUEUE_METRICS.join(", ")}, random`,
      orders,
      orders("prior,margin,border,size,touching,missed,random"),
    )
    .option("--f1 <f>", "goal: F1 of objects at an IoU of 0.5", fraction, 0.95)
    .option("--iou <i>", "goal: IoU of the foreground", fraction, 0.8)
    .option("--minimum-voxels <n>", "leave out smaller predicted objects", whole, 100)
    .option("--miss <voxels>", "how far clicks miss (standard deviation)", amount, 1.5)
    .option("--miss-width <share>", "how far half widths are off (standard deviation)", amount, 0.05)
    .option("--seed <n>", "of the random orders and of the hand", whole, 1)
    .option("--repeats <n>", "random orders that are tried; the middle one is told", whole, 3)
    .action(run);
}

async function predictSecond(
  model: ModelPackage,
  flags: SimulateFlags,
  signal: AbortSignal,
): Promise<VolumeSource> {
  const { predictRegion } = await import("../inference/predict_region_node.js");
  const input = await openInput(flags.volume, model, flags);
  try {
    return await predictRegion(model, input, flags, signal);
  } finally {
    await input.close();
  }
}

async function run(flags: SimulateFlags): Promise<void> {
  if (flags.order.includes("disagreement") && flags.second === undefined)
    throw new Error("--order disagreement: give another model with --second");
  const { predictRegion } = await import("../inference/predict_region_node.js");
  const { readTruth } = await import("../proofreading/truth_node.js");
  const { simulateOrders } = await import("../proofreading/simulate_orders.js");
  const { writeLogFile } = await import("../proofreading/log_file_node.js");
  const model = await findModel(flags.model);
  const other = flags.second === undefined ? undefined : await findModel(flags.second);
  const { signal, release } = untilInterrupted("stopped: nothing is written");
  const bar = new ProgressBar("predicting");
  const input = await openInput(flags.volume, model, flags);
  try {
    const predicted = await predictRegion(model, input, flags, signal, (part) => bar.update(part));
    const second = other && (await predictSecond(other, flags, signal));
    bar.end();
    const truth = await readTruth(flags.labels, predicted, flags.labelsDataset, signal);
    process.stdout.write(`${model.id} on ${input.em.name}: ${truth.count} true objects\n`);
    const runs = await simulateOrders({
      predicted,
      second,
      truth,
      settings: {
        threshold: flags.threshold,
        minimumVoxels: flags.minimumVoxels,
        connectivity: 26 as Connectivity,
      },
      orders: flags.order,
      goal: { f1: flags.f1, iou: flags.iou },
      hand: { voxels: flags.miss, width: flags.missWidth },
      seed: flags.seed,
      repeats: Math.max(1, flags.repeats),
      model,
      volume: flags.volume,
      signal,
      onRun: tell,
    });
    // Random ones are what the metrics are measured against.
    const [best] = [...runs].sort(
      (a, b) =>
        Number(a.order === "random") - Number(b.order === "random") ||
        Number(b.reached) - Number(a.reached) ||
        a.curve.length - b.curve.length,
    );
    tellBest(best, runs, truth.count);
    if (flags.out !== undefined && best !== undefined) {
      await writeLogFile(flags.out, best.replay.log.operations);
      process.stdout.write(`${flags.out}: ${best.replay.log.size} operations, ordered by ${best.order}\n`);
    }
  } finally {
    bar.end();
    release();
    await input.close();
  }
}

const show = ({ f1, iou }: Quality) => `F1 ${f1.toFixed(3)}  IoU ${iou.toFixed(3)}`;

/** A line a quarter of the operations. */
function tell({ order, before, curve, reached, checked }: SimulationRun): void {
  process.stdout.write(`by ${order}\n      0 operations  ${show(before)}\n`);
  for (const part of [0.25, 0.5, 0.75, 1]) {
    const at = Math.round(part * curve.length);
    if (at === 0) continue;
    const point = curve[at - 1];
    process.stdout.write(
      `  ${String(at).padStart(5)} operations  ${show(point)}  (${point.looks} looks)${part === 1 ? (reached ? "  goal reached" : "  goal not reached: nothing helps any more") : ""}\n`,
    );
  }
  process.stdout.write(`  recounted from the labels: ${show(checked)}\n`);
}

function tellBest(best: SimulationRun | undefined, runs: readonly SimulationRun[], objects: number): void {
  if (best === undefined) return;
  const kinds = new Map<string, number>();
  for (const { kind } of best.curve) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const verdicts = kinds.get("verdict") ?? 0;
  const clicks = best.curve.reduce((sum, point) => sum + point.clicks, 0);
  const list = [...kinds].sort((a, b) => b[1] - a[1]).map(([kind, count]) => `${count} ${kind}`);
  process.stdout.write(
    `best order: ${best.order}: ${best.curve.length} operations (${list.join(", ")}), ${clicks} clicks; ` +
      `${((best.curve.length - verdicts) / objects).toFixed(2)} corrections and ${(clicks / objects).toFixed(1)} clicks a true object\n`,
  );
  process.stdout.write("operations to   IoU 0.50   IoU 0.70    F1 0.50    F1 0.80    F1 0.95       goal\n");
  for (const { order, curve, reached } of runs) {
    const first = (enough: (quality: Quality) => boolean) => {
      const at = curve.findIndex(enough);
      return at < 0 ? "-" : String(at + 1);
    };
    const needed = [
      ...[0.5, 0.7].map((least) => first(({ iou }) => iou >= least)),
      ...[0.5, 0.8, 0.95].map((least) => first(({ f1 }) => f1 >= least)),
      reached ? String(curve.length) : "-",
    ];
    process.stdout.write(`  ${order.padEnd(11)}${needed.map((text) => text.padStart(11)).join("")}\n`);
  }
}
