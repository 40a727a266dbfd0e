import { TrackableValue } from "neuroglancer/unstable/trackable_value.js";
import {
  DEFAULT_SIDE_PANEL_LOCATION,
  type SidePanelLocation,
  TrackableSidePanelLocation,
} from "neuroglancer/unstable/ui/side_panel_location.js";
import { emptyToUndefined, verifyObject, verifyOptionalString } from "neuroglancer/unstable/util/json.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import { COLUMNS, type Column, type Order } from "./rows.js";

export type Scope = "view" | "all";

function verifyScope(value: unknown): Scope {
  if (value === "view" || value === "all") return value;
  throw new Error(`Morphology panel: "scope" must be "view" or "all", but is ${JSON.stringify(value)}`);
}

/** The order of the table as one word: a column, with a minus in front for descending. */
function verifyOrder(value: unknown): string {
  const column = typeof value === "string" ? value.replace(/^-/, "") : "";
  if ((COLUMNS as readonly string[]).includes(column)) return value as string;
  throw new Error(
    `Morphology panel: "order" must be one of ${COLUMNS.join(", ")}, or that with "-" in front, but is ${JSON.stringify(value)}`,
  );
}

/** Where the panel is, what it shows and in which order: the key "morphologyPanel" of the viewer's state. */
export class MorphologyPanelState {
  readonly location = new TrackableSidePanelLocation({
    ...DEFAULT_SIDE_PANEL_LOCATION,
    side: "left",
    row: 0,
    size: 416,
    minSize: 320,
  });
  readonly scope = new TrackableValue<Scope>("view", verifyScope);
  readonly sorting = new TrackableValue<string>("-distance", verifyOrder);
  /** Name of the layer that is shown; the first prediction layer without it. */
  readonly layer = new TrackableValue<string | undefined>(undefined, verifyOptionalString);
  readonly changed = new NullarySignal();

  constructor() {
    for (const member of [this.location, this.scope, this.sorting, this.layer])
      member.changed.add(this.changed.dispatch);
  }

  get order(): Order {
    const text = this.sorting.value;
    const descending = text.startsWith("-");
    return { column: (descending ? text.slice(1) : text) as Column, descending };
  }

  set order({ column, descending }: Order) {
    this.sorting.value = descending ? `-${column}` : column;
  }

  toJSON() {
    const location: Partial<SidePanelLocation> = this.location.toJSON();
    // Neuroglancer gives every panel a row when it lays out the sides; that of a hidden one says nothing.
    if (!this.location.visible) delete location.row;
    return emptyToUndefined({
      ...location,
      ...withoutUndefined({
        scope: this.scope.toJSON(),
        order: this.sorting.toJSON(),
        layer: this.layer.toJSON(),
      }),
    });
  }

  reset(): void {
    for (const member of [this.location, this.scope, this.sorting, this.layer]) member.reset();
  }

  /** What cannot be used becomes the default, as with Neuroglancer's own values. */
  restoreState(json: unknown): void {
    if (json === undefined) return;
    const { scope, order, layer } = verifyObject(json) as Record<string, unknown>;
    this.location.restoreState(json);
    this.scope.restoreState(scope);
    this.sorting.restoreState(order);
    this.layer.restoreState(layer);
  }
}

function withoutUndefined(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
