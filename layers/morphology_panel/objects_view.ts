import { throttle } from "lodash-es";
import { StatusMessage } from "neuroglancer/unstable/status.js";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import {
  type ObjectFilter,
  type ObjectOrderColumn,
  parseObjectFilter,
  queryRows,
} from "../../src/morphology/object_query.js";
import { ObjectTable } from "../../src/morphology/object_table.js";
import type { ObjectColumnId } from "../../src/morphology/object_types.js";
import type { ComputedObjects } from "../mito/base.js";
import { element, setText } from "../mito_layer/dom.js";
import type { MitoUserLayer } from "../mito_layer/layer.js";
import { ColumnChooser } from "./column_chooser.js";
import { formatCount } from "./format.js";
import { LayerSelection } from "./layer_selection.js";
import { columnDescription } from "./object_columns_text.js";
import {
  copyText,
  DEFAULT_COLUMNS,
  ObjectRowsView,
  SHOWABLE,
  startsDescending,
  tableColumn,
} from "./object_rows.js";
import type { MorphologyPanelState } from "./panel_state.js";
import { VirtualTable } from "./virtual_table.js";

/** The table is sorted and filtered again at most this often, ms: rows that jump about more cannot be read. */
const REFRESH_INTERVAL = 600;
const FILTER_DELAY = 120;
const EMPTY = new ObjectTable();

/** The table of all objects of a layer: sorted, filtered, followed live, and a way to each of them. */
export class ObjectsView extends RefCounted {
  readonly element: HTMLElement;
  private readonly filterInput = element("input", {
    type: "search",
    placeholder: "volume>0.1 sphericity<0.5 border:no",
    "aria-label": "Filter objects",
    title:
      "Conditions with spaces between them, in the units of the table: volume>0.1 length<=2 branches=0 border:no partial:no " +
      "state:whole id=123. A heading's tooltip tells the column's name.",
    spellcheck: "false",
  });
  private readonly problem = element("p", { class: "mito-problem", role: "alert" });
  private readonly count = element("span", { class: "mito-soft", role: "status" });
  private readonly chooser: ColumnChooser;
  private readonly table: VirtualTable;
  private readonly refresh = throttle(() => this.update(), REFRESH_INTERVAL);
  private filter: ObjectFilter | undefined;
  private layer: MitoUserLayer | undefined;
  private objects: ComputedObjects | undefined;
  private selection: LayerSelection | undefined;
  private unbind: (() => void)[] = [];
  private shown = false;

  constructor(private readonly state: MorphologyPanelState) {
    super();
    this.table = this.registerDisposer(
      new VirtualTable("Objects", {
        sort: (column) => this.sortBy(column as ObjectOrderColumn),
        open: (key) => this.open(key),
        toggle: (key) => this.selection?.toggle(BigInt(key)),
        copy: (key) => this.copy(key),
      }),
    );
    this.chooser = this.registerDisposer(
      new ColumnChooser(SHOWABLE, columnDescription, (columns) => {
        state.objectColumns.value = columns;
      }),
    );
    this.filterInput.value = state.objectFilter.value;
    this.readFilter();
    const typed = throttle(() => this.applyFilter(), FILTER_DELAY, { leading: false });
    this.filterInput.addEventListener("input", typed);
    this.registerDisposer(() => typed.cancel());
    this.element = element(
      "div",
      { class: "mito-objects" },
      element("div", { class: "mito-objects-head" }, this.filterInput, this.chooser.element),
      this.problem,
      this.count,
      this.table.element,
    );
    this.registerDisposer(() => this.refresh.cancel());
    this.registerDisposer(() => this.release());
    for (const part of [state.objectSorting, state.objectColumns, state.objectFilter])
      this.registerDisposer(part.changed.add(() => this.onState()));
  }

  /** Nothing is sorted while nobody looks. */
  setVisible(visible: boolean): void {
    if (this.shown === visible) return;
    this.shown = visible;
    if (visible) this.update();
  }

  follow(layer: MitoUserLayer | undefined): void {
    const objects = layer?.mito.value?.objects;
    if (layer === this.layer && objects === this.objects) return;
    this.release();
    this.layer = layer;
    this.objects = objects;
    if (layer !== undefined && objects !== undefined) {
      const selection = new LayerSelection(layer, {
        selected: (id) => this.reveal(id),
        changed: () => this.table.redraw(),
      });
      this.selection = selection;
      this.unbind = [objects.changed.add(this.refresh), () => selection.dispose()];
    }
    this.update();
  }

