import { csvParts } from "./csv.js";
import { parquetFile } from "./parquet.js";
import type { ExportSink, ExportTable, TableFormat } from "./types.js";

/**
 * Writes a table. CSV has its units in the names of the columns; what they mean and where the table came from is in a second file,
 * `<path>.json`, and in a Parquet file itself.
 */
export async function writeTable(
  sink: ExportSink,
  path: string,
  table: ExportTable,
  format: TableFormat,
): Promise<void> {
  if (format === "parquet") return sink.write(path, [parquetFile(table)]);
  const columns = table.columns.map(({ name, unit, description }) => ({ name, unit, description }));
  const about = `${JSON.stringify({ about: table.about, columns }, null, 2)}\n`;
  await sink.write(`${path}.json`, [new TextEncoder().encode(about)]);
  await sink.write(path, [...csvParts(table)]);
}
