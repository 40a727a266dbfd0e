import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { objectColumn } from "../../src/morphology/object_columns.js";
import { COLUMN_DISPLAY } from "../../src/morphology/object_display.js";
import type { ObjectOrderColumn } from "../../src/morphology/object_query.js";
import type { ObjectColumnId } from "../../src/morphology/object_types.js";
import { element } from "../mito_layer/dom.js";
import { listen } from "./listen.js";
import { DEFAULT_COLUMNS } from "./object_rows.js";

const TITLES: Readonly<Record<"id" | "state", string>> = { id: "Segment id", state: "State" };

/** A button that opens the list of columns, each with a checkbox. */
export class ColumnChooser extends RefCounted {
  readonly element: HTMLDetailsElement;
  private readonly boxes = new Map<ObjectOrderColumn, HTMLInputElement>();

  /** @param chosen gets the columns to show, undefined for the usual ones. */
  constructor(
    columns: readonly ObjectOrderColumn[],
    describe: (column: ObjectColumnId) => string,
    chosen: (columns: readonly ObjectOrderColumn[] | undefined) => void,
  ) {
    super();
    const change = () => {
      const shown = columns.filter((column) => this.boxes.get(column)!.checked);
      // A table without columns could not be told from a broken one.
      if (shown.length > 0) chosen(shown);
    };
    const list = element("div", { class: "mito-columns-list", role: "group", "aria-label": "Columns" });
    for (const column of columns) {
      const box = element("input", { type: "checkbox", onchange: change });
      this.boxes.set(column, box);
      const own = column === "id" || column === "state";
      const title = own ? TITLES[column] : objectColumn(column).title;
      const unit = own ? "" : COLUMN_DISPLAY[column].unit;
      list.append(
        element(
          "label",
          { title: own ? "" : describe(column) },
          box,
          unit === "" || unit === "voxels" ? title : `${title} (${unit})`,
        ),
      );
    }
    list.append(element("button", { type: "button", onclick: () => chosen(undefined) }, "Usual columns"));
    this.element = element(
      "details",
      { class: "mito-columns" },
      element("summary", { title: "Choose the columns of the table" }, "Columns"),
      list,
    );
    listen(this, this.element, "keydown", (event) => {
      if (event.key !== "Escape" || !this.element.open) return;
      event.stopPropagation();
      this.element.open = false;
      this.element.querySelector("summary")?.focus();
    });
    // A click elsewhere closes it, as with any menu.
    this.registerEventListener(document, "pointerdown", (event: Event) => {
      if (!this.element.contains(event.target as Node)) this.element.open = false;
    });
  }

  show(columns: readonly ObjectOrderColumn[] = DEFAULT_COLUMNS): void {
    for (const [column, box] of this.boxes) box.checked = columns.includes(column);
  }
}
