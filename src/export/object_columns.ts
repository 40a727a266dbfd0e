import type { ObjectTable } from "../morphology/object_table.js";
import {
  FLAG_BORDER,
  FLAG_FAILED,
  FLAG_MEASURED,
  FLAG_PARTIAL,
  type ObjectColumn,
} from "../morphology/object_types.js";
import type { ExportTable, TableColumn } from "./types.js";

const ASCII_UNITS: Readonly<Record<ObjectColumn["unit"], string>> = {
  "": "",
  nm: "nm",
  "nm²": "nm2",
  "nm³": "nm3",
  voxels: "voxels",
  "°": "degrees",
};

/** "equivalentDiameter" in nm: "equivalent_diameter_nm". */
export function columnName(id: string, unit: ObjectColumn["unit"]): string {
  const words = id.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const ending = ASCII_UNITS[unit];
  return ending === "" || words === ending ? words : `${words}_${ending}`;
}

/** Whole numbers among the columns: written as such. */
const INTEGERS = new Set(["voxels", "sections", "eulerNumber", "branches"]);

/** "ok" for an object that is all there and measured. */
function statusOf(flags: number): string {
  if (flags & FLAG_FAILED) return "not measurable";
  if (flags & FLAG_PARTIAL) return "partial";
  return flags & FLAG_MEASURED ? "ok" : "not measured";
}

/**
 * The objects as a table to be written, in the order of `rows`: its id, the columns, whether it
 * touches the border of the volume, and what its numbers stand for.
 *
 * @param rows positions in `table`; all of them when absent.
 */
export function objectExport(
  table: ObjectTable,
  columns: readonly ObjectColumn[],
  about: Readonly<Record<string, string>>,
  rows: readonly number[] = Array.from({ length: table.size }, (_, row) => row),
): ExportTable {
  const at = <T>(value: (row: number) => T) => rows.map(value);
  const measures = columns.map(
    ({ id, unit, description }): TableColumn => ({
      name: columnName(id, unit),
      unit,
      description,
      type: INTEGERS.has(id) ? "integer" : "number",
      values: Float64Array.from(rows, (row) => table.value(row, id as Parameters<ObjectTable["value"]>[1])),
    }),
  );
  return {
    rows: rows.length,
    columns: [
      {
        name: "id",
        unit: "",
        description: "Segment id of the object, as in Neuroglancer and in exported labels and meshes.",
        type: "integer",
        values: Float64Array.from(rows, (row) => table.id(row)),
      },
      ...measures,
      {
        name: "touches_border",
        unit: "",
        description:
          "Whether the object touches the border of the volume, so that a part of it may be missing.",
        type: "boolean",
        values: at((row) => (table.flags(row) & FLAG_BORDER) !== 0),
      },
      {
        name: "status",
        unit: "",
        description:
          '"ok"; "partial": it goes on in chunks that were not computed, so its numbers are of the part that is known; "not measured": columns that need the whole object are empty; "not measurable": they could not be had.',
        type: "text",
        values: at((row) => statusOf(table.flags(row))),
      },
    ],
    about,
  };
}
