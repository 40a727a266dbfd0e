import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { csvParts } from "../../../src/export/csv.js";
import { FolderSink } from "../../../src/export/folder_sink_node.js";
import { columnName, objectExport } from "../../../src/export/object_columns.js";
import { parquetFile } from "../../../src/export/parquet.js";
import { writeTable } from "../../../src/export/table_file.js";
import type { ExportTable } from "../../../src/export/types.js";
import { ObjectTable } from "../../../src/morphology/object_table.js";
import {
  FLAG_BORDER,
  FLAG_MEASURED,
  FLAG_PARTIAL,
  OBJECT_COLUMN_IDS,
  type ObjectColumn,
} from "../../../src/morphology/object_types.js";
import { readCsv } from "./read_csv.js";

const csv = (table: ExportTable) => Buffer.concat([...csvParts(table)]).toString("utf8");

function tableOf(numbers: number[], texts: (string | undefined)[], flags: boolean[]): ExportTable {
  const plain = { unit: "", description: "" };
  return {
    rows: numbers.length,
    columns: [
      { ...plain, name: "id", type: "integer", values: numbers.map((_, i) => 2 ** 52 + i) },
      { ...plain, name: "volume_nm3", unit: "nm³", type: "number", values: numbers },
      { ...plain, name: 'no "name", at all', type: "text", values: texts },
      { ...plain, name: "touches", type: "boolean", values: flags },
    ],
    about: { volume: "em – ½" },
  };
}

const rows = fc.array(
  fc.tuple(
    fc.double(),
    fc.option(fc.string({ unit: fc.constantFrom("a", ",", '"', "\r", "\n", "é", "½", " ", "=") }), {
      nil: undefined,
    }),
    fc.boolean(),
  ),
  { maxLength: 30 },
);
const arbitraryTable = rows.map((list) =>
  tableOf(
    list.map(([n]) => n),
    list.map(([, text]) => text),
    list.map(([, , flag]) => flag),
  ),
);

describe("a table as CSV", () => {
  it("is RFC 4180, and reads back as it was", () => {
    fc.assert(
      fc.property(arbitraryTable, (table) => {
        const [head, ...body] = readCsv(csv(table));
        expect(head).toEqual(["id", "volume_nm3", 'no "name", at all', "touches"]);
        expect(body.length).toBe(table.rows);
        const [, numbers, texts, flags] = table.columns;
        body.forEach(([id, number, text, flag], i) => {
          expect(Number(id)).toBe(2 ** 52 + i);
          const value = numbers.values[i] as number;
          if (Number.isFinite(value)) expect(Number(number) === value).toBe(true);
          else expect(number).toBe("");
          expect(text).toBe(texts.values[i] ?? "");
          expect(flag).toBe(String(flags.values[i]));
        });
      }),
      { numRuns: 200, seed: 5 },
    );
  });

  it("has a line for each of many rows, in parts", () => {
    const many = tableOf(
      Array.from({ length: 4500 }, (_, i) => i / 7),
      Array.from({ length: 4500 }, () => "x"),
      Array.from({ length: 4500 }, () => true),
    );
    expect([...csvParts(many)].length).toBe(4);
    const lines = csv(many).split("\r\n");
    expect(lines.length).toBe(4502);
    expect(lines[4500]).toBe(`${2 ** 52 + 4499},${4499 / 7},x,true`);
  });
});

describe("a table as Parquet", () => {
  it("reads back with hyparquet as it was", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryTable, async (table) => {
        const file = parquetFile(table).buffer;
        const read = await parquetReadObjects({ file });
        expect(read.length).toBe(table.rows);
        read.forEach((row, i) => {
          expect(row.id).toBe(BigInt(2 ** 52 + i));
          const value = table.columns[1].values[i] as number;
          expect(row.volume_nm3).toEqual(Number.isFinite(value) ? value : null);
          expect(row['no "name", at all']).toBe(table.columns[2].values[i] ?? null);
          expect(row.touches).toBe(table.columns[3].values[i]);
        });
      }),
      { numRuns: 100, seed: 6 },
    );
  });

  it("says where it came from and what its columns are", () => {
    const file = parquetFile(tableOf([1], ["a"], [true])).buffer;
    const value = parquetMetadata(file).key_value_metadata?.find(({ key }) => key === "chondria")?.value;
    expect(JSON.parse(value!)).toMatchObject({
      about: { volume: "em – ½" },
      columns: [{ name: "id" }, { name: "volume_nm3", unit: "nm³" }, {}, {}],
    });
  });
});

const COLUMNS: ObjectColumn[] = [
  { id: "voxels", title: "Voxels", unit: "voxels", kind: "additive", description: "How many." },
  { id: "volume", title: "Volume", unit: "nm³", kind: "additive", description: "Of all voxels." },
  { id: "solidity", title: "Solidity", unit: "", kind: "whole", description: "Of the hull." },
];

function objects(): ObjectTable {
  const table = new ObjectTable();
  const values = new Float64Array(3 * OBJECT_COLUMN_IDS.length).fill(Number.NaN);
  [5, 6, 7].forEach((voxels, i) => {
    values[i * OBJECT_COLUMN_IDS.length] = voxels;
    values[i * OBJECT_COLUMN_IDS.length + 1] = voxels * 125;
  });
  values[OBJECT_COLUMN_IDS.indexOf("solidity")] = 0.875;
  table.apply({
    ids: Float64Array.of(2 ** 40 + 1, 7, 8),
    values,
    flags: Uint8Array.of(FLAG_MEASURED, FLAG_BORDER | FLAG_PARTIAL, 0),
    gone: new Float64Array(0),
  });
  return table;
}

describe("the table of objects", () => {
  it("names its columns with their units, in ASCII", () => {
    expect(columnName("equivalentDiameter", "nm")).toBe("equivalent_diameter_nm");
    expect(columnName("volume", "nm³")).toBe("volume_nm3");
    expect(columnName("voxels", "voxels")).toBe("voxels");
    expect(columnName("azimuth", "°")).toBe("azimuth_degrees");
    for (const id of OBJECT_COLUMN_IDS) expect(columnName(id, "")).toMatch(/^[a-z_]+$/);
  });

  it("leaves out what is not measured, and says why", () => {
    const text = csv(objectExport(objects(), COLUMNS, {}));
    expect(readCsv(text)).toEqual([
      ["id", "voxels", "volume_nm3", "solidity", "touches_border", "status"],
      ["1099511627777", "5", "625", "0.875", "false", "ok"],
      ["7", "6", "750", "", "true", "partial"],
      ["8", "7", "875", "", "false", "not measured"],
    ]);
    expect(readCsv(csv(objectExport(objects(), COLUMNS, {}, [2, 0]))).map(([id]) => id)).toEqual([
      "id",
      "8",
      "1099511627777",
    ]);
  });
});

describe("table files", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "chondria-tables-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("come with the meaning of their columns", async () => {
    const sink = new FolderSink(folder);
    const table = objectExport(objects(), COLUMNS, { volume: "em.zarr" });
    await writeTable(sink, "objects.csv", table, "csv");
    const about = JSON.parse(await readFile(join(folder, "objects.csv.json"), "utf8"));
    expect(about.about).toEqual({ volume: "em.zarr" });
    expect(about.columns[2]).toEqual({ name: "volume_nm3", unit: "nm³", description: "Of all voxels." });
    await writeTable(sink, "objects.parquet", table, "parquet");
    expect(existsSync(join(folder, "objects.parquet.json"))).toBe(false);
  });
});
