import type { LabelSettings } from "../../src/segmentation/types.js";

/** A chunk that was labelled anew. */
export interface Relabelled {
  /** Makes it known to others that are done with it; before any of them is packed. */
  join?(): void;
  /** Gets it ready to be shown. Must not reject. */
  pack?(): Promise<void>;
  /** Puts it on the screen. */
  show(): void;
  /** What may wait until everything is on the screen. */
  finish(): void;
}

export interface RelabelHost {
  settings(): LabelSettings;
  /** What was labelled with other settings: chunks on the screen, and the rest, each with the most wanted first. */
  keys(): { readonly visible: readonly string[]; readonly others: readonly string[] };
  /** Labels one; undefined when there is nothing to show. Must not reject. */
  relabel(key: string, settings: LabelSettings): Promise<Relabelled | undefined>;
}

/** Labelling and packing are done in different threads: enough chunks at once to keep all of them busy. */
const AT_ONCE = 6;
/** Chunks that are not on the screen are done in groups of this many, so that a new change soon has its turn. */
const GROUP = 8;

/**
 * Labels everything anew when settings change: what is on the screen first, and shown all at once (every change of the
 * screen is drawn, which costs more than the labelling), then the rest. Settings that change while the screen is being
 * labelled, as when a slider is dragged, wait for it: the screen follows the slider, and is never starved by it.
 */
export class Relabeller {
  private again = false;
  private running = false;
  private disposed = false;

  constructor(private readonly host: RelabelHost) {}

  /** Settings changed, or something was labelled with settings that have changed since. */
  change(): void {
    this.again = true;
    if (!this.running) void this.run();
  }

  dispose(): void {
    this.disposed = true;
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.again && !this.disposed) {
      this.again = false;
      const settings = this.host.settings();
      const { visible, others } = this.host.keys();
      await this.group(visible, settings);
      for (let i = 0; i < others.length && !this.again && !this.disposed; i += GROUP)
        await this.group(others.slice(i, i + GROUP), settings);
    }
    this.running = false;
  }

  private async group(keys: readonly string[], settings: LabelSettings): Promise<void> {
    const done: Relabelled[] = [];
    const next = keys[Symbol.iterator]();
    const worker = async () => {
      for (const key of next) {
        if (this.disposed) return;
        const relabelled = await this.host.relabel(key, settings);
        if (relabelled !== undefined) done.push(relabelled);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (this.disposed) return;
    for (const relabelled of done) relabelled.join?.();
    await Promise.all(done.map((relabelled) => relabelled.pack?.()));
    if (this.disposed) return;
    for (const relabelled of done) relabelled.show();
    for (const relabelled of done) {
      if (this.again) return;
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (!this.disposed) relabelled.finish();
    }
  }
}
