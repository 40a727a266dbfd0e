export interface TableColumn {
  readonly id: string;
  readonly heading: string;
  readonly title: string;
  /** CSS pixels. */
  readonly width: number;
  /** Text stands left, numbers right. */
  readonly text?: boolean;
}

/** The rows in their order. Everything is asked for rows that are on the screen, whenever they are drawn. */
export interface TableRows {
  readonly count: number;
  /** Tells the row from others through all changes. */
  key(index: number): number;
  /** Where the row with this key stands; -1 when it is not there. */
  indexOf(key: number): number;
  cell(index: number, column: string): string;
  /** What is drawn at the row's beginning. */
  mark(index: number): { readonly color: string; readonly filled: boolean };
  /** CSS class of the row, "" for none. */
  className(index: number): string;
}

export interface TableHandlers {
  /** The header of a column was clicked. */
  sort(column: string): void;
  /** A row was clicked, or Enter pressed on it. */
  open(key: number): void;
  /** A row was clicked twice, or Space pressed on it. */
  toggle(key: number): void;
  copy(key: number): void;
}

export const NO_ROWS: TableRows = {
  count: 0,
  key: () => Number.NaN,
  indexOf: () => -1,
  cell: () => "",
  mark: () => ({ color: "", filled: false }),
  className: () => "",
};
