import { constants, type Stats } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";

/** Names that begin with a dot and are part of a volume; all others (".git", ".ssh", ".env") are not given out. */
const VOLUME_DOT_FILES = new Set([".zarray", ".zattrs", ".zgroup", ".zmetadata"]);

/**
 * The path of a request target as names, each decoded exactly once; undefined when it is anything but plain names: "..",
 * "." or empty names, encoded slashes and backslashes, backslashes, control characters, drive letters and
 * streams of Windows, broken escapes, hidden files. A file that such a name would be is not reachable, which is meant.
 * @param target as on the wire, still encoded: "/a/b%20c.json?x=1".
 */
export function pathSegments(target: string): string[] | undefined {
  const end = target.search(/[?#]/);
  const path = end < 0 ? target : target.slice(0, end);
  if (!path.startsWith("/") || path.length > 4096) return undefined;
  const names: string[] = [];
  for (const encoded of path.slice(1).split("/")) {
    let name: string;
    try {
      name = decodeURIComponent(encoded);
    } catch {
      return undefined;
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    if (/[/\\\u0000-\u001f\u007f]/.test(name)) return undefined;
    if (name.startsWith(".") && !VOLUME_DOT_FILES.has(name)) return undefined;
    if (process.platform === "win32" && /[:<>"|?*]|[. ]$/.test(name)) return undefined;
    names.push(name);
  }
  // A "/" at the end names a folder, one in the middle nothing at all.
  if (names.at(-1) === "") names.pop();
  return names.includes("") ? undefined : names;
}

/** Whether `path` is `folder` or inside of it; both absolute and without links. */
export function isInside(folder: string, path: string): boolean {
  const between = relative(folder, path);
  return between === "" || (between !== ".." && !between.startsWith(`..${sep}`) && !isAbsolute(between));
}

export interface OpenedFile {
  readonly file: FileHandle;
  readonly stat: Stats;
}

/**
 * Opens a regular file below `root`. Links are followed only as far as they stay inside. Folders, devices, pipes and
 * sockets are no files (a pipe is opened without waiting for its writer).
 * @param root an absolute path without links.
 * @returns undefined when there is no such file, or it is none that may be given out.
 */
export async function openInside(root: string, names: readonly string[]): Promise<OpenedFile | undefined> {
  let file: FileHandle | undefined;
  try {
    const path = await realpath(join(root, ...names));
    if (!isInside(root, path)) return undefined;
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0));
    const stat = await file.stat();
    if (stat.isFile()) return { file, stat };
    await file.close();
    return undefined;
  } catch (error) {
    await file?.close();
    const code = (error as NodeJS.ErrnoException).code ?? "";
    // Not there, not a file, not readable, a loop of links, a name too long: all the same to who asks.
    if (/^(ENOENT|ENOTDIR|EISDIR|EACCES|EPERM|ELOOP|ENAMETOOLONG|EINVAL|ENXIO|ENODEV)$/.test(code))
      return undefined;
    throw error;
  }
}
