import { objectColumn } from "../../src/morphology/object_columns.js";
import type { ObjectColumnId } from "../../src/morphology/object_types.js";

/** Name and definition of a measurement, for a tooltip. */
export function columnDescription(column: ObjectColumnId): string {
  const { title, description } = objectColumn(column);
  return `${title}. ${description}`;
}
