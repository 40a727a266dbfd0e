/** What stands where there is no number. */
const NONE = "–";

export function formatCount(value: number | undefined): string {
  return value === undefined ? NONE : value.toLocaleString("en");
}

/** A fraction in per cent, with as many digits as mean something. */
export function formatPercent(value: number | undefined): string {
  return value === undefined ? NONE : `${(100 * value).toFixed(value < 0.1 ? 2 : 1)} %`;
}

export function formatSolidity(value: number | undefined): string {
  return value === undefined ? NONE : value.toFixed(3);
}

/** A difference with its sign, as "+0.012". */
export function formatDifference(value: number): string {
  const text = value.toFixed(3);
  return value < 0 ? text.replace("-", "−") : `+${text}`;
}

export function formatMilliseconds(value: number | undefined): string {
  if (value === undefined) return NONE;
  if (value < 999.5) return `${Math.round(value)} ms`;
  return `${(value / 1000).toFixed(value < 99_950 ? 1 : 0)} s`;
}

/** A distance to the source, in its standard deviations. */
export function formatDistance(value: number | undefined): string {
  return value === undefined ? NONE : value.toFixed(2);
}

/** @param value µm². */
export function formatArea(value: number | undefined): string {
  return value === undefined ? NONE : `${Number(value.toPrecision(3))} µm²`;
}
