import type { MorphologySummary } from "../../src/morphology/types.js";
import { element, setText } from "../mito_layer/dom.js";
import {
  formatArea,
  formatCount,
  formatDifference,
  formatDistance,
  formatMilliseconds,
  formatPercent,
  formatSolidity,
} from "./format.js";
import { farthestTerm, regionDistance, type SourceRegions } from "./prior.js";
import type { Overview } from "./rows.js";

const ENTRIES = [
  ["chunks", "Chunks", "Chunks that are measured in this scope"],
  ["objects", "Objects", "Counted in each chunk: one that crosses a face counts in both"],
  ["fraction", "Fraction", "Voxels of mitochondria / all voxels"],
  [
    "solidity",
    "Mean solidity",
    "Region area / convex area, a region being one object in one slice (over 10 pixels)",
  ],
  [
    "distance",
    "Distance to source",
    "Of the regions' solidity, area, eccentricity and number from those of the model's source, in standard deviations there: 0 is alike, 10 is the most",
  ],
  ["area", "Mean area", "Of a region: one object in one slice"],
  ["time", "Forward pass", "Median for a chunk that was computed"],
  ["cached", "From cache", "Chunks that needed no forward pass"],
] as const;
type Entry = (typeof ENTRIES)[number][0];

/** The numbers of all chunks of a scope together, the solidity against the model's prior. */
export class SummaryView {
  readonly element = element("dl", { class: "mito-numbers" });
  private readonly values = new Map<Entry, readonly [value: Text, note: HTMLElement]>();

  constructor() {
    for (const [entry, label, title] of ENTRIES) {
      const value = document.createTextNode("");
      const note = element("small");
      this.values.set(entry, [value, note]);
      this.element.append(
        element("div", { title }, element("dt", {}, label), element("dd", {}, value, note)),
      );
    }
  }

  update(
    { summary, measured, forward, cached, failed, histogram }: Overview,
    prior: MorphologySummary | null,
    source: SourceRegions,
    engine: string,
  ): void {
    const solidity = summary.regions === 0 ? undefined : summary.solidity;
    this.write("chunks", formatCount(measured), failed === 0 ? "" : `${formatCount(failed)} failed`);
    this.write(
      "objects",
      formatCount(measured === 0 ? undefined : summary.objects),
      `${formatCount(summary.regions)} regions`,
    );
    this.write(
      "fraction",
      formatPercent(measured === 0 ? undefined : summary.fraction),
      prior === null ? "prior not known" : `prior ${formatPercent(prior.fraction)}`,
    );
    this.write(
      "solidity",
      formatSolidity(solidity),
      prior === null
        ? "prior not known"
        : solidity === undefined
          ? `prior ${formatSolidity(prior.solidity)}`
          : `prior ${formatSolidity(prior.solidity)} (${formatDifference(solidity - prior.solidity)})`,
    );
    const distance = measured === 0 ? undefined : regionDistance(histogram, source);
    this.write(
      "distance",
      formatDistance(distance?.distance),
      source.distribution === null
        ? "source's distributions not known"
        : distance === undefined
          ? ""
          : farthestTerm(distance),
    );
    this.write(
      "area",
      solidity === undefined
        ? formatArea(undefined)
        : formatArea(summary.area * source.pixelRatio * source.pixelArea),
      prior === null ? "prior not known" : `prior ${formatArea(prior.area * source.priorPixelArea)}`,
    );
    this.write("time", formatMilliseconds(forward), engine);
    this.write("cached", formatCount(cached), "");
  }

  private write(entry: Entry, value: string, note: string): void {
    const [text, small] = this.values.get(entry)!;
    if (text.data !== value) text.data = value;
    setText(small, note);
  }
}
