import { readFile, stat } from "node:fs/promises";
import { writeWhole } from "../volume/ome_zarr_write_node.js";
import { formatLog, parseLog, type ReadLog, readLog } from "./json_lines.js";
import { EditLogError, type Operation } from "./types.js";

/** A million operations; a larger file is something else. */
const MAX_BYTES = 500 * 2 ** 20;

/**
 * Reads a log of edits.
 * @param skipDamaged leaves out lines that hold no operation, instead of refusing the file.
 * @throws EditLogError naming the file, and the line where one is damaged.
 */
export async function readLogFile(path: string, skipDamaged = false): Promise<ReadLog> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) throw new EditLogError(`${path}: is too large for a log of edits`);
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof EditLogError) throw cause;
    throw new EditLogError(`${path}: cannot be read: give the JSON Lines file of a log`, { cause });
  }
  return skipDamaged ? readLog(text, path) : parseLog(text, path);
}

/** Writes a log whole, or not at all. @throws VolumeError when it cannot be written. */
export async function writeLogFile(path: string, operations: Iterable<Operation>): Promise<void> {
  await writeWhole(path, formatLog(operations));
}
