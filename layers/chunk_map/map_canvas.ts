import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { element } from "../mito_layer/dom.js";
import { listen } from "../morphology_panel/listen.js";
import { inSlices, Rerun } from "../morphology_panel/slices.js";
import { cssColour, LEVELS, levelOf } from "./colour_scale.js";
import { cellAt, extentOf, type MapCells, nextCell } from "./map_cells.js";

export interface MapHandlers {
  /** The cell under the mouse, or that the keys moved to; -1 when the mouse left. */
  point(cell: number): void;
  /** A cell was clicked, or Enter pressed on it. */
  open(cell: number): void;
}

/** CSS pixels that a mouse may move between press and release of a click. */
const CLICK = 4;
const ZOOM_STEP = 1.4;
const MARGIN = 6;
const NONE: MapCells = {
  count: 0,
  edges: new Float64Array(0),
  values: new Float32Array(0),
  chunks: new Uint32Array(0),
  depths: new Uint32Array(0),
};
const NO_VALUE = "#3b4048";
const LEVEL_NUMBERS = Array.from({ length: LEVELS + 1 }, (_, level) => level);

/**
 * Cells as coloured rectangles on a canvas that zooms, moves and is driven by keys: arrows go from cell to cell, Enter opens, + and -
 * zoom, 0 fits. Drawn into a second canvas a few milliseconds at a time, then shown at once.
 */
export class MapCanvas extends RefCounted {
  readonly element: HTMLElement;
  private readonly canvas = element("canvas");
  private readonly back = document.createElement("canvas");
  private readonly cursorBox = element("div", { class: "mito-map-cursor", hidden: true });
  private readonly hereMark = element("div", {
    class: "mito-map-here",
    hidden: true,
    title: "The middle of the view",
  });
  private readonly rerun = new Rerun(() => this.draw());
  private cells = NONE;
  private range: readonly [number, number] = [0, 1];
  private fitted = true;
  /** CSS pixels = scale * voxels + shift. */
  private scale = 1;
  private shift: [number, number] = [0, 0];
  private cursor = -1;
  private pointed = -1;
  private here: readonly [number, number] | undefined;
  private press: { x: number; y: number; shift: [number, number]; moved: boolean } | undefined;

  constructor(private readonly handlers: MapHandlers) {
    super();
    this.element = element(
      "div",
      {
        class: "mito-map",
        tabindex: 0,
        role: "application",
        "aria-roledescription": "map",
        "aria-label": "Map of the computed chunks. Arrow keys go from chunk to chunk, Enter goes there.",
      },
      this.canvas,
      this.cursorBox,
      this.hereMark,
    );
    this.listen();
    const observer = new ResizeObserver(() => {
      if (this.fitted) this.fit();
      else this.show();
    });
    observer.observe(this.element);
    this.registerDisposer(() => observer.disconnect());
  }

  private listen(): void {
    const map = this.element;
    listen(this, map, "pointermove", (event) => this.onMove(event));
    listen(this, map, "pointerleave", () => this.point(-1));
    listen(this, map, "pointerdown", (event) => {
      if (event.button !== 0) return;
      map.setPointerCapture(event.pointerId);
      this.press = { x: event.clientX, y: event.clientY, shift: [...this.shift], moved: false };
    });
    listen(this, map, "pointerup", (event) => {
      const clicked = this.press !== undefined && !this.press.moved;
      this.press = undefined;
      const cell = clicked ? this.cellUnder(event) : -1;
      if (cell === -1) return;
      this.moveTo(cell);
      this.handlers.open(cell);
    });
    listen(this, map, "pointercancel", () => {
      this.press = undefined;
    });
    listen(this, map, "wheel", (event) => {
      event.preventDefault();
      event.stopPropagation();
      this.zoom(ZOOM_STEP ** -Math.sign(event.deltaY), this.place(event));
    });
    listen(this, map, "keydown", (event) => this.onKey(event));
  }

  /** @param range what the colours go over. */
  setCells(cells: MapCells, range: readonly [number, number]): void {
    const { edges } = this.cells;
    // By place: which chunk is shown there may be another now.
    const same = (cell: number) => (cell === -1 ? -1 : cellAt(cells, edges[4 * cell], edges[4 * cell + 1]));
    this.cursor = same(this.cursor);
    this.pointed = same(this.pointed);
    this.cells = cells;
    this.range = range;
    this.point(this.pointed);
    if (this.fitted) this.fit();
    else this.show();
  }

  /** Marks a place, in voxels; undefined for none. */
  setHere(place: readonly [number, number] | undefined): void {
    this.here = place;
    this.showMarks();
  }

  private point(cell: number): void {
    this.pointed = cell;
    this.handlers.point(cell);
  }

  fit(): void {
    this.fitted = true;
    const extent = extentOf(this.cells);
    const [width, height] = this.size();
    if (extent !== undefined && width > 0 && height > 0) {
      const [left, top, right, bottom] = extent;
      this.scale = Math.min((width - 2 * MARGIN) / (right - left), (height - 2 * MARGIN) / (bottom - top));
      this.shift = [(width - this.scale * (left + right)) / 2, (height - this.scale * (top + bottom)) / 2];
    }
    this.show();
  }

  zoom(factor: number, [x, y]: readonly [number, number] = [this.size()[0] / 2, this.size()[1] / 2]): void {
    const scale = Math.min(8, Math.max(1e-5, this.scale * factor));
    const change = scale / this.scale;
    this.scale = scale;
    this.shift = [x + (this.shift[0] - x) * change, y + (this.shift[1] - y) * change];
    this.fitted = false;
    this.show();
  }

