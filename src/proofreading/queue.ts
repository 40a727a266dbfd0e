import type { Box, Vec3 } from "../volume/types.js";

/** What places of a queue are ordered by. */
export const QUEUE_METRICS = [
  "prior",
  "disagreement",
  "margin",
  "border",
  "size",
  "touching",
  "missed",
] as const;
export type QueueMetric = (typeof QUEUE_METRICS)[number];

export type PlaceKind = "object" | "chunk" | "missed";

/** Something to look at: an object, a chunk, or where an object may have been missed. */
export interface QueuePlace {
  /** The same for the same place as long as the predictions are the same. */
  readonly key: string;
  readonly kind: PlaceKind;
  /** Id of the predicted object, of an object. */
  readonly object?: number;
  /** A voxel of it: of an object inside of it. */
  readonly anchor: Vec3;
  readonly box: Box;
  /** What is known of it; what is not is left out. */
  readonly metrics: Partial<Readonly<Record<QueueMetric, number>>>;
}

/**
 * What comes first: far from the prior, disagreed about, near to the threshold (all of it, or its border), large, near to others, much
 * probability below the threshold.
 */
const FIRST: Readonly<Record<QueueMetric, "high" | "low">> = {
  prior: "high",
  disagreement: "high",
  margin: "low",
  border: "low",
  size: "high",
  touching: "high",
  missed: "high",
};

export interface QueueOrder {
  readonly metric: QueueMetric;
  /** Turns the order round. */
  readonly reverse?: boolean;
}

export interface QueueFilter {
  readonly kinds?: ReadonlySet<PlaceKind>;
  /** Bounds of metrics, both included; a place that lacks the metric is left out. */
  readonly within?: Partial<Readonly<Record<QueueMetric, readonly [from: number, to: number]>>>;
}

/** The places that pass the filter, in order; those that lack the metric come last, equal ones in the order of their keys. */
export function orderPlaces(
  places: Iterable<QueuePlace>,
  { metric, reverse = false }: QueueOrder,
  filter: QueueFilter = {},
): QueuePlace[] {
  const sign = (FIRST[metric] === "high") === reverse ? 1 : -1;
  const value = ({ metrics }: QueuePlace) => {
    const found = metrics[metric];
    return found === undefined || Number.isNaN(found) ? Number.POSITIVE_INFINITY : sign * found;
  };
  return [...places]
    .filter((place) => passes(place, filter))
    .sort((a, b) => compare(value(a), value(b)) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function passes(place: QueuePlace, { kinds, within = {} }: QueueFilter): boolean {
  if (kinds !== undefined && !kinds.has(place.kind)) return false;
  return Object.entries(within).every(([metric, [from, to]]) => {
    const value = place.metrics[metric as QueueMetric];
    return value !== undefined && value >= from && value <= to;
  });
}

/** What a queue shows of itself. */
export interface QueueState {
  readonly place: QueuePlace | undefined;
  /** Places not done yet, the present one included. */
  readonly left: number;
  readonly total: number;
}

/** A way through places that remembers where it stands by key, so that it goes on there when the order or the places change. */
export class ProofreadingQueue {
  private places: readonly QueuePlace[] = [];
  private at = 0;

  /** @param isDone whether a place needs no look any more, as its object has a verdict. Asked each time. */
  constructor(private readonly isDone: (place: QueuePlace) => boolean) {}

  /** Takes the places in their new order and stays where it was. @param key where to go on, as after a reload. */
  set(places: readonly QueuePlace[], key = this.places[this.at]?.key): void {
    this.places = places;
    const found = places.findIndex((place) => place.key === key);
    this.at = found >= 0 ? found : Math.min(this.at, Math.max(0, places.length - 1));
  }

  get state(): QueueState {
    const left = this.places.reduce((sum, place) => (this.isDone(place) ? sum : sum + 1), 0);
    return { place: this.places[this.at], left, total: this.places.length };
  }

  /** Goes to the next place that is not done, from the end on to the beginning; undefined (and stays) when all are. */
  next(): QueuePlace | undefined {
    return this.step(1);
  }

  previous(): QueuePlace | undefined {
    return this.step(-1);
  }

  private step(by: 1 | -1): QueuePlace | undefined {
    const { length } = this.places;
    for (let i = 1; i <= length; ++i) {
      const at = (((this.at + i * by) % length) + length) % length;
      if (this.isDone(this.places[at])) continue;
      this.at = at;
      return this.places[at];
    }
    return undefined;
  }
}
