import { TrackableBoolean } from "neuroglancer/unstable/trackable_boolean.js";
import { TrackableValue } from "neuroglancer/unstable/trackable_value.js";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { verifyBoolean, verifyFiniteFloat, verifyObject } from "neuroglancer/unstable/util/json.js";
import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import type { LabelSettings } from "../../src/segmentation/types.js";
import { DEFAULT_LABEL_SETTINGS } from "../mito/base.js";

/** A chunk of the default display size has 524,288 voxels: no object in it is larger than this. */
export const LARGEST_MINIMUM = 1_000_000;

function verifyThreshold(value: unknown): number {
  const number = verifyFiniteFloat(value);
  if (number < 0 || number > 1) throw new Error(`expected a number from 0 to 1, but received ${number}`);
  return number;
}

function verifyMinimumVoxels(value: unknown): number {
  const number = verifyFiniteFloat(value);
  if (!Number.isInteger(number) || number < 0 || number > LARGEST_MINIMUM)
    throw new Error(`expected a whole number from 0 to ${LARGEST_MINIMUM}, but received ${number}`);
  return number;
}

const VALIDATORS = {
  threshold: verifyThreshold,
  minimumVoxels: verifyMinimumVoxels,
  showProbability: verifyBoolean,
};

/**
 * What a mitochondria layer adds to a segmentation layer's state. All of it is what is done with probabilities that
 * are there already: what changes the network's output is in the source's URL.
 */
export class MitoLayerState extends RefCounted {
  readonly threshold = new TrackableValue(DEFAULT_LABEL_SETTINGS.threshold, verifyThreshold);
  readonly minimumVoxels = new TrackableValue(DEFAULT_LABEL_SETTINGS.minimumVoxels, verifyMinimumVoxels);
  readonly showProbability = new TrackableBoolean(false, false);
  readonly changed = new NullarySignal();

  constructor() {
    super();
    for (const member of Object.values(this.members()))
      this.registerDisposer(member.changed.add(this.changed.dispatch));
  }

  /** JSON key -> member, in the order in which they stand in the state. */
  private members() {
    const { threshold, minimumVoxels, showProbability } = this;
    return { threshold, minimumVoxels, showProbability };
  }

  get labelSettings(): LabelSettings {
    const { connectivity } = DEFAULT_LABEL_SETTINGS;
    return { threshold: this.threshold.value, minimumVoxels: this.minimumVoxels.value, connectivity };
  }

  /** Only what differs from the default, as everywhere in Neuroglancer. */
  toJSON(): Record<string, unknown> {
    return Object.fromEntries(Object.entries(this.members()).map(([key, member]) => [key, member.toJSON()]));
  }

  /**
   * Takes what can be used and goes back to the default for the rest, so that one bad key does not keep a link from opening.
   * @returns what could not be used, one line a key, for the user.
   */
  restoreState(json: unknown): string[] {
    const specification = verifyObject(json) as Record<string, unknown>;
    const problems: string[] = [];
    for (const [key, member] of Object.entries(this.members())) {
      const value = specification[key];
      try {
        if (value !== undefined) VALIDATORS[key as keyof typeof VALIDATORS](value);
        member.restoreState(value);
      } catch (error) {
        member.reset();
        problems.push(`${key}: ${error instanceof Error ? error.message : error}; the default is used.`);
      }
    }
    return problems;
  }
}
