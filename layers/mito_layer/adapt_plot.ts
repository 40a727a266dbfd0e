import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { ScoredPoint } from "../../workers/adaptation_api.js";
import type { LossPoint } from "./adaptation.js";
import { element } from "./dom.js";

const HEIGHT = 92;
const AXIS = {
  stroke: "#b6bcc6",
  font: "10px sans-serif",
  grid: { stroke: "#34383f", width: 1 },
  ticks: { show: false },
};
const LINE = "#6f9fe0";
const PRIOR = "#ffcf5c";

/** A range that shows all values, and is not flat. */
function padded(_plot: uPlot, least: number | null, most: number | null): [number, number] {
  const [from, to] = [least ?? 0, most ?? 1];
  const margin = Math.max(0.1 * (to - from), 0.005 * Math.max(Math.abs(from), Math.abs(to)), 1e-6);
  return [from - margin, to + margin];
}

function options(width: number, series: uPlot.Series[]): uPlot.Options {
  return {
    width,
    height: HEIGHT,
    cursor: { show: false },
    legend: { show: false },
    scales: { x: { time: false }, y: { range: padded } },
    axes: [
      { ...AXIS, size: 20, space: 40 },
      { ...AXIS, size: 42, space: 14 },
    ],
    series: [{}, ...series],
  };
}

/**
 * Solidity of the prediction of the target at each scored step, against the source's, and below it the loss of each step. The
 * same numbers stand as text beside it; to a screen reader this is one picture.
 */
export class AdaptPlot extends RefCounted {
  readonly element: HTMLElement;
  private readonly solidityBox = element("div", { role: "img" });
  private readonly lossBox = element("div", { role: "img" });
  private readonly lossFigure: HTMLElement;
  private solidity: uPlot | undefined;
  private loss: uPlot | undefined;

  constructor() {
    super();
    this.lossFigure = element("figure", {}, element("figcaption", {}, "Loss, by step"), this.lossBox);
    this.element = element(
      "div",
      { class: "mito-adapt-plot" },
      element(
        "figure",
        {},
        element(
          "figcaption",
          {},
          "Solidity of what is predicted here, by step ",
          element("span", { class: "mito-prior-word" }, "– – source's"),
        ),
        this.solidityBox,
      ),
      this.lossFigure,
    );
    const observer = new ResizeObserver(() => this.fit());
    observer.observe(this.element);
    this.registerDisposer(() => {
      observer.disconnect();
      this.solidity?.destroy();
      this.loss?.destroy();
    });
  }

  /** @param prior mean solidity of the source, if known. @param steps in all: the right end. */
  update(
    scores: readonly ScoredPoint[],
    losses: readonly LossPoint[],
    prior: number | null,
    steps: number,
  ): void {
    const width = Math.max(120, this.element.clientWidth);
    const x = scores.map(({ step }) => step);
    const end = Math.max(1, steps);
    // The prior's line goes from end to end, whatever has been scored.
    const at = [...new Set([0, ...x, end])].sort((a, b) => a - b);
    const bySteps = new Map(scores.map(({ step, solidity }) => [step, solidity]));
    this.solidity ??= new uPlot(
      options(width, [
        { stroke: LINE, width: 2, spanGaps: true, points: { show: true, size: 6, fill: LINE } },
        { stroke: PRIOR, width: 1.5, dash: [4, 3], points: { show: false } },
      ]),
      [[], [], []],
      this.solidityBox,
    );
    this.solidity.setData([at, at.map((step) => bySteps.get(step) ?? null), at.map(() => prior)]);
    this.solidityBox.setAttribute(
      "aria-label",
      scores.length === 0
        ? "No solidity measured yet"
        : `Solidity ${scores.map(({ step, solidity }) => `${solidity.toFixed(3)} at step ${step}`).join(", ")}${prior === null ? "" : `; the source's is ${prior.toFixed(3)}`}.`,
    );
    this.lossFigure.hidden = losses.length < 2;
    if (this.lossFigure.hidden) return;
    this.loss ??= new uPlot(
      options(width, [{ stroke: LINE, width: 1.5, points: { show: false } }]),
      [[], []],
      this.lossBox,
    );
    this.loss.setData([losses.map(({ step }) => step), losses.map(({ loss }) => loss)]);
    this.lossBox.setAttribute(
      "aria-label",
      `Loss ${losses[0].loss.toPrecision(3)} at step ${losses[0].step}, ${losses[losses.length - 1].loss.toPrecision(3)} at step ${losses[losses.length - 1].step}.`,
    );
  }

  private fit(): void {
    const width = Math.max(120, this.element.clientWidth);
    for (const plot of [this.solidity, this.loss])
      if (plot !== undefined && plot.width !== width) plot.setSize({ width, height: HEIGHT });
  }
}
