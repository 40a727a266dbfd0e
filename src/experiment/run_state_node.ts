import { appendFile, mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { RunPoint } from "../adaptation/engine.js";
import { writeAtomically } from "../training/run_node.js";
import { ExperimentError } from "./experiment_file.js";
import type { ScoredSnapshot } from "./results.js";

export const CHECKPOINT_FILE = "checkpoint.bin";
export const LOG_FILE = "log.jsonl";
export const STATE_FILE = "state.json";
export const RUN_FILE = "run.json";
const LOCK_FILE = "lock";

/** What a run remembers beside its checkpoint. */
export interface RunState {
  /** ISO 8601, of the first sitting. */
  started: string;
  trainingSeconds: number;
  scoringSeconds: number;
  scored: ScoredSnapshot[];
}

/** null when there is none. @throws ExperimentError when it is damaged. */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ExperimentError(path, "is not JSON: delete the run's folder, to have it made again", { cause });
  }
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** The lines of a log: what was logged after the checkpoint will happen, and be logged, again. */
export class RunLog {
  private pending: string[] = [];

  private constructor(private readonly path: string) {}

  /** @param from steps done: later lines go. */
  static async open(folder: string, from: number): Promise<RunLog> {
    const path = join(folder, LOG_FILE);
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    const kept = text.split("\n").filter((line) => {
      try {
        return (JSON.parse(line) as RunPoint).totalSteps <= from;
      } catch {
        // A line that a crash cut short.
        return false;
      }
    });
    await mkdir(folder, { recursive: true });
    await writeAtomically(path, kept.map((line) => `${line}\n`).join(""));
    return new RunLog(path);
  }

  add(line: RunPoint & Record<string, unknown>): void {
    this.pending.push(`${JSON.stringify(line)}\n`);
  }

  async flush(): Promise<void> {
    const text = this.pending.join("");
    this.pending = [];
    if (text !== "") await appendFile(this.path, text);
  }
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

/**
 * Takes a run for this process, so that two experiments in one folder do not write over each other.
 * @returns null when another living process has it; else what gives it back.
 */
export async function lockRun(folder: string): Promise<(() => Promise<void>) | null> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, LOCK_FILE);
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(path, "wx");
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const pid = Number(await readFile(path, "utf8").catch(() => ""));
      if (pid > 0 && pid !== process.pid && alive(pid)) return null;
      // Left behind by a process that was killed.
      await rm(path, { force: true });
    }
  }
  return null;
}
