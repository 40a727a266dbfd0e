import { appendFile, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "./checkpoint.js";
import type { StepReport, TrainingHost, ValidationReport } from "./loop.js";

export const CHECKPOINT_FILE = "checkpoint.bin";
export const LOG_FILE = "log.jsonl";

/** One line of log.jsonl. */
export type LogLine =
  | ({ kind: "step"; seconds: number } & StepReport)
  | ({ kind: "validation"; seconds: number } & ValidationReport);

/** Writes a file whole or not at all, surviving a crash of the machine. */
export async function writeAtomically(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    const file = await open(temporary, "w");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** @returns null when the run has no checkpoint yet. @throws Error when it has a damaged one. */
export async function readCheckpoint(folder: string): Promise<Checkpoint | null> {
  const path = join(folder, CHECKPOINT_FILE);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  return decodeCheckpoint(bytes, path);
}

/** The lines of a run's log up to and including `step`; a last line that a crash cut short is left out. */
export async function readLog(folder: string, step = Number.POSITIVE_INFINITY): Promise<LogLine[]> {
  const text = await readFile(join(folder, LOG_FILE), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const lines: LogLine[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    try {
      const parsed = JSON.parse(line) as LogLine;
      if (parsed.step <= step) lines.push(parsed);
    } catch {
      break;
    }
  }
  return lines;
}

export interface RunFolderOptions {
  readonly folder: string;
  readonly totalSteps: number;
  /** Steps already done, by the checkpoint resumed from. */
  readonly startStep: number;
  readonly checkpointSteps: number;
  readonly checkpointMinutes: number;
  readonly signal: AbortSignal;
}

/** Keeps a training in a folder: checkpoint, JSON Lines log, and a live line on stderr. */
export async function openRunFolder(
  options: RunFolderOptions,
): Promise<TrainingHost & { finish(): Promise<void> }> {
  const { folder, totalSteps, startStep } = options;
  await mkdir(folder, { recursive: true });
  // What was logged after the checkpoint will happen, and be logged, again.
  const kept = await readLog(folder, startStep);
  const earlier = kept.at(-1)?.seconds ?? 0;
  const logPath = join(folder, LOG_FILE);
  await writeAtomically(logPath, kept.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const started = performance.now();
  const seconds = () => Math.round((earlier + (performance.now() - started) / 1000) * 100) / 100;
  let pending: string[] = [];
  let smooth = Number.NaN;
  let lastCheckpoint = performance.now();
  let lastLine = 0;
  let score = "";
  const flush = async () => {
    const text = pending.join("");
    pending = [];
    if (text !== "") await appendFile(logPath, text);
  };
  const show = (text: string, always: boolean) => {
    const now = performance.now();
    const tty = process.stderr.isTTY;
    if (!always && now - lastLine < (tty ? 200 : 10_000)) return;
    lastLine = now;
    process.stderr.write(tty ? `\r\x1b[K${text}${always ? "\n" : ""}` : `${text}\n`);
  };
  return {
    signal: options.signal,
    onStep(report) {
      pending.push(`${JSON.stringify({ kind: "step", seconds: seconds(), ...report })}\n`);
      smooth = Number.isNaN(smooth) ? report.loss : 0.95 * smooth + 0.05 * report.loss;
      const each = (performance.now() - started) / 1000 / (report.step - startStep);
      const left = Math.round((totalSteps - report.step) * each);
      const eta = `${Math.floor(left / 3600)}:${String(Math.floor(left / 60) % 60).padStart(2, "0")}:${String(left % 60).padStart(2, "0")}`;
      show(
        `step ${report.step}/${totalSteps}  loss ${smooth.toFixed(4)}  lr ${report.learningRate.toExponential(2)}  ` +
          `${each.toFixed(2)} s/step  left ${eta}${score}`,
        false,
      );
    },
    onValidation(report) {
      pending.push(`${JSON.stringify({ kind: "validation", seconds: seconds(), ...report })}\n`);
      score = `  val IoU ${report.iouPerSlice.toFixed(4)}`;
      show(
        `step ${report.step}  validation: loss ${report.loss.toFixed(4)}  IoU per slice ${report.iouPerSlice.toFixed(4)}  ` +
          `volume ${report.iouVolume.toFixed(4)}${report.best ? "  (best so far)" : ""}`,
        true,
      );
    },
    wantsCheckpoint(step) {
      return (
        step % options.checkpointSteps === 0 ||
        performance.now() - lastCheckpoint > options.checkpointMinutes * 60_000
      );
    },
    async save(checkpoint) {
      await flush();
      await writeAtomically(join(folder, CHECKPOINT_FILE), encodeCheckpoint(checkpoint));
      lastCheckpoint = performance.now();
    },
    finish: flush,
  };
}

/** Settings and provenance of a run, for people and for the report. */
export async function writeRunFile(folder: string, contents: object): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeAtomically(join(folder, "run.json"), `${JSON.stringify(contents, null, 2)}\n`);
}
