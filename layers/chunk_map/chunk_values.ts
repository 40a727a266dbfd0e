import { throttle } from "lodash-es";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import type { ChunkReport, MitoSource } from "../mito/base.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { inSlices, Rerun } from "../morphology_panel/slices.js";
import { type ChunkMetric, metricOf, metricsChanged, metricValuesChanged } from "./metrics.js";
import { colourRange } from "./range.js";

/** Reports arrive up to ten times a second, the map of a whole volume need not follow each. */
const REFRESH_INTERVAL = 700;

export interface MappedChunks {
  readonly metric: ChunkMetric;
  readonly reports: readonly ChunkReport[];
  /** NaN for a chunk without a value. */
  readonly values: Float32Array;
  /** What the colours go over. */
  readonly range: readonly [number, number];
}

/** The values of a metric for all chunks of a layer, made anew in slices whenever reports or metric change. */
export class ChunkValues extends RefCounted {
  readonly changed = new NullarySignal();
  /** undefined until they are made, and where the source has no metric. */
  value: MappedChunks | undefined;
  private readonly rerun = new Rerun(() => this.make());
  private readonly refresh = throttle(() => this.rerun.request(), REFRESH_INTERVAL);
  private stop: (() => void) | undefined;
  private source: MitoSource | undefined;

  constructor(
    readonly layer: MitoUserLayer,
    private metric: string,
  ) {
    super();
    const bind = () => {
      if (layer.mito.value === this.source) return;
      this.stop?.();
      this.source = layer.mito.value;
      this.stop = this.source?.results.changed.add(this.refresh);
      this.rerun.request();
    };
    this.registerDisposer(layer.mito.changed.add(bind));
    for (const signal of [metricsChanged, metricValuesChanged])
      this.registerDisposer(signal.add(this.refresh));
    this.registerDisposer(() => {
      this.stop?.();
      this.refresh.cancel();
    });
    bind();
  }

  /** @param metric id; where the source has no such metric, another takes its place. */
  setMetric(metric: string): void {
    if (metric === this.metric) return;
    this.metric = metric;
    this.rerun.request();
  }

  private async make(): Promise<void> {
    const { metric: id, source } = this;
    const metric = source && metricOf(source, id);
    const of = source && metric?.of(source);
    if (source === undefined || metric === undefined || of === undefined) {
      this.value = undefined;
      if (!this.wasDisposed) this.changed.dispatch();
      return;
    }
    const reports = source.results.all();
    const values = new Float32Array(reports.length);
    await inSlices(reports, (report, index) => {
      values[index] = of(report) ?? Number.NaN;
    });
    if (this.wasDisposed || id !== this.metric || source !== this.source) return;
    this.value = { metric, reports, values, range: metric.range ?? colourRange(values) };
    this.changed.dispatch();
  }
}
