import type { Command } from "commander";
import { register as apply, warnOf } from "./edits_apply.js";
import { register as merge } from "./edits_merge.js";
import { register as simulate } from "./edits_simulate.js";

/** `chondria edits <command>`: what is done with logs of corrections. */
export function register(program: Command): void {
  const edits = program.command("edits").description("Show, merge and apply logs of proofreading");
  edits
    .command("show")
    .description("Print the history of a log: an operation a line")
    .argument("<log>", "JSON Lines file of edits")
    .option("--skip-damaged", "leave out lines that cannot be read, and say which")
    .action(show);
  merge(edits);
  apply(edits);
  simulate(edits);
}

async function show(path: string, flags: { skipDamaged?: boolean }): Promise<void> {
  const { historyLine } = await import("../proofreading/describe.js");
  const { effectOf } = await import("../proofreading/effective.js");
  const { EditLog } = await import("../proofreading/log.js");
  const { readLogFile } = await import("../proofreading/log_file_node.js");
  const read = await readLogFile(path, flags.skipDamaged);
  warnOf(path, read);
  const { operations } = new EditLog(read.operations);
  const { holds, toggles } = effectOf(operations);
  for (const operation of operations) {
    const { id } = operation;
    process.stdout.write(`${historyLine(operation, holds.has(id) || toggles.has(id) ? "" : "undone")}\n`);
  }
  process.stdout.write(`${operations.length} operations, ${holds.size} in effect\n`);
}
