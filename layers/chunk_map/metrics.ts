import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import type { MorphologySummary } from "../../src/morphology/types.js";
import type { ChunkReport, MitoSource } from "../mito/base.js";
import {
  formatCount,
  formatDistance,
  formatMilliseconds,
  formatPercent,
  formatSolidity,
} from "../morphology_panel/format.js";
import { chunkPrior, regionDistance, sourceRegions } from "../morphology_panel/prior.js";
import { solidityOf, workTime } from "../morphology_panel/rows.js";

/** One number of each chunk, by which the map is coloured: the larger, the more a person should look there. */
export interface ChunkMetric {
  /** As in the state. */
  readonly id: string;
  readonly title: string;
  /** One sentence for the tooltip. */
  readonly description: string;
  /** What the colour scale goes over; absent: from 0 to what is larger than nearly all chunks' values. */
  readonly range?: readonly [number, number];
  format(value: number): string;
  /**
   * Prepares for chunks of a source.
   * @returns the value of one of its chunks, undefined where it has none (yet); undefined when the source has no such metric.
   */
  of(mito: MitoSource): ((report: ChunkReport) => number | undefined) | undefined;
}

/** Keeps a value for as long as the summary lives that it was made from: a report comes again when it is only relabelled. */
function perSummary(
  make: (mito: MitoSource) => ((summary: MorphologySummary) => number | undefined) | undefined,
): ChunkMetric["of"] {
  const known = new WeakMap<MitoSource["model"], WeakMap<MorphologySummary, number>>();
  return (mito) => {
    const value = make(mito);
    if (value === undefined) return undefined;
    const values = known.get(mito.model) ?? new WeakMap<MorphologySummary, number>();
    known.set(mito.model, values);
    return ({ summary }) => {
      if (summary === undefined) return undefined;
      const before = values.get(summary);
      if (before !== undefined) return before;
      const now = value(summary);
      if (now !== undefined) values.set(summary, now);
      return now;
    };
  };
}

const distance: ChunkMetric = {
  id: "distance",
  title: "Distance to source",
  description:
    "How far the chunk's regions are from those of the model's source in solidity, area, eccentricity, number and coverage, in standard deviations there",
  range: [0, 3],
  format: formatDistance,
  of: perSummary((mito) => {
    const source = sourceRegions(mito);
    if (source.distribution === null) return undefined;
    return ({ histogram }) => regionDistance(histogram, source)?.distance;
  }),
};

const solidity: ChunkMetric = {
  id: "solidity",
  title: "Solidity difference",
  description: "Difference of the mean solidity from the prior's, whichever way",
  range: [0, 0.1],
  format: formatSolidity,
  of: ({ model }) => {
    const prior = chunkPrior(model.config.prior);
    if (prior === null) return undefined;
    return (report) => {
      const value = solidityOf(report);
      return value === undefined ? undefined : Math.abs(value - prior.solidity);
    };
  },
};

const count: ChunkMetric = {
  id: "count",
  title: "Objects",
  description: "Mitochondria in the chunk",
  format: (value) => formatCount(Math.round(value)),
  of:
    () =>
    ({ summary }) =>
      summary?.objects,
};

const fraction: ChunkMetric = {
  id: "fraction",
  title: "Fraction",
  description: "Voxels of mitochondria / voxels of the chunk",
  format: formatPercent,
  of:
    () =>
    ({ summary }) =>
      summary?.fraction,
};

const time: ChunkMetric = {
  id: "time",
  title: "Time",
  description: "Reading, forward pass and labelling, without waiting; nothing where it came from the cache",
  format: formatMilliseconds,
  of: () => (report) =>
    report.origin === "computed" && report.error === undefined ? workTime(report) : undefined,
};

const metrics = new Map<string, ChunkMetric>();
for (const metric of [distance, solidity, count, fraction, time]) metrics.set(metric.id, metric);

/** To be dispatched when a source has a metric, or no longer, that it had not before. */
export const metricsChanged = new NullarySignal();

/** To be dispatched by a metric whose values come from elsewhere than the reports, when they are others. */
export const metricValuesChanged = new NullarySignal();

/** The metrics that a source has, in the order in which they were registered. */
export function metricsOf(mito: MitoSource): ChunkMetric[] {
  return [...metrics.values()].filter((metric) => metric.of(mito) !== undefined);
}

/** The metric with this id if the source has it, else the first that it has; undefined where it has none. */
export function metricOf(mito: MitoSource, id: string): ChunkMetric | undefined {
  const own = metricsOf(mito);
  return own.find((metric) => metric.id === id) ?? own.at(0);
}

/** Offers a metric in the map; one of the same id takes its place. */
export function registerChunkMetric(metric: ChunkMetric): void {
  metrics.set(metric.id, metric);
  metricsChanged.dispatch();
}
