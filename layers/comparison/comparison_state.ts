import { TrackableBoolean } from "neuroglancer/unstable/trackable_boolean.js";
import { TrackableValue } from "neuroglancer/unstable/trackable_value.js";
import {
  DEFAULT_SIDE_PANEL_LOCATION,
  type SidePanelLocation,
  TrackableSidePanelLocation,
} from "neuroglancer/unstable/ui/side_panel_location.js";
import { emptyToUndefined, verifyObject, verifyOptionalString } from "neuroglancer/unstable/util/json.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";

export const SCOPES = ["chunk", "view", "all"] as const;
/** The chunk in the middle of the view, all chunks in view, all that were compared so far. */
export type Scope = (typeof SCOPES)[number];

function verifyScope(value: unknown): Scope {
  if ((SCOPES as readonly unknown[]).includes(value)) return value as Scope;
  throw new Error(
    `Comparison panel: "scope" must be one of ${SCOPES.join(", ")}, but is ${JSON.stringify(value)}`,
  );
}

/**
 * Where the comparison panel is and what it shows: the key "comparisonPanel" of the viewer's state. Which models are compared is in the
 * agreement layer's source, and thresholds are in the compared layers.
 */
export class ComparisonState {
  readonly location = new TrackableSidePanelLocation({
    ...DEFAULT_SIDE_PANEL_LOCATION,
    side: "left",
    row: 1,
    size: 400,
    minSize: 320,
  });
  readonly scope = new TrackableValue<Scope>("view", verifyScope);
  /** All compared layers have one threshold. */
  readonly sameThreshold = new TrackableBoolean(true, true);
  /** Name of the layer that models are scored against. */
  readonly reference = new TrackableValue<string | undefined>(undefined, verifyOptionalString);
  readonly changed = new NullarySignal();

  constructor() {
    for (const member of this.members()) member.changed.add(this.changed.dispatch);
  }

  private members() {
    return [this.location, this.scope, this.sameThreshold, this.reference];
  }

  toJSON() {
    const location: Partial<SidePanelLocation> = this.location.toJSON();
    // Neuroglancer gives every panel a row when it lays out the sides; that of a hidden one says nothing.
    if (!this.location.visible) delete location.row;
    const own = {
      scope: this.scope.toJSON(),
      sameThreshold: this.sameThreshold.toJSON(),
      reference: this.reference.toJSON(),
    };
    return emptyToUndefined({
      ...location,
      ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)),
    });
  }

  reset(): void {
    for (const member of this.members()) member.reset();
  }

  /** What cannot be used becomes the default, as with Neuroglancer's own values. */
  restoreState(json: unknown): void {
    if (json === undefined) return;
    const { scope, sameThreshold, reference } = verifyObject(json) as Record<string, unknown>;
    this.location.restoreState(json);
    this.scope.restoreState(scope);
    this.sameThreshold.restoreState(sameThreshold);
    this.reference.restoreState(reference);
  }
}
