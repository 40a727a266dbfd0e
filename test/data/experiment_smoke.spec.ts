import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { CRITERIA, STRATEGY_IDS } from "../../src/adaptation/types.js";
import { runExperiment } from "../../src/experiment/experiment_node.js";
import { writeExperimentReport } from "../../src/experiment/report_node.js";
import type { RunResult } from "../../src/experiment/results.js";
import { scratch } from "../support/slices.js";

// Minutes on two free cores; it needs no data, but is too long for the unit lane.
vi.setConfig({ testTimeout: 1_800_000, hookTimeout: 1_800_000 });

const at = await scratch();
const root = join(import.meta.dirname, "../..");

describe("npm run experiment:smoke", () => {
  let runs: readonly RunResult[];

  beforeAll(async () => {
    ({ runs } = await runExperiment({
      file: join(root, "experiments/smoke.yaml"),
      out: at("smoke"),
      command: "npm run experiment:smoke",
      signal: new AbortController().signal,
    }));
  });

  test("every strategy trains", () => {
    expect(runs.map(({ strategy }) => strategy).sort()).toEqual([...STRATEGY_IDS].sort());
  });

  test("through all steps of all its stages", () => {
    for (const { strategy, settings, scored } of runs) {
      const stages = Object.values(settings.stages as Record<string, { steps: number }>);
      const steps = stages.reduce((sum, stage) => sum + stage.steps, 0);
      expect([strategy, scored.at(-1)?.totalSteps]).toEqual([strategy, steps]);
    }
  });

  test("and every criterion picks", () => {
    for (const { strategy, picks, scored } of runs)
      for (const criterion of CRITERIA) {
        const pick = picks[criterion];
        expect([strategy, criterion, pick === null]).toEqual([strategy, criterion, false]);
        expect(scored[pick!.index].targetIou).toBe(pick!.targetIou);
      }
  });

  test("a report comes of it", async () => {
    expect(await writeExperimentReport(at("smoke"))).toBe(at("smoke/report.html"));
  });
});
