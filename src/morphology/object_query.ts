import { COLUMN_DISPLAY, columnNamed, columnNames, type ObjectState, objectState } from "./object_display.js";
import type { ObjectTable } from "./object_table.js";
import { FLAG_BORDER, type ObjectColumnId } from "./object_types.js";
import { sortByKeys } from "./radix_sort.js";

/** What a table is sorted by: a measurement, the id, or the state. */
export type ObjectOrderColumn = ObjectColumnId | "id" | "state";

export interface ObjectOrder {
  readonly column: ObjectOrderColumn;
  readonly descending: boolean;
}

const STATES: readonly ObjectState[] = ["whole", "measuring", "partial", "failed"];
/** For each value of the flags' byte: its place when sorted by state. */
const STATE_RANK = Float64Array.from(
  { length: 256 },
  (_, flags) => 2 * STATES.indexOf(objectState(flags)) + (flags & FLAG_BORDER ? 1 : 0),
);

/**
 * The rows of a table that a filter lets through (all without one), in an order; equal values by ascending id, absent ones at
 * the end in either direction. 50,000 rows take some 10 ms.
 *
 * @returns row positions, which hold until the table changes.
 */
export function queryRows(table: ObjectTable, order: ObjectOrder, filter?: ObjectFilter): Uint32Array {
  const rows = filter === undefined ? allRows(table.size) : filterRows(table, filter);
  const ids = table.ids();
  const byId = sortByKeys(rows, ids, order.column === "id" && order.descending);
  return order.column === "id" ? byId : sortByKeys(byId, keysOf(table, order.column), order.descending);
}

function keysOf(table: ObjectTable, column: Exclude<ObjectOrderColumn, "id">): Float64Array {
  if (column !== "state") return table.column(column);
  const keys = new Float64Array(table.size);
  for (let row = 0; row < keys.length; ++row) keys[row] = STATE_RANK[table.flags(row)];
  return keys;
}

/** 0, 1, ... */
export function allRows(count: number): Uint32Array {
  const rows = new Uint32Array(count);
  for (let row = 0; row < rows.length; ++row) rows[row] = row;
  return rows;
}

/** A filter that cannot be read; names the part, and what could stand there. */
export class ObjectFilterError extends Error {
  override name = "ObjectFilterError";
}

type Comparison = "<" | "<=" | ">" | ">=" | "=" | "!=";

/** A measurement compared with a number in stored units. */
interface ValueCondition {
  readonly column: ObjectColumnId | "id";
  readonly comparison: Comparison;
  readonly value: number;
  /** Half of the last digit that was typed: "=" cannot ask for more of what is shown rounded. */
  readonly tolerance: number;
}

/** For each value of the flags' byte: whether the object passes. */
type FlagCondition = Uint8Array;

/** All conditions must hold. */
export interface ObjectFilter {
  readonly values: readonly ValueCondition[];
  readonly flags: readonly FlagCondition[];
}

const TERM = /\s*([\p{L}_][\p{L}\d_]*)\s*(<=|>=|!=|≤|≥|≠|<|>|=|:)\s*([^\s<>=!:]+)(?=\s|$)/uy;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const SIGNS: Readonly<Record<string, Comparison>> = { "≤": "<=", "≥": ">=", "≠": "!=", ":": "=" };
const YES_NO = new Map<string, (flags: number) => boolean>([
  ["border", (flags) => (flags & FLAG_BORDER) !== 0],
  ["partial", (flags) => objectState(flags) === "partial"],
  ["whole", (flags) => objectState(flags) === "whole"],
]);
/** Longest filter that is read; nobody types more. */
const LONGEST = 500;

/**
 * Reads conditions such as `volume>0.1 sphericity<=0.5 border:no`, separated by spaces, all of which must hold. Numbers are in the
 * units that tables show (µm, µm², µm³); a measurement that an object does not have holds no condition.
 *
 *     name < | <= | > | >= | = | != number     name: a column's id, or a shorter word for it
 *     border:yes|no  partial:yes|no  whole:yes|no  state:whole|partial|measuring|failed
 *
 * @returns undefined for a text without conditions.
 * @throws ObjectFilterError naming what cannot be read.
 */
