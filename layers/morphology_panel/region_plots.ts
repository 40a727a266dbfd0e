import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import type { RegionDistribution } from "../../src/morphology/types.js";
import { element, setText } from "../mito_layer/dom.js";
import { formatCount } from "./format.js";
import {
  BINS,
  plotOf,
  QUANTITIES,
  type Quantity,
  type QuantityPlot,
  type RegionsShown,
} from "./region_bins.js";

const HEIGHT = 86;
const AXIS = { stroke: "#b6bcc6", font: "10px sans-serif", ticks: { show: false } };
const BAR = "#6f9fe0";
const BAR_FILL = "#6f9fe08c";
const SOURCE = "#ffcf5c";

/** Size of a pixel of the source's grid in µm², for areas and densities. */
type Write = (value: number, pixelArea: number) => string;

const significant = (value: number) => (value === 0 ? "0" : String(Number(value.toPrecision(2))));
const writeArea: Write = (value, pixelArea) => significant(Math.exp(value) * pixelArea);
/** Regions per 100 µm² of a slice, from the logarithm of 1 + regions per million pixels. */
const writeDensity: Write = (value, pixelArea) => significant((Math.expm1(value) / (1e6 * pixelArea)) * 100);

const PLOTS: Readonly<Record<Quantity, { title: string; hint: string; unit: string; write: Write }>> = {
  solidity: {
    title: "Solidity",
    hint: "Area of a region (one object in one slice) / area of its convex hull",
    unit: "",
    write: (value) => value.toFixed(2),
  },
  eccentricity: {
    title: "Eccentricity",
    hint: "Of the ellipse with a region's second moments: 0 for a circle, towards 1 for a line",
    unit: "",
    write: (value) => value.toFixed(2),
  },
  logArea: {
    title: "Area",
    hint: "Area of a region, on a logarithmic scale",
    unit: "µm²",
    write: writeArea,
  },
  density: {
    title: "Density",
    hint: "Regions per 100 µm² of a slice, on a logarithmic scale: of each chunk, and of each slice of the source",
    unit: "/100 µm²",
    write: writeDensity,
  },
};

/** Numbers within a power of ten that get a tick: as few as make three in the plot. */
const STEPS = [[1], [1, 3], [1, 2, 5]] as const;

/** Ticks at round numbers of what is written, however it is scaled. @param forward what is written -> what is plotted. */
function logTicks(from: number, to: number, forward: (shown: number) => number): number[] {
  let ticks: number[] = [];
  for (const steps of STEPS) {
    ticks = [];
    for (let power = -4; power <= 6; ++power)
      for (const step of steps) {
        const tick = forward(step * 10 ** power);
        if (tick >= from && tick <= to) ticks.push(tick);
      }
    if (ticks.length >= 3) break;
  }
  return ticks;
}

interface Plot {
  readonly box: HTMLElement;
  readonly caption: HTMLElement;
  uplot?: uPlot;
  shown?: QuantityPlot;
}

/**
 * How the regions of a scope are distributed, over what the model's source looks like: filled bars for the prediction, an outline for
 * the source, both as shares. The numbers are in each picture's description.
 */
export class RegionPlots extends RefCounted {
  readonly element = element("div", { class: "mito-region-plots" });
  private readonly plots = new Map<Quantity, Plot>();
  private pixelArea = 1e-4;

  constructor() {
    super();
    for (const quantity of QUANTITIES) {
      const { title, hint, unit } = PLOTS[quantity];
      const box = element("div", { role: "img" });
      const caption = element("small");
      this.plots.set(quantity, { box, caption });
      const name = unit === "" ? title : `${title} (${unit})`;
      this.element.append(
        element("figure", { title: hint }, element("figcaption", {}, name, " ", caption), box),
      );
    }
    const observer = new ResizeObserver(() => this.fit());
    observer.observe(this.element);
    this.registerDisposer(() => {
      observer.disconnect();
      for (const { uplot } of this.plots.values()) uplot?.destroy();
    });
  }

