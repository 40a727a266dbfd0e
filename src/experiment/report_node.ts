import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { thresholdByte } from "../segmentation/label.js";
import { writeAtomically } from "../training/run_node.js";
import { ExperimentError } from "./experiment_file.js";
import { picturedSlices, pictureFiles } from "./pair_node.js";
import { pairFolder } from "./plan.js";
import { readGrey, readPrediction } from "./predictions_node.js";
import { experimentReport, type ReportSlice, SHOWN } from "./report.js";
import { greyPicture, overlayPicture } from "./report_pictures.js";
import { groupRuns, type PairRuns } from "./report_tables.js";
import { experimentSchema, parseResults, RESULTS_FILE, type RunResult } from "./results.js";

export const REPORT_FILE = "report.html";

/**
 * Writes the report of an experiment from what its folder holds: the data sets are not read.
 * @param folder of the experiment's runs, or its results.json alone (then without pictures).
 * @param output default: report.html in the folder.
 * @returns the path of the page.
 * @throws ExperimentError when there are no results, or damaged ones.
 */
export async function writeExperimentReport(folder: string, output?: string): Promise<string> {
  const alone = folder.endsWith(".json");
  const path = alone ? folder : join(folder, RESULTS_FILE);
  let json: string;
  try {
    json = await readFile(path, "utf8");
  } catch (cause) {
    throw new ExperimentError(
      path,
      "is not there: give the folder of an experiment's runs, as in runs/smoke",
      { cause },
    );
  }
  const result = parseResults(experimentSchema, json, path);
  if (result.runs.length === 0)
    throw new ExperimentError(
      path,
      `none of the ${result.planned} runs is finished yet: go on with ${result.command}`,
    );
  const pictures: ReportSlice[][] = [];
  for (const pair of groupRuns(result.runs)) pictures.push(alone ? [] : await pairPictures(folder, pair));
  const page = output ?? (alone ? path.replace(/\.json$/, ".html") : join(folder, REPORT_FILE));
  await writeAtomically(page, experimentReport(result, pictures));
  return page;
}

/** The pictured slices with the prediction of every strategy, by the first of its runs. */
async function pairPictures(folder: string, pair: PairRuns): Promise<ReportSlice[]> {
  const pairPath = join(folder, pairFolder(pair.source.name, pair.target.name));
  const slices: ReportSlice[] = [];
  for (const index of picturedSlices(pair.target.slices)) {
    const files = pictureFiles(index);
    if (!existsSync(join(pairPath, files.em))) continue;
    const em = await readGrey(join(pairPath, files.em));
    const labelsPath = join(pairPath, files.labels);
    const labels = existsSync(labelsPath) ? (await readGrey(labelsPath)).data : null;
    const overlays: ReportSlice["overlays"][number][] = [];
    for (const { title, runs } of pair.strategies) {
      const prediction = await predictionOf(folder, runs[0], index);
      if (!prediction) continue;
      const { threshold, seed } = runs[0];
      overlays.push({
        title,
        note: `${iouNote(runs[0])}seed ${seed}`,
        image: overlayPicture(em.width, em.height, prediction, labels, thresholdByte(threshold)),
      });
    }
    slices.push({
      caption: `Scored slice ${index + 1} of ${pair.target.slices}`,
      width: em.width,
      height: em.height,
      em: greyPicture(em.width, em.height, em.data),
      overlays,
      labelled: labels !== null,
    });
  }
  return slices;
}

function iouNote(run: RunResult): string {
  const iou = run.picks[SHOWN]?.targetIou;
  return typeof iou === "number" ? `IoU ${iou.toFixed(3)}, ` : "";
}

async function predictionOf(folder: string, run: RunResult, index: number): Promise<Uint8Array | null> {
  const pick = run.picks[SHOWN];
  const file = pick ? run.scored[pick.index].prediction : null;
  if (file === null) return null;
  const { size, slices } = run.target;
  const path = join(folder, run.id, file);
  if (!existsSync(path)) return null;
  return (await readPrediction(path, size[0], size[1], slices)).slices[index];
}
