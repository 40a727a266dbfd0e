import type { Ranking } from "../../src/evaluation/ranking.js";
import { rankingWords } from "../../src/evaluation/ranking_words.js";
import { element, setText, svgElement } from "../mito_layer/dom.js";
import { modelColour } from "./colours.js";

const WIDTH = 340;
const ROW = 22;
const TOP = 4;
const BOTTOM = 18;
/** Names stand above their line: they may be long. */
const LEFT = 6;
const RIGHT = 6;

/** Which model looks best, in words, and the scores with their intervals. */
export class RankingView {
  readonly element: HTMLElement;
  private readonly words = element("p", { class: "comparison-words", role: "status" });
  private readonly svg = svgElement("svg", { class: "comparison-plot", role: "img" });
  private readonly caption = element("figcaption");
  private drawn = "";

  constructor() {
    this.element = element(
      "section",
      {},
      element("h3", {}, "Which looks right?"),
      this.words,
      element("figure", {}, this.svg, this.caption),
    );
  }

  /**
   * @param names by model. @param foreground voxels that each finds.
   * @param why said in place of a ranking where there is none.
   */
  update(
    ranking: Ranking | undefined,
    names: readonly string[],
    foreground: readonly number[],
    why: string,
  ): void {
    setText(this.words, ranking === undefined ? why : rankingWords(ranking, names, foreground));
    const shown = ranking !== undefined && ranking.chunks > 0;
    this.svg.style.display = shown ? "" : "none";
    setText(
      this.caption,
      shown
        ? `Distance from the source's morphology, plus how little a model agrees with the others; 0 is best. ${
            ranking.resamplings > 0
              ? `Lines: the middle 90 % when the ${ranking.chunks} chunks are drawn anew ${ranking.resamplings} times.`
              : ""
          }`
        : "",
    );
    const text = JSON.stringify([ranking, names]);
    if (!shown || text === this.drawn) return;
    this.drawn = text;
    this.draw(ranking, names);
  }

  private draw({ models }: Ranking, names: readonly string[]): void {
    const most = Math.max(...models.map(({ score, interval }) => Math.max(score, interval[1])), 1e-6);
    const step = niceStep(most);
    const end = Math.ceil(most / step) * step;
    const height = TOP + models.length * ROW + BOTTOM;
    const at = (value: number) => (LEFT + (value / end) * (WIDTH - LEFT - RIGHT)).toFixed(1);
    const bottom = TOP + models.length * ROW;
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
    this.svg.setAttribute(
      "aria-label",
      models
        .map(
          ({ model, score, interval }) =>
            `${names[model]}: ${score.toFixed(2)} (${interval.map((value) => value.toFixed(2)).join(" to ")})`,
        )
        .join("; "),
    );
    this.svg.replaceChildren();
    for (let tick = 0; tick <= end + step / 2; tick += step) {
      const x = at(tick);
      const anchor = tick === 0 ? "start" : tick + step / 2 > end ? "end" : "middle";
      this.svg.append(
        svgElement("line", { class: "comparison-tick", x1: x, x2: x, y1: TOP, y2: bottom }),
        svgElement(
          "text",
          { class: "comparison-label", x, y: bottom + 12, "text-anchor": anchor },
          String(Number(tick.toPrecision(3))),
        ),
      );
    }
    models.forEach(({ model, score, distance, interval }, row) => {
      const y = TOP + row * ROW + 16;
      const colour = modelColour(model);
      this.svg.append(
        svgElement("text", { class: "comparison-name", x: LEFT + 4, y: y - 6 }, names[model]),
        svgElement("line", {
          x1: at(interval[0]),
          x2: at(interval[1]),
          y1: y,
          y2: y,
          stroke: colour,
          "stroke-width": 3,
        }),
        svgElement(
          "circle",
          { cx: at(score), cy: y, r: 4, fill: colour },
          svgElement(
            "title",
            {},
            `${names[model]}: ${score.toFixed(2)}, of which distance ${distance.toFixed(2)}`,
          ),
        ),
      );
    });
  }
}

/** A step of 1, 2 or 5 times a power of ten that gives two to five parts. */
function niceStep(most: number): number {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough) ?? 10;
  return factor * power;
}
