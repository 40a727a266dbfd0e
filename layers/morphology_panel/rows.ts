import { HistogramBuilder } from "../../src/morphology/prior_distance.js";
import { sortByKeys } from "../../src/morphology/radix_sort.js";
import { SummaryBuilder } from "../../src/morphology/summary.js";
import type { MorphologySummary, RegionHistogram } from "../../src/morphology/types.js";
import type { ChunkReport } from "../mito/base.js";

/** What the panel's table shows of one chunk. Numbers are absent where the chunk has none yet. */
export interface ChunkRow {
  readonly key: string;
  readonly report: ChunkReport;
  readonly place: string;
  readonly objects?: number;
  readonly fraction?: number;
  readonly solidity?: number;
  /** |mean solidity - the prior's|: how far this chunk is from what the model learned to see. */
  readonly distance?: number;
  /** All the time that was spent on it, waiting apart. */
  readonly milliseconds: number;
  readonly engine: string;
}

export const COLUMNS = [
  "place",
  "objects",
  "fraction",
  "solidity",
  "distance",
  "milliseconds",
  "engine",
] as const;
export type Column = (typeof COLUMNS)[number];

export interface Order {
  readonly column: Column;
  readonly descending: boolean;
}

/** What `engine` says where no forward pass was run. */
const ORIGIN = { computed: "computed", memory: "from memory", disk: "from disk" } as const;

/** Mean solidity; a chunk without regions has none: 0 would sort as the worst of all. */
export function solidityOf({ summary }: ChunkReport): number | undefined {
  return summary !== undefined && summary.regions > 0 ? summary.solidity : undefined;
}

/** Time spent on a chunk, ms, without waiting. */
export function workTime({ ms }: ChunkReport): number {
  return ms.gather + ms.forward + ms.label;
}

function engineOf(report: ChunkReport): string {
  return report.error !== undefined ? "failed" : (report.backend ?? ORIGIN[report.origin]);
}

export function toRow(report: ChunkReport, prior: Pick<MorphologySummary, "solidity"> | null): ChunkRow {
  const { summary } = report;
  const solidity = solidityOf(report);
  return {
    key: report.key,
    report,
    place: report.box.lower.join(", "),
    objects: summary?.objects,
    fraction: summary?.fraction,
    solidity,
    distance: solidity === undefined || prior === null ? undefined : Math.abs(solidity - prior.solidity),
    milliseconds: workTime(report),
    engine: engineOf(report),
  };
}

/** The numbers that a column is sorted by, the most significant last; NaN, which goes to the end, where there is none. */
function keysOf(
  reports: readonly ChunkReport[],
  prior: Pick<MorphologySummary, "solidity"> | null,
  column: Column,
): Float64Array[] {
  const keys = (of: (report: ChunkReport) => number | undefined) =>
    Float64Array.from(reports, (report) => of(report) ?? Number.NaN);
  switch (column) {
    case "place":
      return [0, 1, 2].map((axis) => keys(({ box }) => box.lower[axis]));
    case "objects":
      return [keys(({ summary }) => summary?.objects)];
    case "fraction":
      return [keys(({ summary }) => summary?.fraction)];
    case "solidity":
      return [keys(solidityOf)];
    case "distance":
      return [
        keys((report) => {
          const solidity = solidityOf(report);
          return solidity === undefined || prior === null ? undefined : Math.abs(solidity - prior.solidity);
        }),
      ];
    case "milliseconds":
      return [keys(workTime)];
    case "engine": {
      const names = [...new Set(reports.map(engineOf))].sort();
      const rank = new Map(names.map((name, index) => [name, index]));
      return [keys((report) => rank.get(engineOf(report)))];
    }
  }
}

/** The first `limit` rows in the given order; ties keep the order of arrival. */
export function orderedRows(
  reports: readonly ChunkReport[],
  prior: Pick<MorphologySummary, "solidity"> | null,
  { column, descending }: Order,
  limit: number,
): ChunkRow[] {
  let order: Uint32Array = Uint32Array.from(reports, (_, index) => index);
  for (const keys of keysOf(reports, prior, column)) order = sortByKeys(order, keys, descending);
  return Array.from(order.subarray(0, limit), (index) => toRow(reports[index], prior));
}

function volume({ box: { lower, upper } }: ChunkReport): number {
  return (upper[0] - lower[0]) * (upper[1] - lower[1]) * (upper[2] - lower[2]);
}

/** What the panel says of all chunks of a scope together. */
export interface Overview {
  /** Chunks with a summary. */
  readonly measured: number;
  readonly summary: MorphologySummary;
  /** All regions of those chunks. */
  readonly histogram: RegionHistogram;
  /** log(1 + regions per million pixels) of each chunk. */
  readonly densities: Float64Array;
  /** Median forward pass of the chunks that were computed, ms; undefined when none was. */
  readonly forward?: number;
  /** Chunks that needed no forward pass. */
  readonly cached: number;
  readonly failed: number;
}

/** Adds up chunks one by one, so that thousands can be added in slices. */
export class OverviewBuilder {
  private readonly summary = new SummaryBuilder();
  private readonly regions = new HistogramBuilder();
  private readonly forward: number[] = [];
  private readonly densities: number[] = [];
  private measured = 0;
  private cached = 0;
  private failed = 0;

  add(report: ChunkReport): void {
    const { summary } = report;
    if (report.error !== undefined) this.failed++;
    else if (report.origin === "computed") this.forward.push(report.ms.forward);
    else this.cached++;
    if (summary === undefined) return;
    this.measured++;
    this.summary.addSummary(summary, volume(report));
    const { histogram } = summary;
    if (histogram === undefined || histogram.pixels === 0) return;
    this.regions.add(histogram);
    this.densities.push(Math.log1p((histogram.regions / histogram.pixels) * 1e6));
  }

  result(): Overview {
    const forward = Float64Array.from(this.forward).sort();
    return {
      measured: this.measured,
      summary: this.summary.result(),
      histogram: this.regions.result(),
      densities: Float64Array.from(this.densities),
      forward: forward.length === 0 ? undefined : forward[forward.length >> 1],
      cached: this.cached,
      failed: this.failed,
    };
  }
}

export function overview(reports: readonly ChunkReport[]): Overview {
  const builder = new OverviewBuilder();
  for (const report of reports) builder.add(report);
  return builder.result();
}
