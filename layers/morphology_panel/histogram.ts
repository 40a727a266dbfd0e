import { element, setText, svgElement } from "../mito_layer/dom.js";
import { formatSolidity } from "./format.js";

const WIDTH = 300;
const HEIGHT = 92;
const LEFT = 4;
const RIGHT = 4;
const TOP = 16;
const BOTTOM = 16;
const PLOT = WIDTH - LEFT - RIGHT;

/** Hardly a region of any tissue is less solid: what is, is drawn in the first bar. */
const FIRST = 0.5;

const at = (solidity: number) => LEFT + (Math.max(0, solidity - FIRST) / (1 - FIRST)) * PLOT;

/** The counts from FIRST on, those below added to the first. @param counts by equal bins of [0, 1]. */
export function visibleBins(counts: readonly number[]): number[] {
  const first = Math.floor(counts.length * FIRST);
  const bins = counts.slice(first);
  for (const count of counts.slice(0, first)) bins[0] += count;
  return bins;
}

/**
 * Histogram of region solidity, with the model's prior as a line: bars left of it are regions less convex than what
 * the model was trained on. Bars are drawn in proportion to the fullest bin; the numbers are in the description for
 * those who do not see it.
 */
export class SolidityHistogram {
  readonly element: HTMLElement;
  private readonly bars: SVGRectElement[] = [];
  private readonly svg: SVGSVGElement;
  private readonly caption: HTMLElement;
  private readonly marker: SVGLineElement;
  private readonly markerText: SVGTextElement;

  constructor() {
    this.svg = svgElement("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    const baseline = HEIGHT - BOTTOM;
    this.marker = svgElement("line", { class: "mito-prior", y1: TOP - 3, y2: baseline });
    this.markerText = svgElement("text", { class: "mito-prior-text", y: TOP - 5 });
    this.svg.append(
      svgElement("line", { class: "mito-axis", x1: LEFT, x2: WIDTH - RIGHT, y1: baseline, y2: baseline }),
    );
    for (const value of [FIRST, 0.75, 1]) {
      const anchor = value === FIRST ? "start" : value === 1 ? "end" : "middle";
      this.svg.append(
        svgElement(
          "text",
          { class: "mito-tick", x: at(value), y: HEIGHT - 4, "text-anchor": anchor },
          value === FIRST ? `≤ ${value}` : String(value),
        ),
      );
    }
    this.svg.append(this.marker, this.markerText);
    this.caption = element("figcaption");
    this.element = element("figure", { class: "mito-histogram" }, this.svg, this.caption);
  }

  /** @param counts regions by equal bins of solidity in [0, 1]. @param prior the model's mean solidity, if known. */
  update(counts: readonly number[], prior: number | null): void {
    const bins = visibleBins(counts);
    while (this.bars.length < bins.length) {
      const bar = svgElement("rect", { class: "mito-bar" });
      this.bars.push(bar);
      this.svg.insertBefore(bar, this.marker);
    }
    const most = Math.max(1, ...bins);
    const step = PLOT / bins.length;
    const room = HEIGHT - TOP - BOTTOM;
    let total = 0;
    for (const [bin, bar] of this.bars.entries()) {
      const count = bins[bin] ?? 0;
      total += count;
      // A bin with anything in it stays visible beside a very full one.
      const height = count === 0 ? 0 : Math.max(1.5, (room * count) / most);
      bar.setAttribute("x", (LEFT + bin * step + 0.5).toFixed(2));
      bar.setAttribute("width", Math.max(0.5, step - 1).toFixed(2));
      bar.setAttribute("y", (HEIGHT - BOTTOM - height).toFixed(2));
      bar.setAttribute("height", height.toFixed(2));
    }
    this.mark(prior);
    const text =
      total === 0
        ? "Solidity of regions: none measured yet."
        : `Solidity of ${total.toLocaleString("en")} regions (one object in one slice); ${prior === null ? "the model's prior is not known" : "the line is the model's prior"}.`;
    setText(this.caption, text);
    const fullest = FIRST + (bins.indexOf(most) * (1 - FIRST)) / bins.length;
    const next = fullest + (1 - FIRST) / bins.length;
    this.svg.setAttribute(
      "aria-label",
      total === 0 ? text : `${text} Most are between ${fullest.toFixed(2)} and ${next.toFixed(2)}.`,
    );
  }

  private mark(prior: number | null): void {
    for (const part of [this.marker, this.markerText])
      part.setAttribute("visibility", prior === null ? "hidden" : "visible");
    if (prior === null) return;
    const x = at(prior).toFixed(2);
    for (const end of ["x1", "x2"]) this.marker.setAttribute(end, x);
    this.markerText.setAttribute("x", x);
    this.markerText.setAttribute("text-anchor", prior > 0.85 ? "end" : prior < 0.65 ? "start" : "middle");
    setText(this.markerText, `prior ${formatSolidity(prior)}`);
  }
}
