import { NullarySignal } from "neuroglancer/unstable/util/signal.js";
import {
  orderPlaces,
  ProofreadingQueue,
  type QueuePlace,
  type QueueState,
} from "../../src/proofreading/queue.js";
import { sourceRegions } from "../morphology_panel/prior.js";
import type { EditSession } from "./session.js";
import type { ProofreadingState } from "./state.js";

/** Places asked for at once. */
const BATCH = 1000;

/** The objects of one prediction as a queue: measured in the chunk worker, ordered here, done when they have a verdict or are deleted. */
export class QueueModel {
  readonly changed = new NullarySignal();
  /** "measuring 120 of 600"; empty when all are measured. */
  progress = "";
  private places: QueuePlace[] = [];
  private ordered: QueuePlace[] = [];
  private readonly done = new Set<string>();
  private readonly queue = new ProofreadingQueue(({ key }) => this.done.has(key));
  private loading = 0;

  constructor(
    private readonly session: EditSession,
    private readonly state: ProofreadingState,
  ) {}

  get size(): number {
    return this.places.length;
  }

  get now(): QueueState {
    return this.queue.state;
  }

  /** Measures what is there now, and begins the queue with it. @throws Error when the layer is not shown. */
  async load(): Promise<void> {
    const run = ++this.loading;
    const { distribution, pixelRatio } = sourceRegions(this.session.mito);
    const prior = distribution === null ? undefined : { distribution, pixelRatio };
    const places: QueuePlace[] = [];
    try {
      for (let after: number | undefined = 0; after !== undefined; ) {
        const answer = await this.session.places(after, prior);
        if (run !== this.loading) return;
        places.push(...answer.places);
        after = answer.next;
        this.progress = `measured ${places.length.toLocaleString("en")} of ${answer.total.toLocaleString("en")}`;
        this.changed.dispatch();
      }
    } finally {
      if (run === this.loading) this.progress = "";
    }
    this.places = places;
    await this.refreshDone();
    this.order();
  }

  /** Puts the places in the order of the state; it goes on where it stood. */
  order(): void {
    const { metric, reverse, minimumVoxels, place } = this.state;
    const filter =
      minimumVoxels.value > 0 ? { within: { size: [minimumVoxels.value, Infinity] as const } } : {};
    this.ordered = orderPlaces(this.places, { metric: metric.value, reverse: reverse.value }, filter);
    this.queue.set(this.ordered, place.value);
    this.changed.dispatch();
  }

  /** Asks which places are done. */
  async refreshDone(): Promise<void> {
    const { places } = this;
    const done = new Set<string>();
    for (let i = 0; i < places.length; i += BATCH) {
      const batch = places.slice(i, i + BATCH);
      const found = await this.session.find(batch.map(({ anchor }) => anchor));
      batch.forEach(({ key }, k) => {
        const object = found[k];
        const isDone =
          object === "background" ||
          (typeof object !== "string" && (object.deleted || object.verdict !== undefined));
        if (isDone) done.add(key);
      });
    }
    if (places !== this.places) return;
    this.done.clear();
    for (const key of done) this.done.add(key);
    this.changed.dispatch();
  }

  /** A verdict was given at a place; the chunk worker's word follows. */
  finish({ key }: QueuePlace): void {
    this.done.add(key);
  }

  isDone({ key }: QueuePlace): boolean {
    return this.done.has(key);
  }

  step(by: 1 | -1): QueuePlace | undefined {
    const place = by === 1 ? this.queue.next() : this.queue.previous();
    if (place !== undefined) this.state.place.value = place.key;
    this.changed.dispatch();
    return place;
  }

  /** Goes to a place of the list. */
  goTo(place: QueuePlace): void {
    this.queue.set(this.ordered, place.key);
    this.state.place.value = place.key;
    this.changed.dispatch();
  }

  /** Places around the present one, in order. */
  around(count: number): readonly QueuePlace[] {
    const { place } = this.queue.state;
    const at = place === undefined ? 0 : Math.max(0, this.ordered.indexOf(place));
    const first = Math.max(0, Math.min(at - 2, this.ordered.length - count));
    return this.ordered.slice(first, first + count);
  }
}
