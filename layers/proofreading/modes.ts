import type { Action, ConflictReason } from "../../src/proofreading/types.js";
import type { Vec3 } from "../../src/volume/types.js";
import type { FoundObject, TriedEdit } from "../mito/edits_protocol.js";
import type { Outcome } from "./session.js";

/** What a mode needs of the session and of the page. */
export interface ModeHost {
  perform(action: Action): Promise<Outcome>;
  /** Shows what an action would do, with markers; no action takes the preview away. */
  preview(action: Action | undefined, marks: readonly (readonly Vec3[])[]): Promise<TriedEdit>;
  /** What is at each of some voxels. */
  findAll(voxels: readonly Vec3[]): Promise<readonly FoundObject[]>;
  /** The object at a voxel is the current one from now on. */
  choose(voxel: Vec3): void;
  /** Something to show changed. */
  changed(): void;
}

/** Something that takes several clicks. */
export interface Mode {
  readonly name: "merge" | "split" | "add";
  /** What to do next, for people. */
  readonly text: string;
  click(voxel: Vec3): Promise<void>;
  /** A click with Shift: everything on the line from the last click to here. */
  line?(voxel: Vec3): Promise<void>;
  /** Enter. @returns whether the mode is over. */
  commit(): Promise<boolean>;
  /** Takes the last click back. */
  back(): Promise<void>;
  /** A part, 1.., for the next clicks. */
  part?(number: number): void;
  /** Moves the local threshold. */
  threshold?(steps: number): Promise<void>;
  /** Takes the preview away. */
  end(): Promise<void>;
}

function problemOf({ conflicts }: TriedEdit): string | undefined {
  return conflicts[0]?.message;
}

/** Voxels looked at on a line, at most. */
const MOST_ON_LINE = 4000;

/** The first click says into which object, each further one what becomes part of it; with Shift, all that a line from the last click crosses. */
export class MergeMode implements Mode {
  readonly name = "merge";
  text = "Click the first object.";
  private first: Vec3 | undefined;
  private last: Vec3 | undefined;

  constructor(private readonly host: ModeHost) {}

  async click(voxel: Vec3): Promise<void> {
    if (this.first !== undefined) return this.merge(this.first, [voxel], voxel);
    const [found] = await this.host.findAll([voxel]);
    if (typeof found === "string" || found.deleted) this.text = "There is no object. Click the first object.";
    else {
      this.first = voxel;
      this.last = voxel;
      this.text = "Click the object to merge with it, Shift+click for all on the line to there. Esc ends.";
      this.host.choose(voxel);
    }
    this.host.changed();
  }

  async line(voxel: Vec3): Promise<void> {
    if (this.first === undefined || this.last === undefined) return this.click(voxel);
    const voxels = onLine(this.last, voxel);
    const found = await this.host.findAll([this.first, ...voxels]);
    const seen = new Set<number>();
    const anchors = [this.first, ...voxels].filter((_, i) => {
      const object = found[i];
      if (typeof object === "string" || object.deleted || seen.has(object.id)) return false;
      seen.add(object.id);
      return true;
    });
    return this.merge(this.first, anchors.slice(1), voxel);
  }

  private async merge(first: Vec3, others: readonly Vec3[], last: Vec3): Promise<void> {
    this.last = last;
    if (others.length === 0) this.text = "No other object is on the line. Click another one, or Esc.";
    else {
      const outcome = await this.host.perform({ kind: "merge", anchors: [first, ...others] });
      this.text =
        "done" in outcome
          ? "Merged. Click another object to merge, or Esc."
          : `Not merged: ${outcome.refused}. Click another object, or Esc.`;
      this.host.choose(first);
    }
    this.host.changed();
  }

  async commit(): Promise<boolean> {
    return true;
  }

  async back(): Promise<void> {
    this.first = undefined;
    this.text = "Click the first object.";
    this.host.changed();
  }

  async end(): Promise<void> {}
}

/** Voxels from one to another, both included, each at most one from the next. */
function onLine(from: Vec3, to: Vec3): Vec3[] {
  const steps = Math.min(MOST_ON_LINE, Math.max(...to.map((v, i) => Math.abs(v - from[i]))));
  return Array.from({ length: steps + 1 }, (_, k) => {
    const at = (i: number) => Math.round(from[i] + ((to[i] - from[i]) * k) / Math.max(1, steps));
    return [at(0), at(1), at(2)];
  });
}

/** Markers of two or more parts; the cut is shown from two parts on. */
export class SplitMode implements Mode {
  readonly name = "split";
  readonly parts: Vec3[][] = [[], []];
  current = 0;
  landscape: "probability" | "distance" = "probability";
  private clicks: number[] = [];
  private problem: string | undefined;
  private shown = false;

