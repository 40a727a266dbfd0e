import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import {
  MOST_PIXELS,
  type Stack,
  stackAround,
  stackBox,
  stacksIn,
} from "../../src/adaptation/target_patches.js";
import { Random } from "../../src/network/random.js";
import type { AdaptationRequest } from "../../workers/adaptation_api.js";
import type { MitoSource } from "../mito/base.js";
import { targetName } from "./adapt_texts.js";
import { field } from "./controls.js";
import { element, setText } from "./dom.js";
import type { MitoUserLayer } from "./layer.js";
import {
  formatRanges,
  parseRanges,
  RegionError,
  regionNames,
  viewRanges,
  voxelAt,
  voxelBox,
} from "./region.js";
import { OFFERED, type OfferedStrategy, whyNot } from "./strategies.js";

const MOST_SECTIONS = 64;
const MOST_STEPS = 100_000;
const SEED = 1;

let groups = 0;

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** What to adapt with, and on which EM: the form before an adaptation. It makes the request; it starts nothing. */
export class AdaptSetup extends RefCounted {
  readonly element: HTMLElement;
  private readonly radios = new Map<string, { input: HTMLInputElement; about: HTMLElement }>();
  private readonly steps = element("input", { type: "number", min: 1, max: MOST_STEPS, step: 1 });
  private readonly stepsField: HTMLElement;
  private readonly from = element("select");
  private readonly sections = element("input", {
    type: "number",
    min: 1,
    max: MOST_SECTIONS,
    step: 1,
    value: 8,
  });
  private readonly box = element("input", { type: "text", spellcheck: "false", autocomplete: "off" });
  private readonly boxField: HTMLElement;
  private readonly amount = element("p", { class: "mito-soft" });

  constructor(private readonly layer: MitoUserLayer) {
    super();
    const group = `mito-strategy-${groups++}`;
    const strategies = OFFERED.map((strategy) => this.strategyRow(strategy, group));
    this.stepsField = field(
      "Steps",
      "More steps learn more and take longer; stopping early keeps the best",
      (id) => {
        this.steps.id = id;
        return this.steps;
      },
    );
    for (const [value, label] of [
      ["view", "Around the view"],
      ["box", "A box"],
    ])
      this.from.append(element("option", { value }, label));
    const visible = element(
      "button",
      { type: "button", title: "Fill in what the views show now", onclick: () => this.takeVisible() },
      "Visible",
    );
    this.boxField = field("Box", "from:to for each axis, in the coordinates of the position bar", (id) => {
      this.box.id = id;
      return element("span", { class: "mito-box" }, this.box, visible);
    });
    this.element = element(
      "div",
      { class: "mito-adapt-setup" },
      element("div", { role: "radiogroup", "aria-label": "How to adapt" }, ...strategies),
      this.stepsField,
      field(
        "EM from",
        "Unlabelled patches of this volume, at the model's scale; nothing leaves this computer",
        (id) => {
          this.from.id = id;
          return this.from;
        },
      ),
      this.boxField,
      field("Sections", "How many sections are taken, around the one in view", (id) => {
        this.sections.id = id;
        return this.sections;
      }),
      this.amount,
    );
    for (const control of [this.from, this.sections, this.box])
      control.addEventListener("input", () => this.showAmount());
    this.from.addEventListener("change", () => {
      if (this.from.value === "box" && this.box.value === "") this.takeVisible();
      this.showAmount();
    });
    this.registerDisposer(layer.mito.changed.add(() => this.show()));
    this.show();
  }

  private strategyRow(strategy: OfferedStrategy, name: string): HTMLElement {
    const input = element("input", {
      type: "radio",
      name,
      value: strategy.id,
      onchange: () => this.choose(strategy),
    });
    const about = element("span", { class: "mito-soft" }, strategy.about);
    this.radios.set(strategy.id, { input, about });
    return element(
      "label",
      { class: "mito-strategy" },
      input,
      element("span", {}, element("strong", {}, strategy.label), about),
    );
  }

  get chosen(): OfferedStrategy | undefined {
    return OFFERED.find(({ id }) => this.radios.get(id)?.input.checked === true);
  }

  private choose(strategy: OfferedStrategy): void {
    this.steps.valueAsNumber = strategy.steps;
    this.stepsField.hidden = !strategy.trains;
  }

