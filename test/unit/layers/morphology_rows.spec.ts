import { describe, expect, it } from "vitest";
import type { ChunkReport } from "../../../layers/mito/base.js";
import { COLUMNS, orderedRows, overview, toRow } from "../../../layers/morphology_panel/rows.js";
import { HISTOGRAM_BINS } from "../../../src/morphology/summary.js";
import type { MorphologySummary } from "../../../src/morphology/types.js";

const prior = { solidity: 0.9 };

function summary(change: Partial<MorphologySummary>): MorphologySummary {
  return {
    objects: 0,
    fraction: 0,
    regions: 0,
    solidity: 0,
    ara: 0,
    eccentricity: 0,
    area: 0,
    solidityHistogram: new Array(HISTOGRAM_BINS).fill(0),
    ...change,
  };
}

function report(x: number, change: Partial<ChunkReport> = {}): ChunkReport {
  return {
    key: `${x},0,0`,
    box: { lower: [x * 10, 0, 0], upper: [x * 10 + 10, 10, 2] },
    modelLower: [x * 10, 0, 0],
    modelUpper: [x * 10 + 10, 10, 2],
    ms: { gather: 1, queue: 100, forward: 20, label: 3 },
    backend: "wasm",
    origin: "computed",
    failures: 0,
    ...change,
  };
}

describe("toRow", () => {
  it("shows what was measured, without the waiting time", () => {
    const row = toRow(
      report(1, { summary: summary({ objects: 3, fraction: 0.1, regions: 5, solidity: 0.8 }) }),
      prior,
    );
    expect(row).toMatchObject({
      place: "10, 0, 0",
      objects: 3,
      fraction: 0.1,
      solidity: 0.8,
      milliseconds: 24,
      engine: "wasm",
    });
    expect(row.distance).toBeCloseTo(0.1, 12);
  });

  it("has no solidity for a chunk without regions, and none of the numbers before they are counted", () => {
    expect(toRow(report(0, { summary: summary({}) }), prior)).toMatchObject({
      objects: 0,
      solidity: undefined,
      distance: undefined,
    });
    expect(toRow(report(0), prior)).toMatchObject({ objects: undefined, fraction: undefined });
  });

  it("says where a chunk came from that was not computed, and which failed", () => {
    expect(toRow(report(0, { backend: undefined, origin: "disk" }), prior).engine).toBe("from disk");
    expect(toRow(report(0, { backend: undefined, error: "no EM" }), prior).engine).toBe("failed");
  });
});

describe("orderedRows", () => {
  const reports = [
    report(2, { summary: summary({ regions: 1, solidity: 0.7, objects: 1 }) }),
    report(0),
    report(1, { summary: summary({ regions: 1, solidity: 0.95, objects: 4 }) }),
  ];
  const keys = (column: (typeof COLUMNS)[number], descending: boolean, limit = 10) =>
    orderedRows(reports, prior, { column, descending }, limit).map(({ key }) => key);

  it("sorts by a number in both directions, and leaves what has none at the end", () => {
    expect(keys("distance", true)).toEqual(["2,0,0", "1,0,0", "0,0,0"]);
    expect(keys("distance", false)).toEqual(["1,0,0", "2,0,0", "0,0,0"]);
  });

  it("sorts places by their coordinates, not as text", () => {
    const far = [report(10), report(9), report(1)];
    const order = orderedRows(far, prior, { column: "place", descending: false }, 10);
    expect(order.map(({ key }) => key)).toEqual(["1,0,0", "9,0,0", "10,0,0"]);
  });

  it("gives at most as many rows as asked for, in every order", () => {
    for (const column of COLUMNS) expect(keys(column, true, 2)).toHaveLength(2);
  });
});

describe("overview", () => {
  it("weights solidity by regions and the fraction by voxels", () => {
    const wide = report(0, {
      box: { lower: [0, 0, 0], upper: [30, 10, 2] },
      summary: summary({ objects: 1, fraction: 0.2, regions: 1, solidity: 0.5 }),
    });
    const narrow = report(3, { summary: summary({ objects: 2, fraction: 0.6, regions: 3, solidity: 0.9 }) });
    const { measured, summary: total } = overview([wide, narrow, report(5)]);
    expect(measured).toBe(2);
    expect(total.objects).toBe(3);
    expect(total.fraction).toBeCloseTo((0.2 * 600 + 0.6 * 200) / 800, 12);
    expect(total.solidity).toBeCloseTo((0.5 + 3 * 0.9) / 4, 12);
  });

  it("takes the time of forward passes only from chunks that had one", () => {
    const times = [30, 10, 20].map((forward, x) =>
      report(x, { ms: { gather: 0, queue: 0, forward, label: 0 } }),
    );
    const { forward, cached, failed } = overview([
      ...times,
      report(7, { origin: "memory", backend: undefined, ms: { gather: 0, queue: 0, forward: 0, label: 1 } }),
      report(8, { error: "broken" }),
    ]);
    expect(forward).toBe(20);
    expect(cached).toBe(1);
    expect(failed).toBe(1);
  });

  it("is empty without chunks", () => {
    expect(overview([])).toMatchObject({ measured: 0, forward: undefined, cached: 0, failed: 0 });
  });
});
