import { COLUMN_DISPLAY, formatCell, objectState, stateText } from "../../src/morphology/object_display.js";
import type { ObjectOrder, ObjectOrderColumn } from "../../src/morphology/object_query.js";
import type { ObjectTable } from "../../src/morphology/object_table.js";
import { OBJECT_COLUMN_IDS, type ObjectColumnId } from "../../src/morphology/object_types.js";
import type { TableColumn, TableRows } from "./table_rows.js";

/** Columns that can be shown, in this order: the measurements, and what is known of the object. */
export const SHOWABLE: readonly ObjectOrderColumn[] = ["id", ...OBJECT_COLUMN_IDS, "state"];

export const DEFAULT_COLUMNS: readonly ObjectOrderColumn[] = [
  "volume",
  "majorAxis",
  "solidity",
  "sphericity",
  "complexityIndex",
  "branches",
  "sections",
  "state",
];

export const DEFAULT_ORDER: ObjectOrder = { column: "volume", descending: true };

/** Text is sorted from its beginning, numbers from the large end: what stands out is at the top. */
export function startsDescending(column: ObjectOrderColumn): boolean {
  return column !== "id" && column !== "state";
}

/** @param describe one sentence on a measurement, for the tooltip. */
export function tableColumn(
  column: ObjectOrderColumn,
  describe: (column: ObjectColumnId) => string,
): TableColumn {
  if (column === "id")
    return { id: column, heading: "Segment", title: "Id of the object. Filter: id", width: 96 };
  if (column === "state")
    return {
      id: column,
      heading: "State",
      title:
        "whole: seen whole and measured; partial: goes on where nothing is computed yet; measuring: waits for it; border: cut by the end " +
        "of the volume. Filters: state:whole, partial:no, border:no",
      width: 58,
      text: true,
    };
  const { heading, unit } = COLUMN_DISPLAY[column];
  const head = unit === "" || unit === "voxels" ? heading : `${heading} ${unit}`;
  return {
    id: column,
    heading: head,
    title: `${describe(column)} Filter: ${column}`,
    width: Math.max(
      column === "volume" ? 46 : 40,
      8 + 5.2 * Math.max(...head.split(" ").map(({ length }) => length)),
    ),
  };
}

export function cellText(table: ObjectTable, id: number, column: ObjectOrderColumn): string {
  if (column === "id") return String(id);
  const row = table.indexOf(id);
  if (row === -1) return "";
  return column === "state" ? stateText(table.flags(row)) : formatCell(column, table.value(row, column));
}

/** Rows of the table by the ids of its objects: the positions in `ObjectTable` change with every message, the ids do not. */
export class ObjectRowsView implements TableRows {
  constructor(
    private readonly table: ObjectTable,
    private readonly ids: Float64Array,
    readonly mark: TableRows["mark"],
    private readonly hovered: () => number,
  ) {}

  get count(): number {
    return this.ids.length;
  }

  key(index: number): number {
    return this.ids[index];
  }

  indexOf(key: number): number {
    return this.ids.indexOf(key);
  }

  cell(index: number, column: string): string {
    return cellText(this.table, this.ids[index], column as ObjectOrderColumn);
  }

  className(index: number): string {
    const id = this.ids[index];
    const row = this.table.indexOf(id);
    const state = row === -1 ? "gone" : objectState(this.table.flags(row));
    return `mito-object-${state}${id === this.hovered() ? " mito-hovered" : ""}`;
  }
}

/** The row with all its measurements, in full precision and stored units, as two lines of tab-separated text. */
export function copyText(table: ObjectTable, id: number): string {
  const row = table.indexOf(id);
  if (row === -1) return String(id);
  const values = OBJECT_COLUMN_IDS.map((column) => table.value(row, column));
  return [
    ["id", "state", ...OBJECT_COLUMN_IDS].join("\t"),
    [id, stateText(table.flags(row)), ...values.map((value) => (Number.isFinite(value) ? value : ""))].join(
      "\t",
    ),
  ].join("\n");
}
