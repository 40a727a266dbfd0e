/** Time in one go, ms: a frame of 16 ms is hardly late for it. */
const SLICE = 8;

/** Runs what comes in steps a few milliseconds at a time, so that the page answers in between; a new run ends the one before. */
export class Pump<T> {
  private timer: ReturnType<typeof setTimeout> | undefined;

  run(steps: Generator<undefined, T>, done: (result: T) => void): void {
    this.stop();
    const go = () => {
      const end = performance.now() + SLICE;
      do {
        const next = steps.next();
        if (next.done) {
          this.timer = undefined;
          done(next.value);
          return;
        }
      } while (performance.now() < end);
      this.timer = setTimeout(go, 0);
    };
    this.timer = setTimeout(go, 0);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
