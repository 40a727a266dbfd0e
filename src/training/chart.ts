/** A line of a chart. */
export interface Series {
  readonly name: string;
  /** CSS class that gives its colour. */
  readonly style: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Draws the points as well, for few of them. */
  readonly dots?: boolean;
}

export interface ChartOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly logarithmic?: boolean;
  /** Fixed ends of the vertical axis. */
  readonly range?: readonly [number, number];
}

const WIDTH = 460;
const HEIGHT = 250;
const BOX = { left: 56, right: 24, top: 12, bottom: 40 };

/** Round numbers from `low` to `high`, about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw) ?? raw;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Powers of ten within the range, with 2 and 5 between them where there are few. */
export function logTicks(low: number, high: number): number[] {
  const from = Math.floor(Math.log10(low));
  const decades = Array.from({ length: Math.ceil(Math.log10(high)) - from + 1 }, (_, i) => 10 ** (from + i));
  const within = (values: number[]) => values.filter((v) => v >= low * 0.999 && v <= high * 1.001);
  const coarse = within(decades);
  return coarse.length >= 3 ? coarse : within(decades.flatMap((v) => [v, 2 * v, 5 * v]));
}

/** Means of at most `most` equal stretches of a long series. */
export function thinPoints(points: readonly (readonly [number, number])[], most: number): [number, number][] {
  const stretch = Math.max(1, Math.ceil(points.length / most));
  const result: [number, number][] = [];
  for (let i = 0; i < points.length; i += stretch) {
    const part = points.slice(i, i + stretch);
    const mean = (k: 0 | 1) => part.reduce((sum, point) => sum + point[k], 0) / part.length;
    result.push([mean(0), mean(1)]);
  }
  return result;
}

const shortNumber = (v: number) =>
  v !== 0 && (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e5) ? v.toExponential(0) : String(v);

/** An SVG line chart as text; points that are not finite (or not positive, on a logarithmic axis) are left out. */
export function lineChart(series: readonly Series[], options: ChartOptions): string {
  const { title, xLabel, logarithmic = false } = options;
  const drawable = series.map((line) => ({
    ...line,
    points: line.points.filter(
      ([x, y]) => Number.isFinite(x) && Number.isFinite(y) && (!logarithmic || y > 0),
    ),
  }));
  const xs = drawable.flatMap(({ points }) => points.map(([x]) => x));
  const ys = drawable.flatMap(({ points }) => points.map(([, y]) => y));
  if (xs.length === 0) return `<p class="empty">${title}: nothing yet</p>`;
  const extent = (values: number[]) =>
    values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  const [x0, x1] = extent([0, ...xs]);
  const [low, high] = options.range ?? extent(ys);
  const margin = logarithmic ? 1 : high > low ? 0.05 * (high - low) : 0.5;
  const [y0, y1] = options.range ?? (logarithmic ? [low / 1.1, high * 1.1] : [low - margin, high + margin]);
  const scale = (v: number) => (logarithmic ? Math.log(v) : v);
  const px = (x: number) => BOX.left + ((x - x0) / (x1 - x0 || 1)) * (WIDTH - BOX.left - BOX.right);
  const py = (y: number) =>
    HEIGHT -
    BOX.bottom -
    ((scale(y) - scale(y0)) / (scale(y1) - scale(y0) || 1)) * (HEIGHT - BOX.top - BOX.bottom);
  const at = (v: number) => v.toFixed(1);
  const grid = [
    ...(logarithmic ? logTicks(y0, y1) : ticks(y0, y1, 5)).map(
      (y) =>
        `<line class="grid" x1="${BOX.left}" x2="${WIDTH - BOX.right}" y1="${at(py(y))}" y2="${at(py(y))}"/>` +
        `<text x="${BOX.left - 6}" y="${at(py(y) + 4)}" text-anchor="end">${shortNumber(y)}</text>`,
    ),
    ...ticks(x0, x1, 6).map(
      (x) =>
        `<line class="grid" x1="${at(px(x))}" x2="${at(px(x))}" y1="${BOX.top}" y2="${HEIGHT - BOX.bottom}"/>` +
        `<text x="${at(px(x))}" y="${HEIGHT - BOX.bottom + 16}" text-anchor="middle">${x}</text>`,
    ),
  ];
  const lines = drawable.map(({ style, points, dots }) => {
    const path = points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${at(px(x))} ${at(py(y))}`).join("");
    const marks = dots
      ? points
          .map(([x, y]) => `<circle class="${style}" cx="${at(px(x))}" cy="${at(py(y))}" r="2.5"/>`)
          .join("")
      : "";
    return `<path class="${style}" d="${path}"/>${marks}`;
  });
  const legend = series.map(({ name, style }) => `<span class="key ${style}">${name}</span>`).join("");
  return (
    `<figure><figcaption>${title}<span class="legend">${legend}</span></figcaption>` +
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">${grid.join("")}${lines.join("")}` +
    `<text x="${WIDTH / 2}" y="${HEIGHT - 6}" text-anchor="middle">${xLabel}</text></svg></figure>`
  );
}
