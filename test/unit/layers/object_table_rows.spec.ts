import { describe, expect, it } from "vitest";
import {
  cellText,
  copyText,
  DEFAULT_COLUMNS,
  ObjectRowsView,
  SHOWABLE,
  tableColumn,
} from "../../../layers/morphology_panel/object_rows.js";
import { objectColumn } from "../../../src/morphology/object_columns.js";
import { COLUMN_DISPLAY, columnNamed } from "../../../src/morphology/object_display.js";
import { ObjectTable } from "../../../src/morphology/object_table.js";
import { FLAG_BORDER, FLAG_MEASURED, OBJECT_COLUMN_IDS } from "../../../src/morphology/object_types.js";

const WIDTH = OBJECT_COLUMN_IDS.length;

function table(): ObjectTable {
  const result = new ObjectTable();
  const values = new Float64Array(2 * WIDTH).fill(Number.NaN);
  values[OBJECT_COLUMN_IDS.indexOf("volume")] = 0.25e9;
  values[WIDTH + OBJECT_COLUMN_IDS.indexOf("volume")] = 0.5e9;
  result.apply({
    ids: Float64Array.of(11, 12),
    values,
    flags: Uint8Array.of(FLAG_MEASURED | FLAG_BORDER, 0),
    gone: new Float64Array(0),
  });
  return result;
}

describe("the columns of the object table", () => {
  it("show stored units as what they are multiplied to", () => {
    const shown = { "": "", voxels: "voxels", "°": "°", nm: "µm", "nm²": "µm²", "nm³": "µm³" };
    const factors = { "": 1, voxels: 1, "°": 1, nm: 1e-3, "nm²": 1e-6, "nm³": 1e-9 };
    for (const id of OBJECT_COLUMN_IDS) {
      const { unit } = objectColumn(id);
      expect(COLUMN_DISPLAY[id].factor, id).toBe(factors[unit]);
      if (id !== "voxels") expect(COLUMN_DISPLAY[id].unit, id).toBe(shown[unit]);
    }
  });

  it("are found by the name that their tooltip gives", () => {
    for (const id of SHOWABLE) {
      const { title } = tableColumn(id, () => "");
      const name = title.match(/Filter: (\w+)/)?.[1];
      if (id === "id" || id === "state") continue;
      expect(columnNamed(name ?? ""), id).toBe(id);
    }
    for (const id of DEFAULT_COLUMNS) expect(SHOWABLE).toContain(id);
  });
});

describe("the rows of the object table", () => {
  const view = (objects: ObjectTable) =>
    new ObjectRowsView(
      objects,
      Float64Array.of(12, 11),
      () => ({ color: "red", filled: true }),
      () => 11,
    );

  it("write what is known, and nothing for what is not", () => {
    const rows = view(table());
    expect([rows.count, rows.key(0), rows.indexOf(11), rows.indexOf(99)]).toEqual([2, 12, 1, -1]);
    expect([rows.cell(0, "volume"), rows.cell(0, "sphericity"), rows.cell(0, "state")]).toEqual([
      "0.5000",
      "",
      "measuring",
    ]);
    expect(rows.cell(1, "state")).toBe("whole, border");
    expect(rows.className(0)).toBe("mito-object-measuring");
    expect(rows.className(1)).toBe("mito-object-whole mito-hovered");
  });

  it("outlive the objects that go before they are drawn anew", () => {
    const objects = table();
    const rows = view(objects);
    objects.apply({
      ids: new Float64Array(0),
      values: new Float64Array(0),
      flags: new Uint8Array(0),
      gone: Float64Array.of(11),
    });
    expect([rows.cell(1, "volume"), rows.cell(1, "state"), rows.className(1)]).toEqual([
      "",
      "",
      "mito-object-gone mito-hovered",
    ]);
    expect(rows.cell(0, "volume")).toBe("0.5000");
    expect(cellText(objects, 11, "id")).toBe("11");
  });

  it("are copied with every measurement in stored units, absent ones empty", () => {
    const [names, values] = copyText(table(), 11)
      .split("\n")
      .map((line) => line.split("\t"));
    expect(names).toEqual(["id", "state", ...OBJECT_COLUMN_IDS]);
    expect(values[names.indexOf("volume")]).toBe("250000000");
    expect(values.filter((value) => value !== "")).toHaveLength(3);
    expect(copyText(table(), 5)).toBe("5");
  });
});
