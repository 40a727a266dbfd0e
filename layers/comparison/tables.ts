import { element, setText } from "../mito_layer/dom.js";

/** What stands where there is no number. */
export const NONE = "–";

export const share = (part: number, whole: number) =>
  whole === 0 ? NONE : `${((100 * part) / whole).toFixed(1)} %`;
export const score = (value: number | undefined) => (value === undefined ? NONE : value.toFixed(3));

/** A name with its colour; the colour is never the only sign. */
export function swatch(colour: string, text: string): HTMLElement {
  const mark = element("span", { class: "comparison-swatch", "aria-hidden": "true" });
  mark.style.background = colour;
  return element("span", { class: "comparison-named", title: text }, mark, element("span", {}, text));
}

export interface ColumnHead {
  readonly label: string;
  readonly title: string;
}

/** A small table whose cells are rewritten, so that a refresh costs no layout for what stayed the same. */
export class NumberTable {
  readonly element: HTMLTableElement;
  private readonly body = element("tbody");
  private rows: { key: string; cells: HTMLTableCellElement[] }[] = [];

  constructor(caption: string, columns: readonly ColumnHead[]) {
    this.element = element(
      "table",
      { class: "comparison-table" },
      element("caption", {}, caption),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          ...columns.map(({ label, title }) => element("th", { scope: "col", title }, label)),
        ),
      ),
      this.body,
    );
  }

  /** @param rows each with what its heading is made of, made once as long as the keys are the same. */
  update(rows: readonly { readonly key: string; head(): Node; readonly values: readonly string[] }[]): void {
    if (rows.length !== this.rows.length || rows.some(({ key }, i) => key !== this.rows[i].key)) {
      this.rows = rows.map(({ key, values }) => ({ key, cells: values.map(() => element("td")) }));
      this.body.replaceChildren(
        ...rows.map(({ head }, i) =>
          element("tr", {}, element("th", { scope: "row" }, head()), ...this.rows[i].cells),
        ),
      );
    }
    rows.forEach(({ values }, i) => {
      values.forEach((text, column) => {
        setText(this.rows[i].cells[column], text);
      });
    });
  }
}