  /**
   * @param pixelRatio area of a pixel of the prediction in pixels of the source's grid.
   * @param pixelArea of the source's grid, µm².
   */
  update(
    regions: RegionsShown,
    source: RegionDistribution | null,
    pixelRatio: number,
    pixelArea: number,
  ): void {
    this.pixelArea = pixelArea;
    for (const [quantity, plot] of this.plots) {
      const shown = plotOf(quantity, regions, source, pixelRatio);
      plot.shown = shown;
      plot.uplot ??= new uPlot(this.options(quantity), [[], [], []], plot.box);
      const step = (shown.to - shown.from) / BINS;
      const edges = Array.from({ length: BINS + 1 }, (_, bin) => shown.from + bin * step);
      const close = (shares: readonly number[]) => [...shares, shares[shares.length - 1]];
      plot.uplot.setData([
        edges,
        close(shown.shares),
        shown.source === undefined ? edges.map(() => null) : close(shown.source.shares),
      ]);
      this.describe(quantity, plot, shown);
    }
  }

  private describe(
    quantity: Quantity,
    { box, caption }: Plot,
    { count, median, source }: QuantityPlot,
  ): void {
    const { title, unit, write } = PLOTS[quantity];
    const number = (value: number) => `${write(value, this.pixelArea)}${unit === "" ? "" : ` ${unit}`}`;
    const short = [
      ...(median === undefined ? [] : [write(median, this.pixelArea)]),
      ...(source === undefined ? [] : [`source ${write(source.median, this.pixelArea)}`]),
    ];
    setText(caption, short.join(", "));
    const what = quantity === "density" ? "chunks" : "regions";
    box.setAttribute(
      "aria-label",
      `${title} of ${formatCount(count)} ${what}: ` +
        `${median === undefined ? "none measured yet" : `median ${number(median)}`}; ` +
        `${source === undefined ? "the source's is not known" : `the source's median is ${number(source.median)}`}.`,
    );
  }

  private options(quantity: Quantity): uPlot.Options {
    const { write } = PLOTS[quantity];
    const stepped = uPlot.paths.stepped!({ align: 1 });
    const values = (_plot: uPlot, splits: number[]) => splits.map((value) => write(value, this.pixelArea));
    const splits = (): number[] => {
      const { from, to } = this.plots.get(quantity)!.shown ?? { from: 0, to: 1 };
      const { pixelArea } = this;
      if (quantity === "logArea") return logTicks(from, to, (shown) => Math.log(shown / pixelArea));
      if (quantity === "density")
        return logTicks(from, to, (shown) => Math.log1p((shown / 100) * 1e6 * pixelArea));
      return [from, (from + to) / 2, to];
    };
    return {
      width: this.width(),
      height: HEIGHT,
      padding: [4, 14, 0, 14],
      cursor: { show: false },
      legend: { show: false },
      scales: {
        x: {
          time: false,
          range: () => {
            const { from, to } = this.plots.get(quantity)!.shown ?? { from: 0, to: 1 };
            return [from, to];
          },
        },
        y: { range: (_plot, _least, most) => [0, Math.max(0.05, most ?? 0) * 1.05] },
      },
      axes: [{ ...AXIS, size: 18, gap: 2, grid: { show: false }, splits, values }, { show: false }],
      series: [
        {},
        { stroke: BAR, fill: BAR_FILL, width: 1, paths: stepped, points: { show: false } },
        { stroke: SOURCE, width: 1.5, paths: stepped, points: { show: false } },
      ],
    };
  }

  /** Two plots stand side by side. */
  private width(): number {
    return Math.max(100, Math.floor((this.element.clientWidth - 8) / 2));
  }

  private fit(): void {
    const width = this.width();
    for (const { uplot } of this.plots.values())
      if (uplot !== undefined && uplot.width !== width) uplot.setSize({ width, height: HEIGHT });
  }
}
