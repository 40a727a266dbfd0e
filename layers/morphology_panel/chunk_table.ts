import type { ChunkReport } from "../mito/base.js";
import { element, setText } from "../mito_layer/dom.js";
import { formatCount, formatMilliseconds, formatPercent, formatSolidity } from "./format.js";
import { type ChunkRow, COLUMNS, type Column, type Order } from "./rows.js";

/** Rows in the document at most: sorting brings the interesting ones up, and layout stays cheap. */
export const MAXIMUM_ROWS = 100;

const HEADINGS: Record<Column, { readonly label: string; readonly title: string }> = {
  place: { label: "Chunk at", title: "First voxel of the chunk (x, y, z) at the predicted scale" },
  objects: { label: "Objects", title: "Mitochondria in the chunk, joined in 3-D" },
  fraction: { label: "Fraction", title: "Voxels of mitochondria / voxels of the chunk" },
  solidity: { label: "Solidity", title: "Mean region area / convex area" },
  distance: { label: "Δ prior", title: "How far the mean solidity is from the model's prior" },
  milliseconds: { label: "Time", title: "Reading, forward pass and labelling, without waiting" },
  engine: { label: "By", title: "What computed it, or where it was kept" },
};

/** Numbers are more telling from their large end; the rest from its beginning. */
const STARTS_DESCENDING: ReadonlySet<Column> = new Set([
  "objects",
  "fraction",
  "solidity",
  "distance",
  "milliseconds",
]);

interface RowElements {
  readonly row: HTMLTableRowElement;
  readonly jump: HTMLButtonElement;
  readonly cells: Map<Column, HTMLTableCellElement>;
  shown?: ChunkRow;
}

export interface ChunkTableOptions {
  readonly onOrder: (order: Order) => void;
  readonly onJump: (report: ChunkReport) => void;
}

/**
 * Table of chunks, sortable by each column; the chunk's place is a button that goes there, and so is the whole row
 * for the mouse. Row elements are kept and rewritten, so that a refresh costs no new elements and keeps the focus.
 */
export class ChunkTable {
  readonly element: HTMLTableElement;
  private readonly body = element("tbody");
  private readonly rows: RowElements[] = [];
  private readonly headings = new Map<Column, HTMLTableCellElement>();

  constructor(
    private order: Order,
    private readonly options: ChunkTableOptions,
  ) {
    const head = element("tr");
    for (const column of COLUMNS) {
      const { label, title } = HEADINGS[column];
      const button = element("button", { type: "button", title, onclick: () => this.sortBy(column) }, label);
      const heading = element("th", { scope: "col" }, button);
      this.headings.set(column, heading);
      head.append(heading);
    }
    this.element = element(
      "table",
      { class: "mito-chunks" },
      element("caption", {}, "Chunks"),
      element("thead", {}, head),
      this.body,
    );
    this.showOrder();
  }

  private sortBy(column: Column): void {
    const descending = this.order.column === column ? !this.order.descending : STARTS_DESCENDING.has(column);
    this.order = { column, descending };
    this.showOrder();
    this.options.onOrder(this.order);
  }

  private showOrder(): void {
    for (const [column, heading] of this.headings) {
      if (column !== this.order.column) heading.removeAttribute("aria-sort");
      else heading.setAttribute("aria-sort", this.order.descending ? "descending" : "ascending");
    }
  }

  /** Shows `rows`, of which there are at most MAXIMUM_ROWS, in their order. */
  update(rows: readonly ChunkRow[]): void {
    const place = this.rows.findIndex(({ jump }) => jump === document.activeElement);
    const focused = this.rows.at(place)?.shown?.key;
    while (this.rows.length < rows.length) this.addRow();
    for (const [index, elements] of this.rows.entries()) {
      const row = rows.at(index);
      elements.row.hidden = row === undefined;
      elements.shown = row;
      if (row !== undefined) fill(elements, row);
    }
    if (place === -1) return;
    // The focus stays with the chunk that it was on; if that is gone, with its place in the table.
    const now = rows.findIndex(({ key }) => key === focused);
    const next = this.rows[now !== -1 ? now : Math.min(place, rows.length - 1)]?.jump;
    (next ?? this.element.querySelector("button"))?.focus({ preventScroll: true });
  }

  private addRow(): void {
    const cells = new Map<Column, HTMLTableCellElement>();
    const row = element("tr");
    const jump = element("button", { type: "button", title: "Go to this chunk" });
    for (const column of COLUMNS) {
      const cell = element("td", { class: `mito-${column}` });
      if (column === "place") cell.append(jump);
      cells.set(column, cell);
      row.append(cell);
    }
    const elements: RowElements = { row, jump, cells };
    // A click on the button bubbles to here too: one listener serves both.
    row.addEventListener("click", () => {
      if (elements.shown !== undefined) this.options.onJump(elements.shown.report);
    });
    this.rows.push(elements);
    this.body.append(row);
  }
}

function fill({ row, jump, cells }: RowElements, shown: ChunkRow): void {
  setText(jump, shown.place);
  const { error } = shown.report;
  row.classList.toggle("mito-failed", error !== undefined);
  row.title = error ?? "";
  const write = (column: Column, text: string) => setText(cells.get(column)!, text);
  write("objects", formatCount(shown.objects));
  write("fraction", formatPercent(shown.fraction));
  write("solidity", formatSolidity(shown.solidity));
  write("distance", formatSolidity(shown.distance));
  write("milliseconds", formatMilliseconds(shown.milliseconds));
  const { gather, forward, label, queue } = shown.report.ms;
  cells.get("milliseconds")!.title =
    `reading ${formatMilliseconds(gather)}, forward pass ${formatMilliseconds(forward)}, ` +
    `labelling ${formatMilliseconds(label)}; it waited ${formatMilliseconds(queue)} before`;
  write("engine", shown.engine);
}
