import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import type { ChunkReport, ComputedResults, ViewCounts } from "./base.js";

/** Reports kept for one source. */
const KEPT = 20_000;
/** Listeners are told at most this often, ms. */
const INTERVAL = 100;

/** The reports of one source as the chunk worker sends them, and which chunks are visible. */
export class ResultStore implements ComputedResults {
  readonly changed = new NullarySignal();
  private readonly reports = new Map<string, ChunkReport>();
  /** Visible chunks, and whether each is finished. */
  private view = new Map<string, boolean>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly kept = KEPT) {}

  get size(): number {
    return this.reports.size;
  }

  all(): ChunkReport[] {
    return [...this.reports.values()];
  }

  get(key: string): ChunkReport | undefined {
    return this.reports.get(key);
  }

  inView(): ChunkReport[] {
    return [...this.view.keys()].flatMap((key) => this.reports.get(key) ?? []);
  }

  counts(): ViewCounts {
    let finished = 0;
    let failed = 0;
    for (const [key, done] of this.view) {
      if (!done) continue;
      if (this.reports.get(key)?.error === undefined) finished++;
      else failed++;
    }
    return { wanted: this.view.size, finished, failed };
  }

  /** @param relabelled Only summary and label time are new. */
  add(report: ChunkReport, relabelled = false): void {
    const before = relabelled ? this.reports.get(report.key) : undefined;
    const { origin, backend, ms } = before ?? report;
    this.reports.delete(report.key);
    this.reports.set(report.key, {
      ...report,
      origin,
      ...(backend !== undefined && { backend }),
      ms: { ...ms, label: report.ms.label },
    });
    if (this.view.has(report.key)) this.view.set(report.key, true);
    for (const oldest of this.reports.keys()) {
      if (this.reports.size <= this.kept) break;
      this.reports.delete(oldest);
    }
    this.announce();
  }

  show(keys: readonly string[], finished: readonly boolean[]): void {
    this.view = new Map(keys.map((key, i) => [key, finished[i]]));
    this.announce();
  }

  dispose(): void {
    clearTimeout(this.timer);
  }

  private announce(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.changed.dispatch();
    }, INTERVAL);
  }
}
