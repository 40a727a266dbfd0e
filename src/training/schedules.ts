export const SCHEDULES = [
  "constant",
  "cosine",
  "one-cycle",
  "reduce-on-plateau",
  "linear-decay",
  "late-linear-decay",
] as const;
export type ScheduleName = (typeof SCHEDULES)[number];

export interface ScheduleOptions {
  readonly name: ScheduleName;
  /** Highest learning rate. */
  readonly learningRate: number;
  /** Optimiser steps of the whole training. */
  readonly steps: number;
  /** Linear rise from 0 over this many steps before constant and cosine schedules. */
  readonly warmup?: number;
  /** reduce-on-plateau: validations without improvement before a cut, by this factor, never below this rate. */
  readonly plateauPatience?: number;
  readonly plateauFactor?: number;
  /** By less than this a loss does not improve on the best; default 0. Keras's is 1e-4. */
  readonly plateauDelta?: number;
  readonly minimum?: number;
}

/** What reduce-on-plateau remembers; goes into checkpoints. */
export interface PlateauState {
  best: number;
  waited: number;
  scale: number;
}

const cosine = (from: number, to: number, fraction: number) =>
  to + ((from - to) / 2) * (1 + Math.cos(Math.PI * fraction));

/** A learning rate for each step, from the settings and (for reduce-on-plateau) the validation losses seen. */
export class Schedule {
  constructor(
    private readonly options: ScheduleOptions,
    readonly state: PlateauState = { best: Number.POSITIVE_INFINITY, waited: 0, scale: 1 },
  ) {
    if (!(options.learningRate > 0))
      throw new Error(`the learning rate must be positive, not ${options.learningRate}`);
  }

  /**
   * Rate of 0-based `step`. One-cycle as the authors have it: lr/25 -> lr over the first 30 % of the steps, then
   * -> lr/(25 * 10^4), both halves cosine. Cosine ends at 0. Linear decay stays for the first half of the steps (late: for
   * three quarters), then falls to 0 on a line, as the CUT repository has it for CUT (200 and 200 epochs) and FastCUT
   * (150 and 50), here step by step and not epoch by epoch.
   */
  rate(step: number): number {
    const { name, learningRate, steps, warmup = 0 } = this.options;
    if (name === "one-cycle") {
      const up = Math.max(1, Math.floor(0.3 * steps));
      if (step < up) return cosine(learningRate / 25, learningRate, step / up);
      const down = Math.max(1, steps - 1 - up);
      return cosine(learningRate, learningRate / 25e4, Math.min(1, (step - up) / down));
    }
    if (step < warmup) return (learningRate * (step + 1)) / warmup;
    if (name === "cosine") {
      return cosine(learningRate, 0, Math.min(1, (step - warmup) / Math.max(1, steps - warmup)));
    }
    if (name === "linear-decay" || name === "late-linear-decay") {
      const constant = Math.floor(steps * (name === "linear-decay" ? 0.5 : 0.75));
      return learningRate * Math.max(0, 1 - Math.max(0, step + 1 - constant) / (steps - constant + 1));
    }
    if (name === "reduce-on-plateau") {
      return Math.max(learningRate * this.state.scale, this.options.minimum ?? learningRate / 10);
    }
    return learningRate;
  }

  /** Tells reduce-on-plateau the loss of a validation. */
  validated(loss: number): void {
    const { plateauPatience = 5, plateauFactor = 0.5, plateauDelta = 0 } = this.options;
    const { state } = this;
    if (loss < state.best - plateauDelta) {
      state.best = loss;
      state.waited = 0;
    } else if (++state.waited >= plateauPatience) {
      state.scale *= plateauFactor;
      state.waited = 0;
    }
  }
}
