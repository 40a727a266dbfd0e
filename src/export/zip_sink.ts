import { Zip, ZipDeflate, ZipPassThrough } from "fflate";
import { type Bytes, ExportError, type ExportSink } from "./types.js";

/** Limits of an archive without the 64-bit extension; readers of such archives are everywhere. */
export const MOST_ZIP_FILES = 65_535;
/** A browser keeps the archive until it is saved: above this a folder is the place for an export. */
export const MOST_ZIP_BYTES = 2 ** 31;

/** Files that are compressed already, or do not gain. */
const isDense = (path: string) => !/\.(csv|json|ply|mesh|txt)$|(^|\/)\.z[a-z]+$/.test(path);

/**
 * An archive that is made while files come in: what is done goes to `take` at once, so that only one file is held. Every path comes
 * once.
 */
export class ZipSink implements ExportSink {
  private readonly zip: Zip;
  private files = 0;
  private bytes = 0;
  private failure: unknown;

  /** @param take gets the archive's bytes in order. */
  constructor(
    readonly name: string,
    private readonly take: (bytes: Bytes) => void,
  ) {
    this.zip = new Zip((error, bytes) => {
      if (error !== null) this.failure ??= error;
      else {
        this.bytes += bytes.length;
        this.take(bytes as Bytes);
      }
    });
  }

  async write(path: string, parts: readonly Bytes[]): Promise<void> {
    const adding = parts.reduce((sum, { length }) => sum + length, 0);
    // The list of files at the end takes about 100 bytes and the path of each.
    if (this.files + 1 > MOST_ZIP_FILES || this.bytes + adding + 400 * (this.files + 1) > MOST_ZIP_BYTES)
      throw new ExportError(
        this.name,
        `is more than a zip archive holds here (2 GiB, ${MOST_ZIP_FILES} files): choose a folder as target, or export less`,
      );
    ++this.files;
    const file = isDense(path) ? new ZipPassThrough(path) : new ZipDeflate(path, { level: 6 });
    this.zip.add(file);
    if (parts.length === 0) file.push(new Uint8Array(0), true);
    parts.forEach((part, i) => {
      file.push(part, i === parts.length - 1);
    });
    this.check();
  }

  /** Ends the archive; nothing can be written any more. */
  finish(): void {
    this.zip.end();
    this.check();
  }

  private check(): void {
    if (this.failure !== undefined)
      throw new ExportError(this.name, "the archive could not be made", { cause: this.failure });
  }
}