  private size(): [number, number] {
    return [this.element.clientWidth, this.element.clientHeight];
  }

  private place(event: MouseEvent): [number, number] {
    const { left, top } = this.element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  private cellUnder(event: MouseEvent): number {
    const [x, y] = this.place(event);
    return cellAt(this.cells, (x - this.shift[0]) / this.scale, (y - this.shift[1]) / this.scale);
  }

  private onMove(event: PointerEvent): void {
    const { press } = this;
    if (press === undefined) {
      this.point(this.cellUnder(event));
      return;
    }
    const [x, y] = [event.clientX - press.x, event.clientY - press.y];
    if (!press.moved && Math.hypot(x, y) < CLICK) return;
    press.moved = true;
    this.fitted = false;
    this.shift = [press.shift[0] + x, press.shift[1] + y];
    this.show();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const directions: Readonly<Record<string, readonly [number, number]>> = {
      ArrowRight: [1, 0],
      ArrowLeft: [-1, 0],
      ArrowDown: [0, 1],
      ArrowUp: [0, -1],
    };
    const direction = directions[event.key];
    if (direction !== undefined) {
      if (this.cells.count > 0)
        this.moveTo(this.cursor === -1 ? this.startCell() : nextCell(this.cells, this.cursor, ...direction));
    } else if (event.key === "Enter" && this.cursor !== -1) this.handlers.open(this.cursor);
    else if (event.key === "+" || event.key === "=") this.zoom(ZOOM_STEP);
    else if (event.key === "-") this.zoom(1 / ZOOM_STEP);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Where keys begin: at the view, else at the first cell. */
  private startCell(): number {
    const at = this.here === undefined ? -1 : cellAt(this.cells, ...this.here);
    return Math.max(0, at);
  }

  private moveTo(cell: number): void {
    this.cursor = cell;
    this.bringIntoView(cell);
    this.showMarks();
    this.point(cell);
  }

  private bringIntoView(cell: number): void {
    const middle = [0, 1].map((axis) => {
      const { edges } = this.cells;
      return (this.scale * (edges[4 * cell + axis] + edges[4 * cell + 2 + axis])) / 2 + this.shift[axis];
    });
    const size = this.size();
    if (middle.every((value, axis) => value >= 0 && value <= size[axis])) return;
    for (const axis of [0, 1]) this.shift[axis] += size[axis] / 2 - middle[axis];
    this.fitted = false;
    this.show();
  }

  private show(): void {
    this.showMarks();
    this.rerun.request();
  }

  private showMarks(): void {
    const { cursorBox, hereMark, scale, shift, cursor, here } = this;
    cursorBox.hidden = cursor === -1;
    if (cursor !== -1) {
      const [left, top, right, bottom] = this.cells.edges.subarray(4 * cursor, 4 * cursor + 4);
      cursorBox.style.transform = `translate(${scale * left + shift[0]}px, ${scale * top + shift[1]}px)`;
      cursorBox.style.width = `${Math.max(4, scale * (right - left))}px`;
      cursorBox.style.height = `${Math.max(4, scale * (bottom - top))}px`;
    }
    hereMark.hidden = here === undefined;
    if (here !== undefined)
      hereMark.style.transform = `translate(${scale * here[0] + shift[0]}px, ${scale * here[1] + shift[1]}px)`;
  }

  private async draw(): Promise<void> {
    if (this.wasDisposed) return;
    const { cells, range, back, scale, shift } = this;
    const pixels = devicePixelRatio;
    const [width, height] = this.size().map((size) => Math.round(size * pixels));
    if (width === 0 || height === 0) return;
    back.width = width;
    back.height = height;
    const context = back.getContext("2d")!;
    const [a, x, y] = [scale * pixels, shift[0] * pixels, shift[1] * pixels];
    const levels = new Uint16Array(cells.count);
    for (let cell = 0; cell < levels.length; ++cell)
      levels[cell] = Number.isNaN(cells.values[cell]) ? LEVELS : levelOf(cells.values[cell], range);
    const byLevel = groups(levels);
    // One colour at a time: changing it costs more than a rectangle.
    await inSlices(LEVEL_NUMBERS, (level) => {
      const own = byLevel[level];
      if (own.length === 0) return;
      context.fillStyle = level === LEVELS ? NO_VALUE : cssColour(level);
      for (const cell of own) {
        const [left, top, right, bottom] = cells.edges.subarray(4 * cell, 4 * cell + 4);
        const [w, h] = [a * (right - left), a * (bottom - top)];
        // A gap shows where chunks meet, as long as there is room for it.
        const gap = Math.min(w, h) > 6 ? 1 : 0;
        context.fillRect(a * left + x, a * top + y, Math.max(1, w - gap), Math.max(1, h - gap));
      }
    });
    if (this.wasDisposed) return;
    const { canvas } = this;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const front = canvas.getContext("2d")!;
    front.clearRect(0, 0, width, height);
    front.drawImage(back, 0, 0);
  }
}

/** Indices of the cells of each level, and of those without a value. */
function groups(levels: Uint16Array): Uint32Array[] {
  const counts = new Uint32Array(LEVELS + 1);
  for (const level of levels) ++counts[level];
  const result = Array.from(counts, (count) => new Uint32Array(count));
  counts.fill(0);
  for (let cell = 0; cell < levels.length; ++cell) result[levels[cell]][counts[levels[cell]]++] = cell;
  return result;
}
