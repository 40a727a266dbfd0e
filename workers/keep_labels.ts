import type { LabelRuns } from "../src/segmentation/types.js";

/** The runs of the labels that are kept, numbered anew from 1 in the same order. The given runs themselves when all are. */
export function keepLabels(runs: LabelRuns, keep: (label: number) => boolean): LabelRuns {
  const numbers = new Uint32Array(runs.count + 1);
  let count = 0;
  for (let label = 1; label <= runs.count; ++label) if (keep(label)) numbers[label] = ++count;
  if (count === runs.count) return runs;
  const total = runs.labels.length;
  const rows = new Uint32Array(runs.rows.length);
  const starts = new Uint16Array(total);
  const ends = new Uint16Array(total);
  const labels = new Uint32Array(total);
  let at = 0;
  for (let row = 0; row + 1 < rows.length; ++row) {
    for (let run = runs.rows[row]; run < runs.rows[row + 1]; ++run) {
      const label = numbers[runs.labels[run]];
      if (label === 0) continue;
      starts[at] = runs.starts[run];
      ends[at] = runs.ends[run];
      labels[at++] = label;
    }
    rows[row + 1] = at;
  }
  return {
    size: runs.size,
    count,
    rows,
    starts: starts.slice(0, at),
    ends: ends.slice(0, at),
    labels: labels.slice(0, at),
  };
}
