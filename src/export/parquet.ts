import { ByteWriter, parquetWrite } from "hyparquet-writer/src/index.js";
import type { Bytes, ExportTable, TableColumn } from "./types.js";

type Cell = number | bigint | boolean | string | null;

function cells(column: TableColumn, rows: number): { data: Cell[]; nullable: boolean } {
  const value = (row: number): Cell => {
    switch (column.type) {
      case "number":
        return Number.isFinite(column.values[row]) ? column.values[row] : null;
      case "integer":
        return Number.isFinite(column.values[row]) ? BigInt(Math.round(column.values[row])) : null;
      case "boolean":
        return column.values[row];
      case "text":
        return column.values[row] ?? null;
    }
  };
  const data = Array.from({ length: rows }, (_, row) => value(row));
  return { data, nullable: data.includes(null) };
}

const TYPES = { number: "DOUBLE", integer: "INT64", boolean: "BOOLEAN", text: "STRING" } as const;

/**
 * A table as Parquet (Snappy): numbers as DOUBLE, whole numbers as INT64, absent values as null. Units, descriptions and where the
 * table came from are key-value metadata under "chondria", as JSON.
 */
export function parquetFile({ rows, columns, about }: ExportTable): Bytes {
  const writer = new ByteWriter();
  parquetWrite({
    writer,
    columnData: columns.map((column) => ({
      name: column.name,
      type: TYPES[column.type],
      ...cells(column, rows),
    })),
    kvMetadata: [
      {
        key: "chondria",
        value: JSON.stringify({
          about,
          columns: columns.map(({ name, unit, description }) => ({ name, unit, description })),
        }),
      },
    ],
    createdBy: "chondria",
  });
  return new Uint8Array(writer.getBuffer());
}
