import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import { describe, expect, it } from "vitest";
import { DisagreementMetric } from "../../../layers/chunk_map/disagreement.js";
import { metricOf, metricsChanged, metricsOf } from "../../../layers/chunk_map/metrics.js";
import type { AgreementState } from "../../../layers/mito/agreement.js";
import type { ChunkReport, MitoSource } from "../../../layers/mito/base.js";
import { farthestTerm, regionDistance, sourceRegions } from "../../../layers/morphology_panel/prior.js";
import { FARTHEST } from "../../../src/morphology/distribution.js";
import { regionHistogram } from "../../../src/morphology/prior_distance.js";
import type { Region } from "../../../src/morphology/regions.js";
import { QUANTILES, type RegionDistribution } from "../../../src/morphology/types.js";

const quantity = (from: number, to: number) => ({
  quantiles: Array.from({ length: QUANTILES }, (_, i) => from + ((i + 0.5) / QUANTILES) * (to - from)),
  spread: 1,
});
const distribution: RegionDistribution = {
  solidity: quantity(0.8, 1),
  logArea: quantity(4, 6),
  eccentricity: quantity(0.3, 0.9),
  density: quantity(4, 5),
};
const region = { area: 150, convexArea: 160, eccentricity: 0.6 } as Region;

function sourceOf(config: object): MitoSource {
  return {
    innerUrl: "em",
    model: { id: "a", config: { voxelSize: [10, 10, 30], prior: null, ...config } },
    voxelSize: [8, 8, 8],
    geometry: { planeAxes: [0, 1] },
  } as unknown as MitoSource;
}

function report(change: Partial<ChunkReport> = {}): ChunkReport {
  const histogram = regionHistogram([region, region], 20_000);
  return {
    key: "0,0,0",
    box: { lower: [0, 0, 0], upper: [10, 10, 2] },
    ms: { gather: 1, queue: 9, forward: 20, label: 3 },
    origin: "computed",
    summary: { objects: 3, fraction: 0.1, regions: 2, solidity: 0.93, histogram },
    ...change,
  } as unknown as ChunkReport;
}

describe("the metrics of the map", () => {
  it("are those that the model's package can be compared by", () => {
    const ids = (source: MitoSource) => metricsOf(source).map(({ id }) => id);
    expect(ids(sourceOf({}))).toEqual(["count", "fraction", "time"]);
    expect(
      ids(
        sourceOf({
          prior: { solidity: 0.9, voxelSize: [10, 10, 30] },
          sourceSummary: { regions: distribution },
        }),
      ),
    ).toEqual(["distance", "solidity", "count", "fraction", "time"]);
    expect(metricOf(sourceOf({}), "distance")?.id).toBe("count");
    expect(metricOf(sourceOf({}), "time")?.id).toBe("time");
  });

  it("give the distance of the chunk's own regions, as the panel says it of one chunk", () => {
    const source = sourceOf({ sourceSummary: { regions: distribution } });
    const one = report();
    const value = metricOf(source, "distance")!.of(source)!;
    const expected = regionDistance(one.summary!.histogram, sourceRegions(source))!;
    expect(expected.distance).toBeGreaterThan(0);
    expect(value(one)).toBe(expected.distance);
    // Asked again, it is remembered; a chunk that is not counted yet has none.
    expect(value({ ...one })).toBe(expected.distance);
    expect(value(report({ summary: undefined }))).toBeUndefined();
  });

  it("have no solidity difference for a chunk without regions, and no time for one from the cache", () => {
    const source = sourceOf({ prior: { solidity: 0.9, voxelSize: [10, 10, 30] } });
    const of = (id: string) => metricOf(source, id)!.of(source)!;
    const empty = { objects: 0, fraction: 0, regions: 0, solidity: 0 } as unknown as ChunkReport["summary"];
    expect(of("solidity")(report({ summary: empty }))).toBeUndefined();
    expect(of("solidity")(report())).toBeCloseTo(0.03, 12);
    expect(of("count")(report({ summary: empty }))).toBe(0);
    expect(of("time")(report())).toBe(24);
    expect(of("time")(report({ origin: "disk" }))).toBeUndefined();
    expect(of("time")(report({ error: "no EM" }))).toBeUndefined();
  });
});

describe("sourceRegions", () => {
  it("says how the pixels of prediction, source and prior compare", () => {
    const source = sourceRegions(sourceOf({ prior: { solidity: 0.9, voxelSize: [5, 5, 30] } }));
    expect(source.distribution).toBeNull();
    expect(source.pixelRatio).toBeCloseTo(0.64, 12);
    expect(source.pixelArea).toBeCloseTo(1e-4, 15);
    expect(source.priorPixelArea).toBeCloseTo(2.5e-5, 15);
  });

  it("takes the two axes that slices lie in", () => {
    const source = { ...sourceOf({}), voxelSize: [8, 30, 10], geometry: { planeAxes: [0, 2] } };
    expect(sourceRegions(source as unknown as MitoSource).pixelRatio).toBeCloseTo(0.8, 12);
  });
});

describe("farthestTerm", () => {
  it("names what differs most, or that there is nothing", () => {
    const terms = { solidity: 0.1, logArea: 2, eccentricity: 0.3, density: 1, coverage: 1.5 };
    expect(farthestTerm({ distance: 1, terms })).toBe("most by area");
    expect(farthestTerm({ distance: FARTHEST, terms })).toBe("nothing predicted");
  });
});

describe("the disagreement of compared models", () => {
  it("is there for the layers of a comparison while there is one", () => {
    const comparison: { changed: NullarySignal; agreement: AgreementState | undefined } = {
      changed: new NullarySignal(),
      agreement: undefined,
    };
    const metric = new DisagreementMetric(comparison);
    const source = sourceOf({});
    const offered = () => metricsOf(source).some(({ id }) => id === "disagreement");
    expect(offered()).toBe(false);
    let told = 0;
    const stop = metricsChanged.add(() => ++told);
    // Two models: 90 voxels of neither, 2 of the first alone, 3 of the second alone, 5 of both.
    const counts: Record<string, number[]> = { "0,0,0": [90, 2, 3, 5], "1,0,0": [100, 0, 0, 0] };
    comparison.agreement = {
      changed: new NullarySignal(),
      models: [{ innerUrl: "em", model: { id: "a" } }],
      get: (key: string) =>
        key in counts
          ? { comparison: { agreement: { models: 2, reference: false, counts: counts[key] } } }
          : undefined,
    } as unknown as AgreementState;
    comparison.changed.dispatch();
    expect(told).toBe(1);
    expect(offered()).toBe(true);
    const value = metricOf(source, "disagreement")!.of(source)!;
    expect(value(report())).toBeCloseTo(0.5, 12);
    expect(value(report({ key: "1,0,0" }))).toBe(0);
    expect(value(report({ key: "2,0,0" }))).toBeUndefined();
    const other = { ...source, innerUrl: "another volume" } as MitoSource;
    expect(metricsOf(other).some(({ id }) => id === "disagreement")).toBe(false);
    stop();
    metric.dispose();
  });
});
