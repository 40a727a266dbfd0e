import type { Bytes, ExportTable, TableColumn } from "./types.js";

/** Rows that are made into text at once. */
const ROWS_AT_ONCE = 2000;

/** A field as RFC 4180 has it: in quotes where it holds a comma, a quote or a line break, quotes doubled. */
function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function cell(column: TableColumn, row: number): string {
  switch (column.type) {
    case "number":
    case "integer":
      // The shortest text that reads back as the same number; "-0" as 0.
      return Number.isFinite(column.values[row]) ? String(column.values[row]) : "";
    case "boolean":
      return column.values[row] ? "true" : "false";
    case "text":
      return field(column.values[row] ?? "");
  }
}

/**
 * A table as CSV (RFC 4180, UTF-8, CRLF), a part at a time: a line of names with their units, then one line a row. What is absent,
 * or not finite, is an empty field.
 */
export function* csvParts({ rows, columns }: ExportTable): Generator<Bytes> {
  const encoder = new TextEncoder();
  yield encoder.encode(`${columns.map(({ name }) => field(name)).join(",")}\r\n`);
  for (let first = 0; first < rows; first += ROWS_AT_ONCE) {
    let text = "";
    for (let row = first; row < Math.min(rows, first + ROWS_AT_ONCE); ++row)
      text += `${columns.map((column) => cell(column, row)).join(",")}\r\n`;
    yield encoder.encode(text);
  }
}