  private release(): void {
    for (const stop of this.unbind) stop();
    this.unbind = [];
    this.selection = undefined;
  }

  private onState(): void {
    if (this.filterInput.value !== this.state.objectFilter.value && !this.filterInput.matches(":focus")) {
      this.filterInput.value = this.state.objectFilter.value;
      this.readFilter();
    }
    this.update(true);
  }

  /** @param top whether the table goes back to its beginning, as after a new order. */
  private update(top = false): void {
    if (this.wasDisposed || !this.shown) return;
    const { objectOrder: order } = this.state;
    const columns = this.state.objectColumns.value ?? DEFAULT_COLUMNS;
    this.chooser.show(columns);
    this.table.setColumns(
      columns.map((column) => tableColumn(column, columnDescription)),
      order,
    );
    this.followActive();
    const table = this.objects?.table ?? EMPTY;
    const rows = queryRows(table, order, this.filter);
    const ids = new Float64Array(rows.length);
    for (let i = 0; i < rows.length; ++i) ids[i] = table.id(rows[i]);
    const { selection } = this;
    this.table.setRows(
      new ObjectRowsView(
        table,
        ids,
        (index) => selection?.mark(BigInt(ids[index])) ?? { color: "", filled: false },
        () => selection?.hovered ?? Number.NaN,
      ),
      top,
    );
    setText(this.count, countText(rows.length, table.size));
  }

  /** The active row stays with its object when that gets another id, as when a chunk joins it with another. */
  private followActive(): void {
    const { activeKey } = this.table;
    if (Number.isNaN(activeKey) || this.objects === undefined) return;
    const current = this.objects.current(BigInt(activeKey));
    if (current !== undefined) this.table.activeKey = Number(current);
  }

  private sortBy(column: ObjectOrderColumn): void {
    const { objectOrder: order } = this.state;
    this.state.objectOrder = {
      column,
      descending: order.column === column ? !order.descending : startsDescending(column),
    };
  }

  /** A filter that cannot be read leaves the last one in force, and says why. */
  private readFilter(): boolean {
    try {
      this.filter = parseObjectFilter(this.filterInput.value);
      setText(this.problem, "");
      this.filterInput.removeAttribute("aria-invalid");
      return true;
    } catch (error) {
      setText(this.problem, error instanceof Error ? error.message : String(error));
      this.filterInput.setAttribute("aria-invalid", "true");
      return false;
    }
  }

  private applyFilter(): void {
    if (!this.readFilter()) return;
    if (this.state.objectFilter.value === this.filterInput.value) this.update(true);
    else this.state.objectFilter.value = this.filterInput.value;
  }

  private open(id: number): void {
    const { layer, objects } = this;
    const row = objects?.table.indexOf(id) ?? -1;
    if (layer === undefined || objects === undefined || row === -1) return;
    const value = (column: ObjectColumnId) => objects.table.value(row, column);
    layer.goToVoxel([value("centroidX"), value("centroidY"), value("centroidZ")]);
    this.selection?.highlight(BigInt(id));
    this.table.redraw();
  }

  /** An object that was selected in the viewer; the table shows it if it holds it. */
  private reveal(id: bigint): void {
    const current = this.objects?.current(id) ?? id;
    if (this.shown) this.table.reveal(Number(current));
  }

  private copy(id: number): void {
    const table = this.objects?.table;
    if (table === undefined) return;
    navigator.clipboard.writeText(copyText(table, id)).then(
      () => StatusMessage.showTemporaryMessage(`Measurements of segment ${id} copied.`, 2000),
      (error: unknown) =>
        StatusMessage.showTemporaryMessage(`They could not be copied: ${String(error)}`, 6000),
    );
  }
}

function countText(shown: number, all: number): string {
  if (all === 0) return "No object is known yet: they come with the chunks that are computed.";
  return shown === all
    ? `${formatCount(all)} objects`
    : `${formatCount(shown)} of ${formatCount(all)} objects pass the filter`;
}