  /** Which strategies the model of the layer can be adapted with; the first of them is chosen. */
  private show(): void {
    const config = this.layer.mito.value?.model.config;
    for (const strategy of OFFERED) {
      const { input, about } = this.radios.get(strategy.id)!;
      const reason = config === undefined ? "The source is not loaded yet." : whyNot(strategy, config);
      input.disabled = reason !== undefined;
      if (reason !== undefined) input.checked = false;
      setText(about, reason ?? strategy.about);
      about.parentElement!.parentElement!.title = reason ?? strategy.about;
    }
    if (this.chosen === undefined) {
      const first = OFFERED.find(({ id }) => this.radios.get(id)?.input.disabled === false);
      if (first !== undefined) this.radios.get(first.id)!.input.checked = true;
      if (first !== undefined) this.choose(first);
      else this.stepsField.hidden = true;
    }
    this.showAmount();
  }

  private showAmount(): void {
    this.boxField.hidden = this.from.value !== "box";
    const { mito } = this.layer;
    this.box.setCustomValidity("");
    if (mito.value === undefined) {
      setText(this.amount, "");
      return;
    }
    try {
      const stacks = this.stacks(mito.value);
      const size = ({ columns, rows, slices }: Stack) =>
        [columns, rows, slices].map(([from, to]) => to - from);
      const [width, height, depth] = size(stacks[0]);
      const pixels = stacks.reduce((sum, stack) => sum + size(stack).reduce((a, b) => a * b, 1), 0);
      setText(
        this.amount,
        `${stacks.length > 1 ? `${stacks.length} times ` : ""}${width} × ${height} pixels in ${depth} sections: ` +
          `${(pixels / 2 ** 20).toFixed(1)} of at most ${MOST_PIXELS / 2 ** 20} megapixels.`,
      );
    } catch (error) {
      setText(this.amount, message(error));
      if (this.from.value === "box") this.box.setCustomValidity(message(error));
    }
  }

  /** Puts what the views show, so many sections of it, into the box. */
  private takeVisible(): void {
    const mito = this.layer.mito.value;
    const placement = this.layer.placement();
    if (mito === undefined || placement === undefined) return;
    try {
      const { sliceAxis, bounds } = mito.geometry;
      const centre = voxelAt(placement, this.layer.viewPosition());
      const boxes = mito.results.inView().map(({ box }) => box);
      // Zoomed out, or at the very start, no chunk is known to be in view.
      if (boxes.length === 0)
        boxes.push(stackBox(mito.geometry, stackAround(mito.geometry, centre, this.sectionCount())));
      const lower = [0, 1, 2].map((a) => Math.min(...boxes.map((box) => box.lower[a])));
      const upper = [0, 1, 2].map((a) => Math.max(...boxes.map((box) => box.upper[a])));
      const sections = this.sectionCount();
      lower[sliceAxis] = Math.max(bounds.lower[sliceAxis], Math.round(centre[sliceAxis] - sections / 2));
      upper[sliceAxis] = Math.min(bounds.upper[sliceAxis], lower[sliceAxis] + sections);
      this.box.value = formatRanges(
        viewRanges(placement, {
          lower: lower as [number, number, number],
          upper: upper as [number, number, number],
        }),
      );
    } catch (error) {
      setText(this.amount, message(error));
      return;
    }
    this.showAmount();
  }

  private sectionCount(): number {
    const sections = this.sections.valueAsNumber;
    if (!(Number.isInteger(sections) && sections >= 1 && sections <= MOST_SECTIONS))
      throw new RegionError(`Sections must be a whole number from 1 to ${MOST_SECTIONS}`);
    return sections;
  }

  private stacks({ geometry }: MitoSource): Stack[] {
    const placement = this.layer.placement();
    if (placement === undefined) throw new RegionError("The layer has no place in the view yet");
    if (this.from.value === "view")
      return [stackAround(geometry, voxelAt(placement, this.layer.viewPosition()), this.sectionCount())];
    const ranges = parseRanges(this.box.value, regionNames(placement));
    return stacksIn(geometry, voxelBox(placement, ranges), new Random(SEED));
  }

  /** @throws Error saying what is missing or cannot be read. */
  request(): AdaptationRequest {
    const mito = this.layer.mito.value;
    const strategy = this.chosen;
    if (mito === undefined) throw new Error("The source is not loaded yet");
    if (strategy === undefined) throw new Error("This model cannot be adapted here: choose another model");
    const steps = strategy.trains ? this.steps.valueAsNumber : strategy.steps;
    if (!(Number.isInteger(steps) && steps >= 1 && steps <= MOST_STEPS))
      throw new Error(`Steps must be a whole number from 1 to ${MOST_STEPS}`);
    return {
      model: mito.reference,
      strategy: strategy.id,
      geometry: mito.geometry,
      window: mito.window,
      eightBit: mito.eightBit,
      stacks: this.stacks(mito),
      target: targetName(mito.innerUrl),
      steps,
      seed: SEED,
    };
  }
}
