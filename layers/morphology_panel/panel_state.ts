import { TrackableBoolean } from "neuroglancer/unstable/trackable_boolean.js";
import { TrackableValue } from "neuroglancer/unstable/trackable_value.js";
import {
  DEFAULT_SIDE_PANEL_LOCATION,
  type SidePanelLocation,
  TrackableSidePanelLocation,
} from "neuroglancer/unstable/ui/side_panel_location.js";
import {
  emptyToUndefined,
  verifyObject,
  verifyOptionalString,
  verifyString,
} from "neuroglancer/unstable/util/json.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import type { ObjectOrder, ObjectOrderColumn } from "../../src/morphology/object_query.js";
import { DEFAULT_ORDER, SHOWABLE } from "./object_rows.js";
import { COLUMNS, type Column, type Order } from "./rows.js";

export const SCOPES = ["chunk", "view", "all"] as const;
export type Scope = (typeof SCOPES)[number];
export const TABS = ["chunks", "objects", "map"] as const;
export type PanelTab = (typeof TABS)[number];

function oneOf<T extends string>(key: string, values: readonly T[]): (value: unknown) => T {
  return (value) => {
    if (values.includes(value as T)) return value as T;
    throw new Error(
      `Morphology panel: "${key}" must be one of ${values.join(", ")}, but is ${JSON.stringify(value)}`,
    );
  };
}

/** An order as one word: a column, with a minus in front for descending. */
function verifyOrder(key: string, columns: readonly string[]): (value: unknown) => string {
  return (value) => {
    if (typeof value === "string" && columns.includes(value.replace(/^-/, ""))) return value;
    throw new Error(
      `Morphology panel: "${key}" must be one of ${columns.join(", ")}, or that with "-" in front, but is ${JSON.stringify(value)}`,
    );
  };
}

const parseOrder = (text: string) => ({
  column: text.replace(/^-/, ""),
  descending: text.startsWith("-"),
});
const writeOrder = ({ column, descending }: { column: string; descending: boolean }) =>
  descending ? `-${column}` : column;

function verifyColumns(value: unknown): readonly ObjectOrderColumn[] | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.length > 0 && value.every((column) => SHOWABLE.includes(column)))
    return [...new Set(value)];
  throw new Error(`Morphology panel: "objectColumns" must be a list of columns of the object table`);
}

/**
 * Where the panel is, what it shows and in which order: the key "morphologyPanel" of the viewer's state. "scope", "order" and "layer"
 * are those of links from before there were tabs.
 */
export class MorphologyPanelState {
  readonly location = new TrackableSidePanelLocation({
    ...DEFAULT_SIDE_PANEL_LOCATION,
    side: "left",
    row: 0,
    size: 416,
    minSize: 320,
  });
  readonly tab = new TrackableValue<PanelTab>("chunks", oneOf("tab", TABS));
  readonly scope = new TrackableValue<Scope>("view", oneOf("scope", SCOPES));
  readonly sorting = new TrackableValue<string>("-distance", verifyOrder("order", COLUMNS));
  /** Name of the layer that is shown; the first prediction layer without it. */
  readonly layer = new TrackableValue<string | undefined>(undefined, verifyOptionalString);
  readonly objectSorting = new TrackableValue<string>(
    writeOrder(DEFAULT_ORDER),
    verifyOrder("objectOrder", SHOWABLE),
  );
  readonly objectFilter = new TrackableValue<string>("", verifyString);
  /** Columns of the object table; undefined for the usual ones. */
  readonly objectColumns = new TrackableValue<readonly ObjectOrderColumn[] | undefined>(
    undefined,
    verifyColumns,
  );
  /** Id of the metric that the map shows; one that is not known is the first. */
  readonly metric = new TrackableValue<string>("distance", verifyString);
  /** Whether the views show the map, too. */
  readonly tint = new TrackableBoolean(false, false);
  readonly changed = new NullarySignal();

  constructor() {
    this.location.changed.add(this.changed.dispatch);
    for (const member of Object.values(this.members())) member.changed.add(this.changed.dispatch);
  }

  /** JSON key -> member, in the order in which they stand in the state. */
  private members() {
    const { tab, scope, sorting, layer, objectSorting, objectFilter, objectColumns, metric, tint } = this;
    return {
      tab,
      scope,
      order: sorting,
      layer,
      objectOrder: objectSorting,
      objectFilter,
      objectColumns,
      metric,
      tint,
    };
  }

  get order(): Order {
    return parseOrder(this.sorting.value) as { column: Column; descending: boolean };
  }

  set order(order: Order) {
    this.sorting.value = writeOrder(order);
  }

  get objectOrder(): ObjectOrder {
    return parseOrder(this.objectSorting.value) as { column: ObjectOrderColumn; descending: boolean };
  }

  set objectOrder(order: ObjectOrder) {
    this.objectSorting.value = writeOrder(order);
  }

  toJSON() {
    const location: Partial<SidePanelLocation> = this.location.toJSON();
    // Neuroglancer gives every panel a row when it lays out the sides; that of a hidden one says nothing.
    if (!this.location.visible) delete location.row;
    const members = Object.entries(this.members())
      .map(([key, member]) => [key, member.toJSON()] as const)
      .filter(([, value]) => value !== undefined);
    return emptyToUndefined({ ...location, ...Object.fromEntries(members) });
  }

  reset(): void {
    this.location.reset();
    for (const member of Object.values(this.members())) member.reset();
  }

  /** What cannot be used becomes the default, as with Neuroglancer's own values. */
  restoreState(json: unknown): void {
    if (json === undefined) return;
    const object = verifyObject(json) as Record<string, unknown>;
    this.location.restoreState(json);
    for (const [key, member] of Object.entries(this.members())) member.restoreState(object[key]);
  }
}
