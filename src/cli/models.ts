import { join, resolve } from "node:path";
import type { Command } from "commander";
import { parameterCount } from "../model/read.js";
import { readPackageFolder } from "../model/read_node.js";
import { indexEntry } from "../model/registry.js";
import { MODELS_FOLDER, modelIds } from "./find_model.js";

export function register(program: Command): void {
  program
    .command("models")
    .description("List model packages, and check each one's files against their digests")
    .argument("[folder]", "folder of packages", MODELS_FOLDER)
    .option("--json", "as JSON")
    .option("--write-index", "write <folder>/index.json anew, which the viewer lists")
    .action(list);
}

async function list(folder: string, flags: { json?: boolean; writeIndex?: boolean }): Promise<void> {
  const ids = await modelIds(folder);
  if (ids.length === 0) throw new Error(`${resolve(folder)} holds no model package`);
  const rows: string[][] = [["id", "strategy", "source", "target", "voxel nm", "parameters", "MB", "check"]];
  const notes: string[] = [];
  const json: object[] = [];
  for (const id of ids) {
    try {
      const model = await readPackageFolder(join(folder, id));
      const { strategy, source, target, voxelSize, scores } = model.config;
      rows.push([
        id,
        strategy,
        source,
        target ?? "-",
        voxelSize
          .slice(0, 2)
          .map((size) => +size.toFixed(2))
          .join(" x "),
        parameterCount(model).toLocaleString("en"),
        (model.weightData.byteLength / 1e6).toFixed(1),
        "ok",
      ]);
      for (const score of scores)
        notes.push(
          `${id}: IoU ${score.iouPerSlice.toFixed(4)} per slice, ${score.iouVolume.toFixed(4)} of the volume on ${score.data} (tta ${score.tta})`,
        );
      json.push({ ...indexEntry(model), scores });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      rows.push([id, "-", "-", "-", "-", "-", "-", "BROKEN"]);
      notes.push(message);
      json.push({ id, error: message });
      process.exitCode = 1;
    }
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  else {
    const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
    for (const row of rows)
      process.stdout.write(
        `${row
          .map((cell, i) => cell.padEnd(widths[i]))
          .join("  ")
          .trimEnd()}\n`,
      );
    for (const note of notes) process.stdout.write(`${note}\n`);
  }
  if (flags.writeIndex) {
    const { writeIndex } = await import("../model/write_node.js");
    await writeIndex(folder);
  }
}
