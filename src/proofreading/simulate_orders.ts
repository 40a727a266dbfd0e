import { compareSlice, iou } from "../evaluation/iou.js";
import { matchObjects, matchScore, overlapTable } from "../evaluation/matching.js";
import type { ModelPackage } from "../model/types.js";
import { Random } from "../network/random.js";
import type { LabelSettings } from "../segmentation/types.js";
import type { Vec3, VolumeSource } from "../volume/types.js";
import { correctedLabels } from "./corrected_labels.js";
import { orderPlaces, type QueueMetric, type QueuePlace } from "./queue.js";
import { chunkPlaces, missedPlaces, objectPlaces, type QueueSources } from "./queue_measures.js";
import { type Simulation, type SimulationOptions, simulate } from "./simulate.js";
import type { Quality, Truth } from "./simulate_score.js";
import { openVolumeView } from "./volume_view.js";

/** A metric of the queue, or places in any order. */
export type SimulationOrder = QueueMetric | "random";

export interface OrdersOptions
  extends Pick<SimulationOptions, "truth" | "goal" | "hand" | "signal" | "onOperation"> {
  /** Probabilities of the whole region, at hand. */
  readonly predicted: VolumeSource;
  /** Those of another model, for "disagreement". */
  readonly second?: VolumeSource;
  readonly settings: LabelSettings;
  readonly orders: readonly SimulationOrder[];
  readonly seed: number;
  /** Random orders of which the middle one is kept. */
  readonly repeats: number;
  readonly model: Pick<ModelPackage, "digest" | "config">;
  /** Address of the EM, as in the log. */
  readonly volume: string;
  readonly onRun?: (run: SimulationRun) => void;
}

export interface SimulationRun extends Simulation {
  readonly order: SimulationOrder;
  /** Quality of the corrected labels, counted from their voxels. */
  readonly checked: Quality;
}

/** Chunk of the viewer, after the objects: swept for what was missed. */
const CHUNK: Vec3 = [256, 256, 8];
/** Of the first operation: logs of the same run are the same. */
const START = Date.UTC(2026, 0, 1);

/** The same proofreader on the same prediction, its places in several orders. */
export async function simulateOrders(options: OrdersOptions): Promise<SimulationRun[]> {
  const { predicted, settings, truth, volume, signal } = options;
  const edited = { url: volume, scale: 0 };
  const view = await openVolumeView(predicted, { kind: "probability", settings, volume: edited, signal });
  const places = await placesOf(options, view);
  const runs: SimulationRun[] = [];
  for (const order of options.orders) {
    const tries: SimulationRun[] = [];
    for (let i = 0; i < (order === "random" ? options.repeats : 1); ++i) {
      const simulation = await simulate({
        ...options,
        view,
        places: ordered(places, order, new Random(options.seed + i)),
        author: { author: "scripted proofreader", model: options.model.digest, volume: edited, settings },
        random: new Random(options.seed),
        start: START,
      });
      tries.push({ ...simulation, order, checked: recount(simulation, truth, settings.minimumVoxels) });
    }
    tries.sort((a, b) => a.curve.length - b.curve.length);
    const run = tries[Math.floor((tries.length - 1) / 2)];
    runs.push(run);
    options.onRun?.(run);
  }
  return runs;
}

interface Places {
  readonly first: readonly QueuePlace[];
  readonly sweep: readonly QueuePlace[];
}

async function placesOf(
  { model, settings, second, signal }: OrdersOptions,
  view: Awaited<ReturnType<typeof openVolumeView>>,
): Promise<Places> {
  const distribution = model.config.sourceSummary?.regions;
  const grid = model.config.voxelSize[0] * model.config.voxelSize[1];
  const pixelRatio = (view.voxelSize[0] * view.voxelSize[1]) / grid;
  const sources: QueueSources = {
    view,
    prior: distribution ? { distribution, pixelRatio } : undefined,
    second: second && (async (box) => (await second.read(0, box, { signal })) as Uint8Array),
    signal,
  };
  const ids = [...view.ids].filter((id) => view.voxelsOf(id) >= settings.minimumVoxels);
  const objects = await objectPlaces(sources, ids);
  const missed = await missedPlaces(view, view.bounds);
  return { first: [...objects, ...missed], sweep: await chunkPlaces(sources, CHUNK) };
}

/** Objects and what may have been missed by the metric, then all chunks; at random: all of these in any order. */
function ordered({ first, sweep }: Places, order: SimulationOrder, random: Random): QueuePlace[] {
  if (order !== "random")
    return [...orderPlaces(first, { metric: order }), ...orderPlaces(sweep, { metric: "missed" })];
  const all = [...first, ...sweep];
  for (let i = all.length - 1; i > 0; --i) {
    const j = random.integer(i + 1);
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
}

/** The quality once more, from the voxels of the corrected labels and by the project's own matching. */
function recount({ replay }: Simulation, truth: Truth, minimum: number): Quality {
  const { view } = replay.corrections;
  const large = (id: number) => view.runsOf(id).reduce((sum, { runs }) => sum + voxelsOf(runs), 0) >= minimum;
  const ids = correctedLabels(replay.corrections, truth.box, large);
  const numbers = new Map<number, number>();
  const labels = new Uint32Array(ids.length);
  for (let i = 0; i < ids.length; ++i) {
    if (ids[i] === 0) continue;
    const number = numbers.get(ids[i]) ?? numbers.size + 1;
    numbers.set(ids[i], number);
    labels[i] = number;
  }
  const made = { labels, count: numbers.size, size: truth.labelling.size };
  const mask = (values: Uint32Array) => Uint8Array.from(values, (value) => (value > 0 ? 1 : 0));
  return {
    f1: matchScore(matchObjects(overlapTable(made, truth.labelling), 0.5)).f1,
    iou: iou(compareSlice(mask(labels), mask(truth.labelling.labels))),
  };
}

function voxelsOf({ starts, ends }: { readonly starts: Uint16Array; readonly ends: Uint16Array }): number {
  let voxels = 0;
  for (let i = 0; i < starts.length; ++i) voxels += ends[i] - starts[i];
  return voxels;
}
