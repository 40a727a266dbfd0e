import * as v from "valibot";
import { assertPlain } from "../model/json.js";
import { actionSchemas, stampSchema } from "./schema.js";
import { type Action, EditLogError, type ForeignOperation, type Operation, type Stamp } from "./types.js";

/** 100,000 markers take about 2 MB. */
const MAX_LINE = 4 * 2 ** 20;
const STAMP_KEYS = ["id", "time", "author", "after", "model", "volume", "settings"] as const;

export interface ReadLog {
  readonly operations: readonly Operation[];
  /** Lines that hold no operation: what is wrong with them, file and line first. */
  readonly damage: readonly string[];
  /** The last line ends in the middle: the program that wrote it was stopped. That operation is lost, and only that one. */
  readonly truncated: boolean;
}

/**
 * One operation as a line of JSON, without its end. Keys come in one order, whatever the order they were given in, so that equal operations
 * are equal lines.
 */
export function formatOperation(operation: Operation): string {
  return JSON.stringify(sorted(operation.kind === "not understood" ? operation.record : operation));
}

/** The file of a log: a line an operation. */
export function formatLog(operations: Iterable<Operation>): string {
  let text = "";
  for (const operation of operations) text += `${formatOperation(operation)}\n`;
  return text;
}

/**
 * Reads the file of a log. Empty lines are passed over.
 * @param name of the file, for messages.
 */
export function readLog(text: string, name: string): ReadLog {
  const operations: Operation[] = [];
  const damage: string[] = [];
  let truncated = false;
  const lines = text.replace(/^\ufeff/, "").split("\n");
  const whole = lines.length - 1;
  lines.forEach((line, i) => {
    if (line.trim() === "") return;
    try {
      operations.push(parseOperation(line, `${name}:${i + 1}`));
    } catch (error) {
      if (i === whole && !isJson(line)) truncated = true;
      else damage.push((error as Error).message);
    }
  });
  return { operations, damage, truncated };
}

/**
 * As `readLog`, for where a damaged line must not be passed over.
 * @throws EditLogError naming file and line.
 */
export function parseLog(text: string, name: string): ReadLog {
  const read = readLog(text, name);
  if (read.damage.length === 0) return read;
  const more = read.damage.length > 1 ? ` (and ${read.damage.length - 1} more lines)` : "";
  throw new EditLogError(`${read.damage[0]}${more}`);
}

/**
 * @param where file and line, for the message.
 * @throws EditLogError when the line is not an operation. One of a kind, or with a parameter, that this version does not know is no error:
 * it is kept as it is.
 */
export function parseOperation(line: string, where: string): Operation {
  if (line.length > MAX_LINE) throw new EditLogError(`${where}: is longer than any operation`);
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    throw new EditLogError(`${where}: is not JSON: a line of the log is damaged, or this is no log of edits`);
  }
  return checkOperation(record, where);
}

/** `parseOperation` for a value that was stored as it is. @throws EditLogError */
export function checkOperation(record: unknown, where: string): Operation {
  try {
    assertPlain(record);
  } catch (error) {
    throw new EditLogError(`${where}: ${(error as Error).message}`);
  }
  const stamp = v.safeParse(stampSchema, record);
  if (!stamp.success) throw wrong(where, stamp.issues[0]);
  const { kind } = record as { kind?: unknown };
  if (typeof kind !== "string" || kind === "" || kind.length > 64)
    throw new EditLogError(`${where}: kind: must be the name of an operation`);
  const action = parametersOf(record as Record<string, unknown>);
  const found: Stamp = stampOf(stamp.output);
  if (!Object.hasOwn(actionSchemas, kind)) return foreign(found, record);
  const parsed = v.safeParse(
    actionSchemas[kind as Action["kind"]] as v.GenericSchema<unknown, Action>,
    action,
  );
  if (parsed.success) return { ...found, ...parsed.output };
  // A parameter that is not known may change what the others mean, so that the whole is not understood.
  const unknown = parsed.issues.every(
    (issue) => issue.type === "strict_object" && issue.expected === "never",
  );
  if (unknown) return foreign(found, record);
  throw wrong(where, parsed.issues[0]);
}

/** Kind of an operation as its author's version names it. */
export function kindOf(operation: Operation): string {
  return operation.kind === "not understood" ? String(operation.record.kind) : operation.kind;
}

function foreign(stamp: Stamp, record: unknown): ForeignOperation {
  return { ...stamp, kind: "not understood", record: record as Record<string, unknown> };
}

function stampOf({ id, time, author, after, model, volume, settings }: Stamp): Stamp {
  return {
    id,
    time,
    author,
    after,
    model,
    volume: { url: volume.url, scale: volume.scale },
    settings: { threshold: settings.threshold, connectivity: settings.connectivity },
  };
}

function parametersOf(record: Record<string, unknown>): Record<string, unknown> {
  const stamp = new Set<string>(STAMP_KEYS);
  return Object.fromEntries(Object.entries(record).filter(([key]) => !stamp.has(key)));
}

function wrong(where: string, issue: v.BaseIssue<unknown>): EditLogError {
  const path = v.getDotPath(issue);
  return new EditLogError(`${where}: ${path ? `${path}: ` : ""}${issue.message}`);
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** Stamp first, then the kind, then the rest by name. */
function sorted(value: object): Record<string, unknown> {
  const rank = (key: string) => {
    const at = (STAMP_KEYS as readonly string[]).indexOf(key);
    return at >= 0 ? String.fromCharCode(at + 1) : key === "kind" ? "\x10" : key;
  };
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, canonical(item)]));
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, canonical(item)]));
}