  constructor(private readonly host: ModeHost) {}

  get text(): string {
    const counts = this.parts.map((part, i) => `${i + 1}: ${part.length}`).join(", ");
    const head = `Part ${this.current + 1}: click in it. Markers ${counts}.`;
    if (this.problem !== undefined) return `${head} ${this.problem}`;
    return this.shown
      ? `${head} Enter cuts as shown; 1-9 choose the part, Backspace takes a marker back, Esc cancels.`
      : `${head} Put a marker into each part; keys 1-9 choose the part.`;
  }

  async click(voxel: Vec3): Promise<void> {
    this.parts[this.current].push(voxel);
    this.clicks.push(this.current);
    // The second click is for the second part: the usual split takes two clicks and Enter.
    if (this.clicks.length === 1 && this.current === 0) this.current = 1;
    await this.update();
  }

  part(number: number): void {
    while (this.parts.length < number) this.parts.push([]);
    this.current = number - 1;
    this.host.changed();
  }

  /** Floods by probability or by the distance to the border. */
  async flood(landscape: "probability" | "distance"): Promise<void> {
    this.landscape = landscape;
    await this.update();
  }

  async back(): Promise<void> {
    const last = this.clicks.pop();
    if (last === undefined) return;
    this.parts[last].pop();
    this.current = last;
    await this.update();
  }

  async commit(): Promise<boolean> {
    const action = this.action;
    if (action === undefined || !this.shown) return false;
    const outcome = await this.host.perform(action);
    if ("done" in outcome) return true;
    this.problem = outcome.refused;
    this.host.changed();
    return false;
  }

  async end(): Promise<void> {
    await this.host.preview(undefined, []);
  }

  private get action(): Action | undefined {
    const parts = this.parts.filter(({ length }) => length > 0);
    return parts.length < 2 ? undefined : { kind: "split", parts, landscape: this.landscape };
  }

  private async update(): Promise<void> {
    const { action } = this;
    this.host.changed();
    const tried = await this.host.preview(action, this.parts);
    this.problem = problemOf(tried);
    this.shown = action !== undefined && this.problem === undefined;
    this.host.changed();
  }
}

const STEP = 0.05;
const LEAST: readonly ConflictReason[] = ["would-vanish", "below-threshold"];

/** Grows an object from a click, at a threshold of its own and within an ellipsoid. */
export class AddMode implements Mode {
  readonly name = "add";
  private seed: Vec3 | undefined;
  private problem: string | undefined;
  private voxels = 0;

  /** @param radius half axes, voxels. */
  constructor(
    private readonly host: ModeHost,
    public local: number,
    public radius: Vec3,
  ) {}

  get text(): string {
    const settings = `threshold ${this.local.toFixed(2)} (− and =), radius ${this.radius[0]} voxels`;
    if (this.seed === undefined) return `Click in the object that was missed; ${settings}.`;
    return this.problem === undefined
      ? `${this.voxels.toLocaleString("en")} voxels, ${settings}. Enter adds it, Esc cancels.`
      : `${this.problem} (${settings})`;
  }

  async click(voxel: Vec3): Promise<void> {
    this.seed = voxel;
    await this.update();
  }

  async threshold(steps: number): Promise<void> {
    this.local = Math.min(1, Math.max(0.01, Math.round((this.local + steps * STEP) * 100) / 100));
    await this.update();
  }

  async resize(radius: Vec3): Promise<void> {
    this.radius = radius;
    await this.update();
  }

  async back(): Promise<void> {
    this.seed = undefined;
    await this.update();
  }

  async commit(): Promise<boolean> {
    const { action } = this;
    if (action === undefined) return false;
    const outcome = await this.host.perform(action);
    if ("done" in outcome) return true;
    this.problem = outcome.refused;
    this.host.changed();
    return false;
  }

  async end(): Promise<void> {
    await this.host.preview(undefined, []);
  }

  private get action(): Action | undefined {
    const { seed, local, radius } = this;
    return seed && { kind: "add", seed, threshold: local, radius };
  }

  private async update(): Promise<void> {
    const { action } = this;
    const tried = await this.host.preview(action, this.seed === undefined ? [] : [[this.seed]]);
    const hint = tried.conflicts.some(({ reason }) => LEAST.includes(reason)) ? ": lower the threshold" : "";
    const problem = problemOf(tried);
    this.problem = problem === undefined ? undefined : `${problem}${hint}`;
    this.voxels = tried.objects.reduce((sum, { voxels }) => sum + (voxels ?? 0), 0);
    this.host.changed();
  }
}
