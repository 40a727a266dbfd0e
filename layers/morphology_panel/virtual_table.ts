import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { element, setText } from "../mito_layer/dom.js";
import { listen } from "./listen.js";
import { NO_ROWS, type TableColumn, type TableHandlers, type TableRows } from "./table_rows.js";

/** Height of a row, CSS pixels: positions are products of it, so style.css says the same. */
const ROW = 22;
/** Rows beyond the screen on each side, so that a little scrolling shows no gap. */
const SPARE = 4;
const MARK_WIDTH = 18;
let tables = 0;

interface RowElements {
  readonly row: HTMLElement;
  readonly mark: HTMLElement;
  readonly cells: readonly HTMLElement[];
  key: number;
  index: number;
}

/**
 * A table of which only the rows on the screen are in the document, so that its length costs nothing. It is one stop of the tab
 * order: arrows, Page and Home/End move the active row, Enter opens it, Space toggles it, Ctrl+C copies it. When rows
 * change, what the person looks at stays where it is: the active row if it is on the screen, else the first one that is.
 */
export class VirtualTable extends RefCounted {
  readonly element: HTMLElement;
  private readonly head = element("div", { class: "mito-grid-head", role: "row" });
  private readonly body = element("div", { class: "mito-grid-body", role: "rowgroup" });
  private readonly idPrefix = `mito-grid-${tables++}`;
  private columns: readonly TableColumn[] = [];
  private rows: TableRows = NO_ROWS;
  private pool: RowElements[] = [];
  private active = Number.NaN;
  private first = 0;
  private offset = 0;
  private firstKey = Number.NaN;
  private frame = 0;

  constructor(
    label: string,
    private readonly handlers: TableHandlers,
  ) {
    super();
    this.element = element(
      "div",
      { class: "mito-grid", role: "grid", tabindex: 0, "aria-label": label },
      element("div", { role: "rowgroup", class: "mito-grid-top" }, this.head),
      this.body,
    );
    listen(this, this.element, "scroll", () => this.schedule());
    listen(this, this.element, "keydown", (event) => this.onKey(event));
    listen(this, this.body, "click", (event) => this.onClick(event, "open"));
    listen(this, this.body, "dblclick", (event) => this.onClick(event, "toggle"));
    const observer = new ResizeObserver(() => this.schedule());
    observer.observe(this.element);
    this.registerDisposer(() => {
      observer.disconnect();
      cancelAnimationFrame(this.frame);
    });
  }

  /** The row that keys act on; NaN when there is none. */
  get activeKey(): number {
    return this.active;
  }

  set activeKey(key: number) {
    this.active = key;
  }

  /** @param order column that the rows are sorted by. */
  setColumns(columns: readonly TableColumn[], order: { column: string; descending: boolean }): void {
    const same =
      columns.length === this.columns.length && columns.every(({ id }, i) => id === this.columns[i].id);
    if (!same) {
      this.columns = columns;
      this.element.style.setProperty(
        "--mito-grid-columns",
        `${MARK_WIDTH}px ${columns.map(({ width }) => `minmax(${width}px, ${width}fr)`).join(" ")}`,
      );
      const width = columns.reduce((sum, column) => sum + column.width, MARK_WIDTH);
      this.element.style.setProperty("--mito-grid-width", `${width}px`);
      this.element.setAttribute("aria-colcount", String(columns.length + 1));
      this.head.replaceChildren(
        element("div", { role: "columnheader", "aria-label": "Shown" }),
        ...columns.map(({ id, heading, title, text }) =>
          element(
            "div",
            { role: "columnheader", class: text === true ? "mito-text" : "", "data-column": id },
            element("button", { type: "button", title, onclick: () => this.handlers.sort(id) }, heading),
          ),
        ),
      );
      this.body.replaceChildren();
      this.pool = [];
    }
    for (const heading of this.head.children) {
      if ((heading as HTMLElement).dataset.column !== order.column) heading.removeAttribute("aria-sort");
      else heading.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
    }
    this.schedule();
  }

  /** Shows other rows, or the same after a change; `top` scrolls to the beginning instead of staying. */
  setRows(rows: TableRows, top = false): void {
    const activeAt = this.screenIndex(this.active);
    this.rows = rows;
    this.body.style.height = `${rows.count * ROW}px`;
    this.element.setAttribute("aria-rowcount", String(rows.count + 1));
    if (top) this.element.scrollTop = 0;
    else if (this.element.scrollTop > 0) {
      const anchor = activeAt === -1 ? this.firstKey : this.active;
      const before = activeAt === -1 ? this.first : activeAt;
      const now = rows.indexOf(anchor);
      if (now !== -1 && now !== before) this.element.scrollTop += (now - before) * ROW;
    }
    for (const drawn of this.pool) drawn.index = -1;
    this.draw();
  }

  /** Draws the rows anew: what stands in them has changed, not which they are. */
  redraw(): void {
    this.schedule();
  }

  /** Makes a row the active one and brings it on the screen. @returns false when it is not in the table. */
  reveal(key: number): boolean {
    const index = this.rows.indexOf(key);
    if (index === -1) return false;
    this.activate(index, "center");
    return true;
  }

