import { throttle } from "lodash-es";
import { formatLog, readLog } from "../../src/proofreading/json_lines.js";
import { readAuthor } from "./author.js";
import type { EditSession } from "./session.js";

/** The file is written again at most this often, ms. */
const INTERVAL = 1000;

type Folder = FileSystemDirectoryHandle & { values(): AsyncIterable<FileSystemHandle> };
type PickFolder = (options: object) => Promise<Folder>;

/** A folder of the user's with the log as a file, written anew as it grows, and the logs of others, read when it is chosen. */
export class EditFolder {
  private folder: Folder | undefined;
  private session: EditSession | undefined;
  private written = 0;
  private writing: Promise<void> = Promise.resolve();
  private readonly later = throttle(() => this.write(), INTERVAL, { leading: false });

  /** Whether the browser lets pages write into folders. */
  static get isThere(): boolean {
    return "showDirectoryPicker" in globalThis;
  }

  /** @returns what was read, for people; undefined when the user chose none. @throws Error when the folder cannot be used. */
  async choose(session: EditSession): Promise<string | undefined> {
    const { showDirectoryPicker } = globalThis as unknown as { showDirectoryPicker: PickFolder };
    try {
      this.folder = await showDirectoryPicker({ id: "chondria-edits", mode: "readwrite" });
    } catch (error) {
      if (error instanceof Error && error.name === "AbortError") return undefined;
      throw error;
    }
    this.session = session;
    this.written = -1;
    let added = 0;
    let files = 0;
    for await (const entry of this.folder.values()) {
      if (entry.kind !== "file" || !entry.name.endsWith(".jsonl")) continue;
      const file = await (entry as FileSystemFileHandle).getFile();
      const { operations, damage } = readLog(await file.text(), file.name);
      if (damage.length > 0 && operations.length === 0) continue;
      const mine = operations.filter(
        ({ volume, model }) =>
          volume.url === session.volume.url &&
          volume.scale === session.volume.scale &&
          model === session.mito.model.digest,
      );
      ++files;
      added += await session.import(mine);
    }
    await this.write();
    return `Kept in step with the folder. ${added} new operations from ${files} files in it.`;
  }

  follow(session: EditSession): void {
    if (session === this.session && session.log.size !== this.written) this.later();
  }

  dispose(): void {
    this.later.flush();
  }

  /** The browser writes to a temporary file and puts it in the place of the old one when it is closed. */
  private write(): Promise<void> {
    this.writing = this.writing.then(async () => {
      const { folder, session } = this;
      if (folder === undefined || session === undefined) return;
      const { operations, size } = session.log;
      if (size === this.written) return;
      try {
        const name = `edits-${readAuthor().replace(/[^\w-]+/g, "_")}.jsonl`;
        const file = await folder.getFileHandle(name, { create: true });
        const stream = await file.createWritable();
        await stream.write(formatLog(operations));
        await stream.close();
        this.written = size;
      } catch (error) {
        this.folder = undefined;
        session.problem = `the folder cannot be written (${error instanceof Error ? error.message : error}): choose it again`;
        session.changed.dispatch();
      }
    });
    return this.writing;
  }
}
