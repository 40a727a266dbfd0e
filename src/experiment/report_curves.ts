import { CRITERIA } from "../adaptation/types.js";
import { ticks } from "../training/chart.js";
import { CRITERIA_EXPLAINED, escapeHtml } from "./report_text.js";
import type { RunResult, ScoredSnapshot } from "./results.js";

const WIDTH = 420;
const LEFT = 44;
const RIGHT = 12;
/** Of the row of marks above the curves, and of both panels. */
const MARKS = 30;
const PANEL = 112;
const GAP = 22;
const BOTTOM = 34;
const HEIGHT = MARKS + 2 * PANEL + GAP + BOTTOM;

type Point = readonly [x: number, y: number];

/** Solidities are close to each other: the axis is fitted to them and the prior, at least this high. */
const LEAST_RANGE = 0.06;

function pointsOf(
  scored: readonly ScoredSnapshot[],
  value: (entry: ScoredSnapshot) => number | null,
): Point[] {
  return scored.flatMap((entry): Point[] => {
    const y = value(entry);
    return y === null ? [] : [[entry.totalSteps, y]];
  });
}

/**
 * A run as two panels over its training steps: IoU on the target and on the source's validation slices, and the solidity of the
 * prediction against that of the source's labels. Letters mark what each criterion chose. Inline SVG, coloured by CSS.
 */
export function runCurves(run: RunResult): string {
  const { scored, priors, picks } = run;
  if (scored.length === 0) return "";
  const last = Math.max(...scored.map((entry) => entry.totalSteps));
  const first = Math.min(0, ...scored.map((entry) => entry.totalSteps));
  const px = (x: number) => LEFT + ((x - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const solidity = pointsOf(scored, (entry) => entry.solidity);
  const seen = [...solidity.map(([, y]) => y).filter((y) => y > 0), priors.solidity];
  const [low, high] = [Math.min(...seen), Math.max(...seen)];
  const pad = Math.max(0.1 * (high - low), (LEAST_RANGE - (high - low)) / 2);
  const range: Point = [Math.max(0, low - pad), Math.min(1, high + pad)];
  const top = panel(MARKS, [0, 1], px);
  const bottom = panel(MARKS + PANEL + GAP, range, px);
  const target = pointsOf(scored, (entry) => entry.targetIou);
  const validation = pointsOf(scored, (entry) => entry.validation);
  const axis = ticks(first, last, 5)
    .map((x) => `<text x="${px(x).toFixed(1)}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle">${x}</text>`)
    .join("");
  const label = `IoU and solidity over the steps of ${run.title}, seed ${run.seed}`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(label)}">
${pickMarks(run, px)}
${top.grid}${bottom.grid}${axis}
<text class="axis" x="${LEFT}" y="${MARKS - 4}">IoU</text><text class="axis" x="${LEFT}" y="${MARKS + PANEL + GAP - 5}">solidity</text>
<text class="axis" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 3}" text-anchor="middle">steps</text>
<line class="prior" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${bottom.y(priors.solidity).toFixed(1)}" y2="${bottom.y(priors.solidity).toFixed(1)}"/>
${top.line(validation, "validation")}${top.line(target, "target")}${bottom.line(solidity, "solid")}
${picks.oracle ? "" : `<text x="${LEFT + 6}" y="${MARKS + 16}">the target has no labels</text>`}</svg>`;
}

function panel(top: number, [low, high]: Point, px: (x: number) => number) {
  const y = (value: number) =>
    top + PANEL - ((Math.min(Math.max(value, low), high) - low) / (high - low || 1)) * PANEL;
  const grid = ticks(low, high, 4)
    .map(
      (value) =>
        `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"/>` +
        `<text x="${LEFT - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${value}</text>`,
    )
    .join("");
  const line = (points: readonly Point[], style: string) => {
    const at = points.map(([x, value]) => `${px(x).toFixed(1)} ${y(value).toFixed(1)}`);
    const dots = at.map((p) => {
      const [cx, cy] = p.split(" ");
      return `<circle class="${style}" cx="${cx}" cy="${cy}" r="2"/>`;
    });
    return `<path class="${style}" d="${at.map((p, i) => `${i === 0 ? "M" : "L"}${p}`).join("")}"/>${dots.join("")}`;
  };
  return { y, grid, line };
}

/** A vertical line at each chosen snapshot, with the letters of the criteria that chose it. */
function pickMarks({ picks, scored }: RunResult, px: (x: number) => number): string {
  const letters = new Map<number, string>();
  for (const criterion of CRITERIA) {
    const pick = picks[criterion];
    if (pick) letters.set(pick.index, (letters.get(pick.index) ?? "") + CRITERIA_EXPLAINED[criterion].mark);
  }
  const chosen = [...letters].sort(([a], [b]) => a - b);
  let free = Number.NEGATIVE_INFINITY;
  return chosen
    .map(([index, text]) => {
      const x = px(scored[index].totalSteps);
      const width = text.length * 9 + 4;
      // Letters of near snapshots are moved apart, as far as there is room to the right.
      const at = Math.min(Math.max(x, free + width / 2), WIDTH - width / 2);
      free = at + width / 2 + 3;
      return (
        `<line class="pick" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${MARKS}" y2="${HEIGHT - BOTTOM}"/>` +
        `<line class="pick" x1="${at.toFixed(1)}" x2="${x.toFixed(1)}" y1="14" y2="${MARKS}"/>` +
        `<text class="mark" x="${at.toFixed(1)}" y="11" text-anchor="middle">${text}</text>`
      );
    })
    .join("");
}