export function parseObjectFilter(text: string): ObjectFilter | undefined {
  if (text.length > LONGEST) throw new ObjectFilterError(`The filter is longer than ${LONGEST} characters.`);
  const values: ValueCondition[] = [];
  const flags: FlagCondition[] = [];
  let at = 0;
  while (text.slice(at).trim() !== "") {
    TERM.lastIndex = at;
    const term = TERM.exec(text);
    if (term === null) {
      const part = text.slice(at).trim().split(/\s+/, 1)[0];
      throw new ObjectFilterError(
        `“${part}” is not a condition: write one as volume>0.1 or border:no, with spaces between them.`,
      );
    }
    at = TERM.lastIndex;
    const [, name, sign, operand] = term;
    const comparison = SIGNS[sign] ?? (sign as Comparison);
    const flag = flagCondition(name.toLowerCase(), comparison, operand.toLowerCase());
    if (flag === undefined) values.push(valueCondition(name, comparison, operand));
    else flags.push(flag);
  }
  return values.length + flags.length === 0 ? undefined : { values, flags };
}

function flagCondition(name: string, comparison: Comparison, operand: string): FlagCondition | undefined {
  const known = YES_NO.get(name);
  if (known === undefined && name !== "state") return undefined;
  if (comparison !== "=" && comparison !== "!=")
    throw new ObjectFilterError(`“${name}” is not a number: write ${name}:${known ? "no" : "whole"}.`);
  let wanted: (flags: number) => boolean;
  if (known === undefined) {
    if (!STATES.includes(operand as ObjectState))
      throw new ObjectFilterError(`“state:${operand}”: the state is one of ${STATES.join(", ")}.`);
    wanted = (flags) => objectState(flags) === operand;
  } else {
    if (operand !== "yes" && operand !== "no")
      throw new ObjectFilterError(`“${name}:${operand}”: write ${name}:yes or ${name}:no.`);
    wanted = (flags) => known(flags) === (operand === "yes");
  }
  return Uint8Array.from({ length: 256 }, (_, flags) => Number(wanted(flags) === (comparison === "=")));
}

function valueCondition(name: string, comparison: Comparison, operand: string): ValueCondition {
  const column = name.toLowerCase() === "id" ? "id" : columnNamed(name);
  if (column === undefined) throw new ObjectFilterError(`There is no column “${name}”${suggestion(name)}.`);
  if (!NUMBER.test(operand)) {
    const hint = /^\d+,\d+$/.test(operand) ? " (write the decimal point as a point)" : "";
    throw new ObjectFilterError(`“${operand}” after ${name} is not a number${hint}.`);
  }
  if (column === "id") return { column, comparison, value: Number(operand), tolerance: 0 };
  const { factor } = COLUMN_DISPLAY[column];
  const [mantissa, exponent = "0"] = operand.toLowerCase().split("e");
  const decimals = mantissa.split(".")[1]?.length ?? 0;
  const tolerance = decimals === 0 && factor === 1 ? 0 : 0.5 * 10 ** (Number(exponent) - decimals);
  return { column, comparison, value: Number(operand) / factor, tolerance: tolerance / factor };
}

function suggestion(name: string): string {
  const start = name.toLowerCase().slice(0, 3);
  const near = columnNames().filter((id) => id.toLowerCase().includes(start));
  if (near.length > 0) return `; did you mean ${near.slice(0, 3).join(" or ")}?`;
  return ": names are volume, length, sphericity, solidity, branches … (a heading's tooltip tells its name)";
}

/** Positions of the rows that pass, ascending. */
export function filterRows(table: ObjectTable, { values, flags }: ObjectFilter): Uint32Array {
  const rows = allRows(table.size);
  let count = rows.length;
  const keep = (passes: (row: number) => boolean) => {
    const before = count;
    count = 0;
    for (let i = 0; i < before; ++i) if (passes(rows[i])) rows[count++] = rows[i];
  };
  for (const passes of flags) keep((row) => passes[table.flags(row)] === 1);
  for (const condition of values) {
    const keys = condition.column === "id" ? table.ids() : table.column(condition.column);
    const test = comparator(condition);
    keep((row) => test(keys[row]));
  }
  return rows.slice(0, count);
}

/** NaN passes none, not even "!=": what is not known is neither. */
function comparator({ comparison, value, tolerance }: ValueCondition): (number: number) => boolean {
  switch (comparison) {
    case "<":
      return (number) => number < value;
    case "<=":
      return (number) => number <= value;
    case ">":
      return (number) => number > value;
    case ">=":
      return (number) => number >= value;
    case "=":
      return (number) => Math.abs(number - value) <= tolerance;
    case "!=":
      return (number) => Math.abs(number - value) > tolerance;
  }
}
