import { describe, expect, test } from "vitest";
import { sourceOnly } from "../../../src/adaptation/source_only.js";
import { targetStatistics } from "../../../src/adaptation/target_statistics.js";
import type { Strategy, StrategyId } from "../../../src/adaptation/types.js";
import { ExperimentError, parseExperiment } from "../../../src/experiment/experiment_file.js";
import { planRuns } from "../../../src/experiment/plan.js";
import { withOverrides } from "../../../src/experiment/settings.js";

const LEAST = `
name: small
pairs: [{ source: vnc, target: lucchi++ }]
strategies: [source-only]
`;
const parse = (yaml: string) => parseExperiment(yaml, "some/exp.yaml");

describe("parseExperiment", () => {
  test("fills in what is left out", () => {
    const { seeds, strategies, protocol, threshold, keep } = parse(LEAST);
    expect({ seeds, strategies, protocol, threshold, keep }).toEqual({
      seeds: [1],
      strategies: [{ id: "source-only", name: "source-only" }],
      protocol: "reduced",
      threshold: 0.5,
      keep: { snapshots: "picks", predictions: "all" },
    });
  });

  test.each([
    ["name: [", "is not YAML"],
    [LEAST.replace("small", "../up"), "name: must be letters"],
    [LEAST.replace("source-only", "sorcery"), "strategies.0"],
    [`${LEAST}strategy: cut\n`, "strategy"],
    [`${LEAST}threshold: 2\n`, "threshold"],
    [
      LEAST.replace("[source-only]", "[{ id: cut, stages: { translate: { steps: 0 } } }]"),
      "stages.translate.steps",
    ],
    [LEAST.replace("[source-only]", "[{ id: cut, stages: { translate: { stepps: 5 } } }]"), "stepps"],
    [LEAST.replace("[source-only]", "[cut, cut]"), "strategies: cut is there twice"],
    [`${LEAST}seeds: [1, 2]\nrepetitions: 3\n`, "repetitions: 3, but seeds names 2"],
    [`${LEAST}package: { folder: m, seed: 7 }\n`, "package.seed: 7"],
    [
      `${LEAST.replace("[source-only]", "[source-only, cut]")}package: { folder: m }\n`,
      "package.folder: must hold {strategy}",
    ],
    [`${LEAST}__proto__: { a: 1 }\n`, "forbidden key"],
  ])("names file and field: %#", (yaml, message) => {
    expect(() => parse(yaml)).toThrow(ExperimentError);
    expect(() => parse(yaml)).toThrow(/^some\/exp\.yaml: /);
    expect(() => parse(yaml)).toThrow(message);
  });
});

const SIZES = { sourceSlices: 10, sourceSize: [64, 64], targetSlices: 10, targetSize: [64, 64] } as const;

describe("withOverrides", () => {
  const settings = sourceOnly.defaults("reduced", SIZES);

  test("lays one strategy's settings over all strategies', and shortens the dropout rates with the filters", () => {
    const general = { patch: 32, network: { filters: [4, 8] }, allStages: { steps: 9, validateEvery: 3 } };
    const own = { stages: { train: { steps: 7 } }, options: { rotation: true } };
    const result = withOverrides(settings, [general, own], "f.yaml", "source-only");
    expect(result.patch).toBe(32);
    expect(result.network.filters).toEqual([4, 8]);
    expect(result.network.dropoutRates).toHaveLength(2);
    expect(result.stages.train.steps).toBe(7);
    // The stage does not validate by itself: what is said of all stages does not make it.
    expect(result.stages.train.validateEvery).toBe(settings.stages.train.validateEvery);
    expect(result.options).toEqual({ ...settings.options, rotation: true });
  });

  test("refuses a stage that the strategy does not have, but not in what is said of all", () => {
    const stages = { translate: { steps: 7 } };
    expect(() => withOverrides(settings, [{ stages }], "f.yaml", "x")).toThrow(
      'f.yaml: strategies: x has no stage "translate", only train',
    );
    expect(withOverrides(settings, [{ stages }, {}], "f.yaml", "x").stages).toEqual(settings.stages);
  });
});

describe("planRuns", () => {
  const strategies = new Map<StrategyId, Strategy>([
    ["source-only", sourceOnly],
    ["target-statistics", targetStatistics],
  ]);
  const plan = (yaml: string) => planRuns(parse(yaml), strategies, "exp.yaml");

  test("goes through the seeds one after the other, the source model before what starts from it", () => {
    const runs = plan(`
name: two
pairs: [{ source: "phantom:fib/1", target: vnc }, { source: vnc, target: vnc }]
strategies: [target-statistics, source-only]
repetitions: 2
`);
    const first = "phantom-fib-1-to-vnc/source-only/seed-1";
    expect(runs.map(({ id }) => id).slice(0, 3)).toEqual([
      first,
      "phantom-fib-1-to-vnc/target-statistics/seed-1",
      "vnc-to-vnc/source-only/seed-1",
    ]);
    expect(runs).toHaveLength(8);
    expect(runs[1].startsFrom).toBe(first);
    expect(runs[0].startsFrom).toBeNull();
  });

  test("says what to do when there is nothing to start from", () => {
    const alone = LEAST.replace("source-only", "target-statistics");
    expect(() => plan(alone)).toThrow("add source-only, or name a package in sourceModels.vnc");
    expect(plan(`${alone}sourceModels: { vnc: ../models/vnc }\n`)[0].startsFrom).toBeNull();
  });

  test("makes fewer repetitions of a strategy, but all that others start from", () => {
    const runs = plan(
      LEAST.replace(
        "[source-only]",
        "[{ id: source-only, repetitions: 1 }, { id: target-statistics, repetitions: 2 }]",
      ).concat("repetitions: 3\n"),
    );
    expect(runs.map(({ id }) => id.replace("vnc-to-lucchi++/", ""))).toEqual([
      "source-only/seed-1",
      "target-statistics/seed-1",
      "source-only/seed-2",
      "target-statistics/seed-2",
    ]);
  });
});
