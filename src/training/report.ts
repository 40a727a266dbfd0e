import { encode } from "fast-png";
import { lineChart, thinPoints } from "./chart.js";
import type { StepReport, ValidationReport } from "./loop.js";
import type { Slices } from "./slices.js";

/** What a report is made of; all texts are escaped. */
export interface ReportContents {
  readonly title: string;
  /** One line on how it went. */
  readonly summary: string;
  readonly steps: readonly StepReport[];
  readonly validations: readonly ValidationReport[];
  readonly examples: readonly ReportExample[];
  /** Rows of the tables, by heading; nested objects become dotted names. */
  readonly tables: Readonly<Record<string, object>>;
}

export interface ReportExample {
  readonly caption: string;
  /** data: URL of a picture. */
  readonly image: string;
}

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** { a: { b: 1 } } -> [["a.b", "1"]]; arrays are joined by commas. */
function rows(value: object, prefix = ""): [string, string][] {
  return Object.entries(value).flatMap(([key, entry]): [string, string][] => {
    if (entry === undefined) return [];
    if (entry !== null && typeof entry === "object" && !Array.isArray(entry))
      return rows(entry, `${prefix}${key}.`);
    return [[`${prefix}${key}`, Array.isArray(entry) ? entry.join(", ") : String(entry)]];
  });
}

/** EM as grey values, predicted mitochondria tinted orange, the outline of the labelled ones in cyan; a PNG data URL. */
export function overlayImage(slices: Slices, z: number, logits: ArrayLike<number>): string {
  const { width, height } = slices;
  const truth = slices.labels[z];
  const inside = (x: number, y: number) =>
    x >= 0 && y >= 0 && x < width && y < height && truth[y * width + x] >= 128;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      const grey = slices.em[z][i];
      const outline =
        inside(x, y) && !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1));
      const tint = outline ? [0, 229, 255] : logits[i] >= 0 ? [255, 140, 0] : null;
      const share = outline ? 0 : tint ? 0.55 : 1;
      for (let c = 0; c < 3; c++) data[3 * i + c] = Math.round(share * grey + (1 - share) * (tint?.[c] ?? 0));
    }
  }
  const png = encode({ width, height, channels: 3, depth: 8, data });
  let binary = "";
  for (let i = 0; i < png.length; i += 0x8000) binary += String.fromCharCode(...png.subarray(i, i + 0x8000));
  return `data:image/png;base64,${btoa(binary)}`;
}

const STYLE = `
:root { color-scheme: light dark; --text: #1c1e21; --soft: #6a7178; --ground: #fff; --card: #f6f7f8; --line: #dfe2e5;
  --one: #2f6fde; --two: #d9730d; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8ea; --soft: #9aa1a8; --ground: #17191c; --card: #1f2226;
  --line: #33383d; --one: #6ea0ff; --two: #ffa24d; } }
body { margin: 2rem auto; max-width: 1340px; padding: 0 1.5rem; font: 15px/1.5 system-ui, sans-serif; color: var(--text);
  background: var(--ground); }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
.summary { color: var(--soft); margin: .2rem 0 1.5rem; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--card); border-radius: 8px; padding: .8rem 1rem; }
figcaption { font-weight: 600; margin-bottom: .4rem; display: flex; justify-content: space-between; gap: 1rem; }
.legend { font-weight: 400; display: flex; gap: 1rem; }
.key::before { content: ""; display: inline-block; width: 14px; height: 3px; margin-right: .4rem; vertical-align: middle;
  background: currentColor; }
span.one { color: var(--one); } span.two { color: var(--two); }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 12px; fill: var(--soft); }
path { fill: none; stroke-width: 1.8; stroke-linejoin: round; } path.one { stroke: var(--one); } path.two { stroke: var(--two); }
circle.one { fill: var(--one); } circle.two { fill: var(--two); }
.grid { stroke: var(--line); }
img { display: block; max-width: 100%; max-height: 80vh; margin: 0 auto; border-radius: 4px; }
.cyan { color: #00a5bd; } .orange { color: var(--two); }
table { border-collapse: collapse; width: 100%; font-size: 14px; } td { padding: .25rem .5rem; border-top: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; } td:first-child { color: var(--soft); white-space: nowrap; }
`;

/** Points drawn of a long log. */
const MOST_POINTS = 400;

/** A training as one self-contained HTML page: curves, pictures, settings. */
export function reportHtml(contents: ReportContents): string {
  const { steps, validations, examples } = contents;
  const charts = [
    lineChart(
      [
        {
          name: "training",
          style: "one",
          points: thinPoints(
            steps.map((s) => [s.step, s.loss]),
            MOST_POINTS,
          ),
        },
        {
          name: "validation (cross-entropy)",
          style: "two",
          points: validations.map((v) => [v.step, v.loss]),
          dots: true,
        },
      ],
      { title: "Loss", xLabel: "step", logarithmic: true },
    ),
    lineChart(
      [
        {
          name: "per slice",
          style: "one",
          points: validations.map((v) => [v.step, v.iouPerSlice]),
          dots: true,
        },
        {
          name: "all pixels",
          style: "two",
          points: validations.map((v) => [v.step, v.iouVolume]),
          dots: true,
        },
      ],
      { title: "Validation IoU at 0.5", xLabel: "step", range: [0, 1] },
    ),
    lineChart(
      [
        {
          name: "rate",
          style: "one",
          points: thinPoints(
            steps.map((s) => [s.step, s.learningRate]),
            MOST_POINTS,
          ),
        },
      ],
      {
        title: "Learning rate",
        xLabel: "step",
      },
    ),
  ];
  const pictures = examples.map(
    ({ caption, image }) =>
      `<figure><figcaption>${escapeHtml(caption)}</figcaption><img src="${escapeHtml(image)}" alt="${escapeHtml(caption)}"></figure>`,
  );
  const tables = Object.entries(contents.tables).map(
    ([heading, values]) =>
      `<section><h2>${escapeHtml(heading)}</h2><table>${rows(values)
        .map(([name, value]) => `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(value)}</td></tr>`)
        .join("")}</table></section>`,
  );
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(contents.title)}</title>
<style>${STYLE}</style></head>
<body>
<h1>${escapeHtml(contents.title)}</h1>
<p class="summary">${escapeHtml(contents.summary)}</p>
<div class="row">${charts.join("\n")}</div>
${
  pictures.length === 0
    ? ""
    : `<h2>Validation slices: <span class="cyan">labelled (outline)</span>, <span class="orange">predicted (tint)</span></h2>
<div class="row">${pictures.join("\n")}</div>`
}
<div class="row">${tables.join("\n")}</div>
</body>
</html>
`;
}
