import { MATCH_THRESHOLDS } from "../../src/evaluation/matching.js";
import { element } from "../mito_layer/dom.js";
import { ALL_COLOUR, modelColour, SEVERAL_COLOUR } from "./colours.js";
import type { ComparisonFigures } from "./figures.js";
import { NumberTable, score, share, swatch } from "./tables.js";

const objectColumns = (against: string) =>
  MATCH_THRESHOLDS.map((threshold) => ({
    label: `F1@${100 * threshold}`,
    title: `Objects in chunks, ${against}: matched one to one where intersection over union is at least ${threshold}`,
  }));

/** Where models agree: a bar and its legend, which is that of the agreement panel, each pair, and each against the reference. */
export class AgreementView {
  readonly element = element("section");
  private readonly bar = element("div", { class: "comparison-bar", role: "img" });
  private readonly legend = new NumberTable("Voxels that any of them finds", [
    { label: "Found by", title: "Colours as in the agreement panel" },
    { label: "Share", title: "Of the voxels that any model finds" },
    { label: "Voxels", title: "At the thresholds, before small objects are left out" },
  ]);
  private readonly pairs = new NumberTable("Pairs", [
    { label: "Models", title: "Two of the compared models" },
    { label: "IoU", title: "Voxels that both find / voxels that either finds" },
    ...objectColumns("one model's against the other's"),
  ]);
  private readonly reference = new NumberTable("Against the reference", [
    { label: "Model", title: "One of the compared models" },
    { label: "IoU", title: "Of the foreground voxels with those of the reference" },
    { label: "F1", title: "Harmonic mean of precision and recall of the voxels" },
    ...objectColumns("against the reference's"),
  ]);

  constructor() {
    this.element.append(
      element("h3", {}, "Where do they agree?"),
      this.bar,
      this.legend.element,
      this.pairs.element,
      this.reference.element,
    );
  }

  update(figures: ComparisonFigures, names: readonly string[]): void {
    const { agreement, pairs, reference } = figures;
    const found = agreement.voxels - agreement.none;
    const parts = [
      { key: "all", name: "all", colour: ALL_COLOUR, voxels: agreement.all },
      ...(names.length > 2
        ? [{ key: "several", name: "several, not all", colour: SEVERAL_COLOUR, voxels: agreement.several }]
        : []),
      ...names.map((name, k) => ({
        key: `only ${name}`,
        name: `only ${name}`,
        colour: modelColour(k),
        voxels: agreement.only[k],
      })),
    ];
    this.drawBar(parts, found);
    this.legend.update(
      parts.map(({ key, name, colour, voxels }) => ({
        key,
        head: () => swatch(colour, name),
        values: [share(voxels, found), voxels.toLocaleString("en")],
      })),
    );
    this.pairs.update(
      pairs.map(({ a, b, iou, objects }) => ({
        key: `${names[a]} ${names[b]}`,
        head: () =>
          element(
            "span",
            { class: "comparison-pair" },
            swatch(modelColour(a), names[a]),
            swatch(modelColour(b), names[b]),
          ),
        values: [score(iou), ...objects.map(({ f1 }) => score(f1))],
      })),
    );
    this.reference.element.hidden = reference === undefined;
    if (reference !== undefined)
      this.reference.update(
        reference.map(({ voxels, objects }, k) => ({
          key: names[k],
          head: () => swatch(modelColour(k), names[k]),
          values: [score(voxels.iou), score(voxels.f1), ...objects.map(({ f1 }) => score(f1))],
        })),
      );
  }

  private drawBar(
    parts: readonly { readonly name: string; readonly colour: string; readonly voxels: number }[],
    found: number,
  ): void {
    while (this.bar.childElementCount < parts.length) this.bar.append(element("span"));
    while (this.bar.childElementCount > parts.length) this.bar.lastElementChild?.remove();
    this.bar.setAttribute(
      "aria-label",
      parts.map(({ name, voxels }) => `${name}: ${share(voxels, found)}`).join(", "),
    );
    parts.forEach(({ name, colour, voxels }, i) => {
      const piece = this.bar.children[i] as HTMLElement;
      piece.style.background = colour;
      piece.style.flexGrow = String(found === 0 ? 0 : voxels / found);
      piece.title = `${name}: ${share(voxels, found)}`;
    });
  }
}
