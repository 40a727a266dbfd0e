import type { Command } from "commander";
import { addPredictionFlags, type PredictionFlags, warnOf, withView } from "./edits_apply.js";
import { untilInterrupted } from "./inference_flags.js";

interface MergeFlags extends PredictionFlags {
  out: string;
  over?: string;
  skipDamaged?: boolean;
}

export function register(edits: Command): void {
  addPredictionFlags(
    edits
      .command("merge")
      .description("Make one log of several; the result is the same in whatever order they are given")
      .argument("<logs...>", "JSON Lines files of edits")
      .requiredOption("--out <file>", "log to write")
      .option("--over <volume>", "predictions: conflicts are then found by object, not only by shared voxels")
      .option("--skip-damaged", "leave out lines that cannot be read, and say which"),
  ).action(merge);
}

async function merge(paths: string[], flags: MergeFlags): Promise<void> {
  const { historyLine } = await import("../proofreading/describe.js");
  const { effectOf } = await import("../proofreading/effective.js");
  const { readLogFile, writeLogFile } = await import("../proofreading/log_file_node.js");
  const { disagreements, mergeLogs } = await import("../proofreading/merge.js");
  const { Replay } = await import("../proofreading/replay.js");

  const logs = [];
  for (const path of paths) {
    const read = await readLogFile(path, flags.skipDamaged);
    warnOf(path, read);
    logs.push(read.operations);
  }
  const { log, clashes } = mergeLogs(...logs);
  const lines: string[] = [];
  for (const { kept, dropped } of clashes)
    lines.push(
      "two operations have one id:",
      `  kept     ${historyLine(kept)}`,
      `  dropped  ${historyLine(dropped)}`,
    );
  const { holds } = effectOf(log.operations);
  let found = disagreements(log, (id) => holds.has(id));
  if (flags.over !== undefined) {
    const { signal, release } = untilInterrupted("stopped: nothing is written");
    try {
      const replay = await withView(flags.over, log.operations, flags, signal, (view) =>
        Replay.of(view, log.operations, signal),
      );
      found = disagreements(
        log,
        (id) => holds.has(id),
        ({ id }) => replay.subjects(id),
      );
      for (const { operation, message } of replay.conflicts())
        lines.push(`${message}:`, `  ${line(operation)}`);
    } finally {
      release();
    }
  }
  for (const { message, first, second } of found)
    lines.push(`${message}:`, `  ${historyLine(first)}`, `  ${historyLine(second)}`);
  await writeLogFile(flags.out, log.operations);
  for (const text of lines) process.stdout.write(`${text}\n`);
  const conflicts = lines.filter((text) => !text.startsWith("  ")).length;
  process.stdout.write(
    `${flags.out}: ${log.size} operations of ${paths.length} logs, ${conflicts} conflicts\n`,
  );

  function line(id: string): string {
    const operation = log.get(id);
    return operation ? historyLine(operation) : id;
  }
}