  /** -1 when the row is not on the screen. */
  private screenIndex(key: number): number {
    const index = Number.isNaN(key) ? -1 : this.rows.indexOf(key);
    return index >= this.first && index < this.first + this.visibleRows() ? index : -1;
  }

  private visibleRows(): number {
    return Math.max(1, Math.floor((this.element.clientHeight - this.headHeight()) / ROW));
  }

  private headHeight(): number {
    return this.head.offsetHeight;
  }

  private schedule(): void {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  private draw(): void {
    const { element: grid, rows, columns } = this;
    if (columns.length === 0) return;
    const { scrollTop, clientHeight } = grid;
    this.first = Math.min(Math.max(0, rows.count - 1), Math.floor(scrollTop / ROW));
    this.offset = scrollTop - this.first * ROW;
    this.firstKey = rows.count === 0 ? Number.NaN : rows.key(this.first);
    const from = Math.max(0, this.first - SPARE);
    const to = Math.min(rows.count, this.first + Math.ceil((clientHeight + this.offset) / ROW) + SPARE);
    // A row keeps its element while it is on the screen: the pool is a ring over positions.
    const wanted = Math.max(to - from, this.pool.length);
    while (this.pool.length < wanted) this.pool.push(this.makeRow());
    let activeId = "";
    for (let index = from; index < from + this.pool.length; ++index) {
      const drawn = this.pool[index % this.pool.length];
      const { row } = drawn;
      const hidden = index >= to;
      if (row.hidden !== hidden) row.hidden = hidden;
      if (hidden) {
        drawn.key = Number.NaN;
        continue;
      }
      this.fill(drawn, index);
      if (drawn.key === this.active) activeId = row.id;
    }
    if (activeId === "") grid.removeAttribute("aria-activedescendant");
    else grid.setAttribute("aria-activedescendant", activeId);
  }

  private fill(drawn: RowElements, index: number): void {
    const { row, mark, cells } = drawn;
    const { rows, columns } = this;
    if (drawn.index !== index) {
      drawn.index = index;
      row.style.transform = `translateY(${index * ROW}px)`;
      row.setAttribute("aria-rowindex", String(index + 2));
    }
    drawn.key = rows.key(index);
    const active = drawn.key === this.active;
    const className = `mito-grid-row ${rows.className(index)}${active ? " mito-active" : ""}`;
    if (row.className !== className) {
      row.className = className;
      row.setAttribute("aria-selected", String(active));
    }
    const { color, filled } = rows.mark(index);
    mark.style.borderColor = color;
    mark.style.background = filled ? color : "none";
    for (let column = 0; column < cells.length; ++column)
      setText(cells[column], rows.cell(index, columns[column].id));
  }

  private makeRow(): RowElements {
    const mark = element("i", { class: "mito-grid-mark" });
    const cells = this.columns.map(({ text }) =>
      element("div", { role: "gridcell", class: text === true ? "mito-text" : "" }),
    );
    const row = element(
      "div",
      { class: "mito-grid-row", role: "row", id: `${this.idPrefix}-${this.pool.length}`, hidden: true },
      element("div", { role: "gridcell" }, mark),
      ...cells,
    );
    this.body.append(row);
    return { row, mark, cells, key: Number.NaN, index: -1 };
  }

  private activate(index: number, block: "nearest" | "center" = "nearest"): void {
    const { element: grid, rows } = this;
    this.active = rows.key(index);
    const room = grid.clientHeight - this.headHeight();
    const top = index * ROW;
    if (top < grid.scrollTop || top + ROW > grid.scrollTop + room)
      grid.scrollTop =
        block === "center" ? top - (room - ROW) / 2 : top < grid.scrollTop ? top : top + ROW - room;
    this.draw();
  }

  private onClick(event: MouseEvent, what: "open" | "toggle"): void {
    const row = (event.target as Element).closest(".mito-grid-row");
    const drawn = this.pool.find((one) => one.row === row);
    if (drawn === undefined || Number.isNaN(drawn.key)) return;
    const { key } = drawn;
    this.active = key;
    this.draw();
    this.handlers[what](key);
  }

  /** Keys that are ours do not reach the viewer, which would move with them. */
  private onKey(event: KeyboardEvent): void {
    if (event.target !== this.element || event.altKey || event.metaKey) return;
    const { rows } = this;
    const at = Number.isNaN(this.active) ? -1 : rows.indexOf(this.active);
    const go = (index: number) => {
      if (rows.count > 0) this.activate(Math.min(rows.count - 1, Math.max(0, index)));
    };
    if (event.ctrlKey) {
      // Marked text is what the person wants to copy then.
      if (event.key !== "c" || at === -1 || String(getSelection()) !== "") return;
      this.handlers.copy(this.active);
    } else if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at - 1);
    else if (event.key === "PageDown") go(at + this.visibleRows());
    else if (event.key === "PageUp") go(at - this.visibleRows());
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(rows.count - 1);
    else if (event.key === "Enter" && at !== -1) this.handlers.open(this.active);
    else if (event.key === " " && at !== -1) this.handlers.toggle(this.active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
