import type { StepLosses } from "../src/adaptation/types.js";
import type { AdaptationPhase, AdaptationUpdate, ScoredPoint } from "./adaptation_api.js";

/** Updates come at most this often, ms; a change of phase is told at once. */
const INTERVAL = 200;
/** Weight of the newest in the running mean of what a step or a score takes. */
const NEWEST = 0.2;

/** Running mean of durations, seconds. */
class Pace {
  private value: number | undefined;

  add(seconds: number): void {
    this.value = this.value === undefined ? seconds : (1 - NEWEST) * this.value + NEWEST * seconds;
  }

  /** What `count` more would take; undefined while none was seen. */
  of(count: number): number | undefined {
    if (count <= 0) return 0;
    return this.value === undefined ? undefined : this.value * count;
  }
}

/** Gathers what there is to say of a running adaptation, and says it from time to time. */
export class AdaptationProgress {
  private phase: AdaptationPhase = "starting";
  private engine: string | undefined;
  private stage: string | undefined;
  private step = 0;
  private steps = 0;
  private read = 0;
  private slices = 0;
  private scoresLeft = 1;
  private best: number | undefined;
  private losses: AdaptationUpdate["losses"][number][] = [];
  private scores: ScoredPoint[] = [];
  private readonly stepPace = new Pace();
  private readonly scorePace = new Pace();
  private scoringSince = 0;
  private last = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly send: (update: AdaptationUpdate) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  computesOn(engine: string): void {
    this.engine = engine;
    this.tell(true);
  }

  enter(phase: AdaptationPhase): void {
    if (phase === "scoring") this.scoringSince = this.now();
    this.phase = phase;
    this.tell(true);
  }

  reading(read: number, slices: number): void {
    this.read = read;
    this.slices = slices;
    this.tell();
  }

  planned(steps: number, scores: number): void {
    this.steps = steps;
    this.scoresLeft = scores;
  }

  entered(stage: string): void {
    this.stage = stage;
    this.tell(true);
  }

  stepped(step: number, losses: StepLosses, seconds: number): void {
    this.step = step;
    this.stepPace.add(seconds);
    this.losses.push({ step, losses });
    this.tell();
  }

  /** @param best Step of the snapshot that would be kept now. */
  scored(point: ScoredPoint, best: number | undefined): void {
    this.scorePace.add((this.now() - this.scoringSince) / 1000);
    if (point.step > 0) this.scoresLeft = Math.max(0, this.scoresLeft - 1);
    this.best = best;
    this.scores.push(point);
    this.tell(true);
  }

  private remaining(): number | undefined {
    const steps = this.stepPace.of(this.steps - this.step);
    const scores = this.scorePace.of(this.scoresLeft);
    return steps === undefined || scores === undefined ? undefined : steps + scores;
  }

  private tell(atOnce = false): void {
    const now = this.now();
    if (!atOnce && now - this.last < INTERVAL) return;
    this.last = now;
    const { phase, engine, stage, step, steps, read, slices, losses, scores, best } = this;
    const remaining = this.remaining();
    this.losses = [];
    this.scores = [];
    this.send({
      phase,
      ...(engine !== undefined && { engine }),
      ...(stage !== undefined && { stage }),
      step,
      steps,
      read,
      slices,
      ...(remaining !== undefined && { remaining }),
      losses,
      scores,
      ...(best !== undefined && { best }),
    });
  }
}
