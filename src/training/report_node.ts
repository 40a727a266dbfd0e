import { basename, join } from "node:path";
import type { Network } from "../network/attention_unet.js";
import { overlayImage, type ReportExample, reportHtml } from "./report.js";
import { readLog, writeAtomically } from "./run_node.js";
import { type Slices, thinSlices } from "./slices.js";
import { validate } from "./validation.js";

export const REPORT_FILE = "report.html";

/** Pictures in a report. */
const EXAMPLES = 3;

/**
 * Writes runs/<name>/report.html from the run's log, with overlays of a few validation slices by the network's current
 * weights.
 */
export async function writeReport(
  folder: string,
  summary: string,
  network: Network,
  validation: Slices,
  multiple: number,
  tables: Readonly<Record<string, object>>,
): Promise<void> {
  const log = await readLog(folder);
  const examples: ReportExample[] = [];
  if (validation.em.length > 0) {
    const shown = thinSlices(validation, EXAMPLES);
    await validate(network, shown, multiple, (z, logits, { iou }) => {
      examples.push({
        caption: `slice ${z + 1} of ${shown.em.length}: IoU ${iou.toFixed(3)}`,
        image: overlayImage(shown, z, logits),
      });
    });
  }
  const html = reportHtml({
    title: `Training ${basename(folder)}`,
    summary,
    steps: log.filter((line) => line.kind === "step"),
    validations: log.filter((line) => line.kind === "validation"),
    examples,
    tables,
  });
  await writeAtomically(join(folder, REPORT_FILE), html);
}
