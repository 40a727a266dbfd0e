import { TrackableBoolean } from "neuroglancer/unstable/trackable_boolean.js";
import { TrackableValue } from "neuroglancer/unstable/trackable_value.js";
import {
  DEFAULT_SIDE_PANEL_LOCATION,
  type SidePanelLocation,
  TrackableSidePanelLocation,
} from "neuroglancer/unstable/ui/side_panel_location.js";
import { emptyToUndefined, verifyObject, verifyOptionalString } from "neuroglancer/unstable/util/json.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import type { QueueMetric } from "../../src/proofreading/queue.js";

/** Metrics of objects that the panel offers, in its order. */
export const METRICS = ["margin", "border", "prior", "size", "touching"] as const satisfies QueueMetric[];
export type PanelMetric = (typeof METRICS)[number];

function verifyMetric(value: unknown): PanelMetric {
  if (METRICS.includes(value as PanelMetric)) return value as PanelMetric;
  throw new Error(
    `Proofreading: "metric" must be one of ${METRICS.join(", ")}, but is ${JSON.stringify(value)}`,
  );
}

function verifyVoxels(value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 1e9) return value as number;
  throw new Error(`Proofreading: "minimumVoxels" must be a whole number, but is ${JSON.stringify(value)}`);
}

/** Where the panel is and where the queue stands: the key "proofreading" of the viewer's state. */
export class ProofreadingState {
  readonly location = new TrackableSidePanelLocation({
    ...DEFAULT_SIDE_PANEL_LOCATION,
    side: "right",
    row: 0,
    size: 340,
    minSize: 300,
  });
  readonly metric = new TrackableValue<PanelMetric>("margin", verifyMetric);
  readonly reverse = new TrackableBoolean(false, false);
  /** Smaller objects are not in the queue. */
  readonly minimumVoxels = new TrackableValue<number>(0, verifyVoxels);
  /** Whether a verdict goes on to the next object of the queue. */
  readonly goOn = new TrackableBoolean(true, true);
  /** Key of the place where the queue stands. */
  readonly place = new TrackableValue<string | undefined>(undefined, verifyOptionalString);
  readonly changed = new NullarySignal();

  constructor() {
    this.location.changed.add(this.changed.dispatch);
    for (const member of Object.values(this.members())) member.changed.add(this.changed.dispatch);
  }

  private members() {
    const { metric, reverse, minimumVoxels, goOn, place } = this;
    return { metric, reverse, minimumVoxels, goOn, place };
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
