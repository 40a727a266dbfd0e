import { throttle } from "lodash-es";
import { formatLog, readLog } from "../../src/proofreading/json_lines.js";
import { readAuthor } from "./author.js";
import type { EditSession } from "./session.js";

/** The file is written again at most this often, ms. */
const INTERVAL = 1000;
/** No log of edits is larger, bytes. */
const LARGEST_FILE = 512 * 2 ** 20;

type Folder = FileSystemDirectoryHandle & { values(): AsyncIterable<FileSystemHandle> };
type PickFolder = (options: object) => Promise<Folder>;

const folders = new WeakMap<EditSession, EditFolder>();

/** Whether the browser lets pages write into folders. */
export function canKeepFolder(): boolean {
  return "showDirectoryPicker" in globalThis;
}

/**
 * Asks for a folder, takes up the logs in it that are of the same prediction, and keeps a file of the log in it for as long as the page has
 * the session, whether the panel is open or not.
 * @returns what was read, for people; undefined when the user chose none. @throws Error when the folder cannot be used.
 */
export async function keepInFolder(session: EditSession): Promise<string | undefined> {
  const { showDirectoryPicker } = globalThis as unknown as { showDirectoryPicker: PickFolder };
  let handle: Folder;
  try {
    handle = await showDirectoryPicker({ id: "chondria-edits", mode: "readwrite" });
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") return undefined;
    throw error;
  }
  folders.get(session)?.end();
  const folder = new EditFolder(handle, session);
  folders.set(session, folder);
  return folder.start();
}

class EditFolder {
  private written = -1;
  private ended = false;
  private writing: Promise<void> = Promise.resolve();
  private readonly later = throttle(() => void this.write(), INTERVAL, { leading: false });
  private readonly unsubscribe: () => void;

  constructor(
    private readonly folder: Folder,
    private readonly session: EditSession,
  ) {
    this.unsubscribe = session.changed.add(() => {
      if (session.log.size !== this.written) this.later();
    });
    session.registerDisposer(() => {
      this.later.flush();
      this.end();
    });
  }

  async start(): Promise<string> {
    const { session } = this;
    let added = 0;
    let files = 0;
    for await (const entry of this.folder.values()) {
      if (entry.kind !== "file" || !entry.name.endsWith(".jsonl")) continue;
      const file = await (entry as FileSystemFileHandle).getFile();
      if (file.size > LARGEST_FILE) continue;
      const mine = readLog(await file.text(), file.name).operations.filter(
        ({ volume, model }) =>
          volume.url === session.volume.url &&
          volume.scale === session.volume.scale &&
          model === session.mito.model.digest,
      );
      if (mine.length === 0) continue;
      ++files;
      added += await session.import(mine);
    }
    await this.write();
    return `Kept in step with the folder. ${added} new operations from ${files} files in it.`;
  }

  end(): void {
    this.ended = true;
    this.unsubscribe();
    this.later.cancel();
  }

  /** The browser writes to a temporary file and puts it in the place of the old one when it is closed. */
  private write(): Promise<void> {
    this.writing = this.writing.then(async () => {
      const { operations, size } = this.session.log;
      if (this.ended || size === this.written) return;
      try {
        const name = `edits-${readAuthor().replace(/[^\w-]+/g, "_")}.jsonl`;
        const file = await this.folder.getFileHandle(name, { create: true });
        const stream = await file.createWritable();
        await stream.write(formatLog(operations));
        await stream.close();
        this.written = size;
      } catch (error) {
        this.end();
        this.session.problem = `the folder cannot be written (${error instanceof Error ? error.message : error}): choose it again`;
        this.session.changed.dispatch();
      }
    });
    return this.writing;
  }
}
