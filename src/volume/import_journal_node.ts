import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeError, writeWhole } from "./ome_zarr_write_node.js";
import { VolumeError } from "./types.js";

const JOURNAL_NAME = ".chondria-import.json";
const LOCK_NAME = ".chondria-import.lock";

/** What to do when the output, or an unfinished one, is there. */
export type ExistingOutput = "fail" | "resume" | "overwrite";

/** How far an import has come; only work that is wholly on disk counts. */
interface JournalState {
  /** Digest of the input and of every option that changes a byte of the output. */
  readonly fingerprint: string;
  /** Rows of chunks that are written, of `total`. */
  readonly done: number;
  readonly total: number;
}

/** The right to write one output. The work is done in `<output>.partial`, which gets its name when it is whole. */
export interface OutputClaim {
  /** The output is there already, from the same input with the same options: nothing is to be done. */
  readonly complete: boolean;
  /** Rows that an earlier run has written. */
  readonly done: number;
  /** Note that the first `done` rows are on disk. */
  advance(done: number): Promise<void>;
  /** Give the finished volume its name. */
  publish(): Promise<void>;
  /** Let others write there; what is written stays for a resume. */
  release(): Promise<void>;
}

/**
 * Look at what is there, refuse what must not be touched, and lock the rest.
 *
 * @throws VolumeError when the output exists and may not be replaced, an unfinished import is there and neither resume
 *   nor overwrite was asked for, it was begun with something else, or another process is writing it.
 */
export async function claimOutput(
  output: string,
  { existing, fingerprint, total }: { existing?: ExistingOutput; fingerprint: string; total: number },
): Promise<OutputClaim> {
  const partial = `${output}.partial`;
  const occupant = await inspect(output);
  if (occupant.kind === "other") {
    throw new VolumeError(
      output,
      "exists and is no Zarr volume, so it is not overwritten: choose another name",
    );
  }
  if (occupant.kind === "volume" && existing !== "overwrite") {
    if (existing === "resume" && occupant.fingerprint === fingerprint) {
      await rm(join(output, JOURNAL_NAME), { force: true });
      const nothing = async () => {};
      return { complete: true, done: total, advance: nothing, publish: nothing, release: nothing };
    }
    const what = existing === "resume" ? "was made from another input or with other options" : "exists";
    throw new VolumeError(output, `${what}: choose another name, or replace it with --overwrite`);
  }
  await checkPartial(partial, existing);
  const release = await lockFolder(partial);
  try {
    // Read under the lock: a run that ended just now may have come further.
    const journal = await readJournal(partial);
    if (existing !== "resume") await clear(partial);
    else if (journal && (journal.fingerprint !== fingerprint || journal.total !== total)) {
      throw new VolumeError(
        partial,
        "was begun with another input or other options: start over with --overwrite",
      );
    }
    const done = existing === "resume" ? (journal?.done ?? 0) : 0;
    const advance = (rows: number) => writeJournal(partial, { fingerprint, done: rows, total });
    await advance(done);
    return { complete: false, done, advance, publish: () => publish(partial, output), release };
  } catch (error) {
    await release();
    throw error;
  }
}

async function checkPartial(partial: string, existing?: ExistingOutput): Promise<void> {
  const { kind } = await inspect(partial);
  const journal = await readJournal(partial);
  if (kind === "nothing") return;
  if (!journal)
    throw new VolumeError(
      partial,
      "exists and was not made by an import: move it away, or choose another output",
    );
  if (existing === "resume" || existing === "overwrite") return;
  const { done, total } = journal;
  throw new VolumeError(
    partial,
    `holds an unfinished import (${done} of ${total} rows of chunks): go on with --resume, or start over with --overwrite`,
  );
}

/** Rename the finished volume; what it replaces is deleted only once the new one has its name. */
async function publish(partial: string, output: string): Promise<void> {
  const old = `${output}.replaced`;
  try {
    await rm(old, { recursive: true, force: true });
    await rename(output, old).catch((cause) => {
      if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    });
    await rename(partial, output);
    await rm(old, { recursive: true, force: true });
    for (const name of [JOURNAL_NAME, LOCK_NAME]) await rm(join(output, name), { force: true });
  } catch (cause) {
    throw writeError(output, cause);
  }
}

/** Empty a folder but for its lock. */
async function clear(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name !== LOCK_NAME) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** What lies at a path where an import wants to write. */
type Occupant =
  | { readonly kind: "nothing" }
  | { readonly kind: "volume"; readonly fingerprint?: string }
  | { readonly kind: "other" };

async function inspect(path: string): Promise<Occupant> {
  let entries: string[];
  try {
    entries = await readdir(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return { kind: "nothing" };
    if (code === "ENOTDIR") return { kind: "other" };
    throw new VolumeError(path, "cannot be looked into: check the permissions", { cause });
  }
  for (const name of [".zattrs", "zarr.json"]) {
    if (entries.includes(name))
      return { kind: "volume", fingerprint: await storedFingerprint(join(path, name)) };
  }
  if (entries.includes(".zarray") || entries.includes(".zgroup")) return { kind: "volume" };
  // A run that was killed as it began leaves a lock, or a journal that did not get its name yet.
  return {
    kind: entries.every((name) => name === LOCK_NAME || name === `${JOURNAL_NAME}.tmp`) ? "nothing" : "other",
  };
}

/** The journal in `folder`; undefined when there is none that can be understood. */
async function readJournal(folder: string): Promise<JournalState | undefined> {
  const { fingerprint, done, total } = (await readObject(join(folder, JOURNAL_NAME))) ?? {};
  const counts = [done, total].every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
  return typeof fingerprint === "string" && counts && (done as number) <= (total as number)
    ? { fingerprint, done: done as number, total: total as number }
    : undefined;
}

async function writeJournal(folder: string, state: JournalState): Promise<void> {
  await writeWhole(join(folder, JOURNAL_NAME), JSON.stringify(state));
}

async function storedFingerprint(path: string): Promise<string | undefined> {
  const document = await readObject(path);
  // OME-NGFF 0.4 has attributes in a file of their own, 0.5 under a key.
  const attributes = (document?.attributes ?? document) as
    | { chondria?: { fingerprint?: unknown } }
    | undefined;
  const fingerprint = attributes?.chondria?.fingerprint;
  return typeof fingerprint === "string" ? fingerprint : undefined;
}

async function readObject(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Keep other imports out of `folder` (made when missing) until the returned function is called. A lock whose process
 * has ended, killed or not, is taken over.
 *
 * @throws VolumeError when another import is at work there.
 */
async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, LOCK_NAME);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(path, `${process.pid}`, { flag: "wx" });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw writeError(folder, cause);
    const pid = Number(await readFile(path, "utf8").catch(() => ""));
    if (pid !== process.pid && isRunning(pid)) {
      throw new VolumeError(
        folder,
        `process ${pid} is writing there: wait for it, or delete ${path} if it is no import`,
      );
    }
    await writeFile(path, `${process.pid}`);
  }
  return () => rm(path, { force: true });
}

function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It runs, but belongs to someone else.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
