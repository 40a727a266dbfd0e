import { combineSummaries } from "../../src/morphology/summary.js";
import type { MorphologySummary } from "../../src/morphology/types.js";
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

export function toRow(report: ChunkReport, prior: Pick<MorphologySummary, "solidity"> | null): ChunkRow {
  const { summary, ms } = report;
  // A chunk without regions has no mean: 0 would sort as the worst of all.
  const solidity = summary !== undefined && summary.regions > 0 ? summary.solidity : undefined;
  return {
    key: report.key,
    report,
    place: report.box.lower.join(", "),
    objects: summary?.objects,
    fraction: summary?.fraction,
    solidity,
    distance: solidity === undefined || prior === null ? undefined : Math.abs(solidity - prior.solidity),
    milliseconds: ms.gather + ms.forward + ms.label,
    engine: report.error !== undefined ? "failed" : (report.backend ?? ORIGIN[report.origin]),
  };
}

function compare(a: ChunkRow, b: ChunkRow, { column, descending }: Order): number {
  if (column === "place") {
    const [p, q] = [a.report.box.lower, b.report.box.lower];
    const difference = p[2] - q[2] || p[1] - q[1] || p[0] - q[0];
    return descending ? -difference : difference;
  }
  const [p, q] = [a[column], b[column]];
  // What has no value stands last in either direction.
  if (p === undefined || q === undefined) return Number(p === undefined) - Number(q === undefined);
  const difference = p < q ? -1 : p > q ? 1 : 0;
  return descending ? -difference : difference;
}

/** The first `limit` rows in the given order; ties keep the order of arrival. */
export function orderedRows(
  reports: readonly ChunkReport[],
  prior: Pick<MorphologySummary, "solidity"> | null,
  order: Order,
  limit: number,
): ChunkRow[] {
  const rows = reports.map((report) => toRow(report, prior));
  rows.sort((a, b) => compare(a, b, order));
  return rows.slice(0, limit);
}

function volume({ box: { lower, upper } }: ChunkReport): number {
  return (upper[0] - lower[0]) * (upper[1] - lower[1]) * (upper[2] - lower[2]);
}

/** What the panel says of all chunks of a scope together. */
export interface Overview {
  /** Chunks with a summary. */
  readonly measured: number;
  readonly summary: MorphologySummary;
  /** Median forward pass of the chunks that were computed, ms; undefined when none was. */
  readonly forward?: number;
  /** Chunks that needed no forward pass. */
  readonly cached: number;
  readonly failed: number;
}

export function overview(reports: readonly ChunkReport[]): Overview {
  const parts: { summary: MorphologySummary; voxels: number }[] = [];
  const forward: number[] = [];
  let cached = 0;
  let failed = 0;
  for (const report of reports) {
    if (report.error !== undefined) failed++;
    else if (report.origin === "computed") forward.push(report.ms.forward);
    else cached++;
    if (report.summary !== undefined) parts.push({ summary: report.summary, voxels: volume(report) });
  }
  forward.sort((a, b) => a - b);
  return {
    measured: parts.length,
    summary: combineSummaries(parts),
    forward: forward.length === 0 ? undefined : forward[forward.length >> 1],
    cached,
    failed,
  };
}
