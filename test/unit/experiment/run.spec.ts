import { readFile, rm, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { evaluatePrediction } from "../../../src/evaluation/evaluate.js";
import { type ExperimentOptions, runExperiment } from "../../../src/experiment/experiment_node.js";
import { writeExperimentReport } from "../../../src/experiment/report_node.js";
import { experimentSchema, parseResults, type RunResult } from "../../../src/experiment/results.js";
import { chooseGeometry } from "../../../src/inference/geometry.js";
import { predictedVolume } from "../../../src/inference/predicted_volume.js";
import { createPredictor } from "../../../src/inference/predictor.js";
import { readPackageFolder } from "../../../src/model/read_node.js";
import { openVolume } from "../../../src/volume/open_node.js";
import { officialLayout } from "../../support/em_folders.js";
import { scratch } from "../../support/slices.js";

// Trainings in small, on machines that may be busy with large ones.
vi.setConfig({ testTimeout: 240_000 });

const at = await scratch();

const YAML = `
name: tiny
backend: wasm
datasets:
  bright: { voxelSize: [10, 10, 30], train: { images: a/Train_In, labels: a/Train_Out }, test: { images: a/Test_In, labels: a/Test_Out } }
  dark: { voxelSize: [5, 5, 30], train: { images: b/Train_In }, test: { images: b/Test_In, labels: b/Test_Out } }
pairs: [{ source: bright, target: dark }]
validation: 0.25
settings: { network: { filters: [4, 8] }, patch: 32, batch: 2, allStages: { steps: 6, scoreEvery: 2 } }
strategies: [source-only, { id: target-statistics, allStages: { steps: 2 } }]
package: { criterion: last, folder: "models/{source}-{target}-{strategy}", strategies: [source-only] }
`;

const options = (out: string, more: Partial<ExperimentOptions> = {}): ExperimentOptions => ({
  file: at("exp.yaml"),
  out: at(out),
  command: "chondria experiment exp.yaml",
  signal: new AbortController().signal,
  ...more,
});

/** What of a run does not depend on when and how fast it was made. */
const essence = ({ scored, picks }: RunResult) => ({
  scored: scored.map(({ seconds: _, ...entry }) => entry),
  picks,
});

beforeAll(async () => {
  await officialLayout(at("a"), { width: 64, height: 48, train: 4, test: 2 });
  await officialLayout(at("b"), { width: 96, height: 80, train: 3, test: 3, offset: -30 });
  await writeFile(at("exp.yaml"), YAML);
});

describe("runExperiment", () => {
  let whole: RunResult[];

  test("trains, scores and picks; results.json is by its schema", async () => {
    const result = await runExperiment(options("whole"));
    whole = result.runs;
    expect(whole.map(({ id }) => id)).toEqual([
      "bright-to-dark/source-only/seed-1",
      "bright-to-dark/target-statistics/seed-1",
    ]);
    expect(whole[0].scored.map(({ step }) => step)).toEqual([2, 4, 6]);
    expect(whole[1].sourceModel).toBe("bright-to-dark/source-only/seed-1");
    for (const { picks } of whole) {
      expect(picks.last?.index).not.toBeNull();
      expect(picks.oracle?.targetIou).toBeGreaterThanOrEqual(picks.solidity?.targetIou ?? 0);
    }
    const text = await readFile(at("whole/results.json"), "utf8");
    expect(parseResults(experimentSchema, text, "results.json").runs).toEqual(whole);
    expect(() =>
      parseResults(experimentSchema, text.replace('"seed": 1', '"seed": -1'), "results.json"),
    ).toThrow(/^results\.json: runs\.0\..*seed/);
  });

  test("a score is that of chondria evaluate with the package", async () => {
    const model = await readPackageFolder(at("models/bright-dark-source-only"));
    expect(model.config).toMatchObject({
      strategy: "source-only",
      target: null,
      selection: { criterion: "last step", step: 6 },
      training: { seed: 1, command: "chondria experiment exp.yaml" },
    });
    const em = await openVolume(at("b/Test_In"), { voxelSize: [5, 5, 30] });
    const labels = await openVolume(at("b/Test_Out"), { voxelSize: [5, 5, 30] });
    const predictor = await createPredictor(model, "wasm");
    const { field, window, voxelSize, prior } = model.config;
    const geometry = chooseGeometry(em.scales, voxelSize);
    const predicted = predictedVolume(em, {
      name: "p",
      geometry,
      field,
      window,
      tta: "none",
      predict: (request, rest) => predictor.predict(request, rest),
    });
    const { iouPerSlice, iouVolume, morphology } = await evaluatePrediction(predicted, labels, {
      threshold: 0.5,
      ignore: [],
      sliceAxis: 2,
      morphologyVoxelSize: prior!.voxelSize,
    });
    predictor.dispose();
    const last = whole[0].scored[2];
    expect(last.targetIou).toBe(iouPerSlice);
    expect(last.targetIouVolume).toBe(iouVolume);
    expect(last.solidity).toBeCloseTo(morphology.prediction.solidity, 12);
    expect(last.ara).toBeCloseTo(morphology.prediction.ara, 12);
    expect(model.config.scores).toMatchObject([{ iouPerSlice: Math.round(iouPerSlice * 1e6) / 1e6 }]);
  });

  test("a run that dies goes on from its checkpoint to the same results", async () => {
    let died = 0;
    const dying = options("killed", {
      events: {
        onStep: (_run, { totalSteps }) => {
          if (totalSteps === 4 && died++ === 0) throw new Error("killed");
        },
      },
    });
    await expect(runExperiment(dying)).rejects.toThrow("killed");
    // The checkpoint is from step 3, the step after the first score.
    const steps: number[] = [];
    const result = await runExperiment(
      options("killed", { events: { onStep: (_run, { totalSteps }) => steps.push(totalSteps) } }),
    );
    expect(steps[0]).toBe(4);
    expect(result.runs.map(essence)).toEqual(whole.map(essence));
  });

  test("stops when told, says so, and goes on; a finished run is not made again", async () => {
    const interrupt = new AbortController();
    const first = await runExperiment(
      options("stopped", { signal: interrupt.signal, events: { onScore: () => interrupt.abort() } }),
    );
    expect(first.runs).toEqual([]);
    const seen: string[] = [];
    const events = { onBegin: (run: { id: string }) => seen.push(run.id) };
    const second = await runExperiment(options("stopped", { events, only: ["source-only"] }));
    expect(second.runs.map(essence)).toEqual(whole.slice(0, 1).map(essence));
    const third = await runExperiment(options("stopped", { events }));
    expect(seen).toEqual(whole.map(({ id }) => id));
    expect(third.runs).toHaveLength(2);
  });

  test("refuses to go on with other settings, and names them", async () => {
    const interrupt = new AbortController();
    const run = (yaml: string) => writeFile(at("exp.yaml"), yaml);
    await runExperiment(
      options("changed", { signal: interrupt.signal, events: { onScore: () => interrupt.abort() } }),
    );
    await run(YAML.replace("batch: 2", "batch: 3"));
    await expect(runExperiment(options("changed"))).rejects.toThrow(
      /run\.json: the run was begun with other settings \(batch was 2, now 3\)/,
    );
    await run(YAML);
    await rm(at("changed"), { recursive: true });
  });

  test("a report of the folder is one page with the predictions in it", async () => {
    const page = await readFile(await writeExperimentReport(at("whole")), "utf8");
    expect(page).toContain("Source only");
    expect(page.match(/data:image\/png/g)?.length).toBeGreaterThanOrEqual(3 * 3);
    expect(page).not.toMatch(/(src|href)="?https?:/);
    await expect(writeExperimentReport(at("nowhere"))).rejects.toThrow("nowhere/results.json: is not there");
  });
});
