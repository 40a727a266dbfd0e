/** Bytes of a file, made for one use: a sink may transfer or keep them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Where the files of an export go: a folder on a disk, or a zip archive that is made on the way. */
export interface ExportSink {
  /** As a message should name it. */
  readonly name: string;
  /**
   * Writes a file whole: it is never seen half written under its name.
   * @param path segments with "/" between them, none of them "..". @param parts the file's bytes in order.
   * @throws ExportError when it cannot be written, saying why and what to do.
   */
  write(path: string, parts: readonly Bytes[]): Promise<void>;
}

/** An export that cannot be made or went wrong: names the target or input and says what to do. */
export class ExportError extends Error {
  override name = "ExportError";
  constructor(
    readonly target: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(`${target}: ${message}`, options);
  }
}

/** How far an export is. */
export interface ExportProgress {
  readonly done: number;
  readonly total: number;
  /** What is counted, as in "chunks written". */
  readonly unit: string;
}

export type OnProgress = (progress: ExportProgress) => void;

/** One column of a table. Absent values: NaN in numbers, undefined in texts. */
export type TableColumn = {
  /** Unique; ASCII, with the unit behind it: "volume_nm3". */
  readonly name: string;
  /** "" when it has none. */
  readonly unit: string;
  /** One sentence. */
  readonly description: string;
} & (
  | { readonly type: "number" | "integer"; readonly values: ArrayLike<number> }
  | { readonly type: "boolean"; readonly values: ArrayLike<boolean> }
  | { readonly type: "text"; readonly values: ArrayLike<string | undefined> }
);

/** A table to be written: columns of equal length. Plain data, to be sent between threads. */
export interface ExportTable {
  readonly rows: number;
  readonly columns: readonly TableColumn[];
  /** Where it came from: volume, model, settings. */
  readonly about: Readonly<Record<string, string>>;
}

export type TableFormat = "csv" | "parquet";
