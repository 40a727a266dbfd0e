import { describe, expect, test } from "vitest";
import { experimentReport } from "../../../src/experiment/report.js";
import { runCurves } from "../../../src/experiment/report_curves.js";
import { overlayPicture } from "../../../src/experiment/report_pictures.js";
import { OVERLAY_COLOURS } from "../../../src/experiment/report_style.js";
import {
  costTable,
  groupRuns,
  jointChoices,
  pairTable,
  reached,
} from "../../../src/experiment/report_tables.js";
import { statistic, summarise } from "../../../src/experiment/results.js";
import { decodePng } from "../../../src/volume/png_node.js";
import { madeExperiment, madeRun } from "../../support/experiment_results.js";

const result = madeExperiment();

describe("numbers", () => {
  test("mean and population deviation, as numpy's", () => {
    expect(statistic([1, 2, 3, 4])).toEqual({ mean: 2.5, deviation: Math.sqrt(1.25), n: 4 });
    expect(statistic([])).toBeNull();
  });

  test("a row for each pair, strategy and criterion; none without target labels", () => {
    expect(summarise(result.runs)).toHaveLength(2 * 4 * 6);
    const unlabelled = madeRun({ ...result.runs[0], source: "a", target: "b", best: 0.5, labelled: false });
    expect(summarise([unlabelled])).toEqual([]);
    expect(unlabelled.picks.oracle).toBeNull();
    expect(reached([unlabelled], "solidity")).toBeNull();
  });

  test("the joint choice takes the snapshot nearest to the prior of all strategies", () => {
    const [pair] = groupRuns(result.runs);
    const [solidity] = jointChoices(pair);
    const expected = [1, 2].map((seed) => {
      const runs = pair.strategies.flatMap(({ runs }) => runs.filter((run) => run.seed === seed));
      const away = runs.map((run) =>
        Math.abs(run.scored[run.picks.solidity!.index].solidity - run.priors.solidity),
      );
      return runs[away.indexOf(Math.min(...away))].picks.solidity!.targetIou!;
    });
    expect(solidity.criterion).toBe("solidity");
    expect(solidity.value.mean).toBeCloseTo((expected[0] + expected[1]) / 2, 12);
  });
});

describe("page", () => {
  const page = experimentReport(result, []);

  test("needs no other file and runs no script", () => {
    expect(page).not.toMatch(/<script|<link|@import|(src|href)="?https?:/);
    expect(page.match(/<(table|figure|details|div|section)\b/g)?.length).toBe(
      page.match(/<\/(table|figure|details|div|section)>/g)?.length,
    );
  });

  test("explains itself, and says which published values are unknown", () => {
    for (const phrase of [
      "unlabelled",
      "of all pixels that are mitochondria",
      "Nobody who needs adaptation can choose so",
      "unknown",
      "16 runs",
    ])
      expect(page).toContain(phrase);
    const table = pairTable(groupRuns(result.runs)[0], 1);
    expect(table).toContain(`0.402<span class="dev"> ± 0.040`);
    expect(table.match(/unknown/g)).toHaveLength(3);
    const others = groupRuns(result.runs.filter(({ strategy }) => strategy !== "attention-y-net"))[0];
    expect(pairTable(others, 1)).toMatch(/only Attention Y-Net[^|]*0\.402/);
  });

  test("a pair that is not the paper's has no published column", () => {
    const run = madeRun({
      source: "x",
      target: "y",
      strategy: "attention-y-net",
      title: "Attention Y-Net",
      seed: 1,
      best: 0.5,
    });
    expect(pairTable(groupRuns([run])[0], 1)).not.toContain("Paper");
  });

  test("what a choice costs is the oracle's IoU less its own", () => {
    const run = result.runs[0];
    const loss = run.picks.oracle!.targetIou! - run.picks.last!.targetIou!;
    expect(costTable([run], 3)).toMatch(new RegExp(`Last</th><td class="num">${loss.toFixed(3)}<`));
  });

  test("texts of the results are escaped", () => {
    const hostile = madeRun({
      source: "<script>",
      target: '"&',
      strategy: "cut",
      title: "<img src=x>",
      seed: 1,
      best: 0.4,
    });
    const text = experimentReport({ ...result, name: "<b>", runs: [hostile] }, []);
    expect(text).not.toMatch(/<script>|<img src=x>|<b>:/);
  });

  test("says how far an unfinished experiment is, and does without scores", () => {
    const run = madeRun({
      source: "x",
      target: "y",
      strategy: "cut",
      title: "CUT",
      seed: 1,
      best: 0.5,
      labelled: false,
    });
    const text = experimentReport({ ...result, runs: [run] }, []);
    expect(text).toContain("1 of 16 runs are finished");
    expect(text).toContain("the target has no labels");
  });
});

test("curves mark each chosen snapshot once, with the letters of its criteria", () => {
  const run = result.runs[0];
  const svg = runCurves(run);
  const letters = [...svg.matchAll(/class="mark"[^>]*>([A-Z]+)</g)].map(([, text]) => text);
  expect(letters.join("").split("").sort().join("")).toBe("ADLOSV");
  expect(letters).toHaveLength(new Set(Object.values(run.picks).map((pick) => pick?.index)).size);
  expect(svg).not.toContain("NaN");
});

test("an overlay shows what was found, missed and wrong, and nothing elsewhere", () => {
  const url = overlayPicture(2, 2, Uint8Array.of(200, 10, 128, 127), Uint8Array.of(255, 255, 0, 0), 128);
  const png = decodePng("overlay", Buffer.from(url.split(",")[1], "base64"));
  const pixel = (i: number) => [...png.data.slice(4 * i, 4 * i + 3)];
  expect([pixel(0), pixel(1), pixel(2)]).toEqual([
    [...OVERLAY_COLOURS.hit],
    [...OVERLAY_COLOURS.missed],
    [...OVERLAY_COLOURS.extra],
  ]);
  expect(png.data[15]).toBe(0);
});
