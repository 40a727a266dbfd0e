import { paintRuns } from "../segmentation/label_runs.js";
import type { Labelling, LabelRuns } from "../segmentation/types.js";
import { HullMeter } from "./hull.js";

/** Regions of this many pixels or fewer are left out of means and distributions (the paper's rule). */
export const SMALLEST_AREA = 10;

/** Index of an axis in x, y, z. */
export type SliceAxis = 0 | 1 | 2;

/** All pixels of one 3-D label in one slice, connected there or not (the paper's "object"). */
export interface Region {
  readonly label: number;
  /** Index of the slice, from 0. */
  readonly slice: number;
  /** Pixels. */
  readonly area: number;
  /** Pixels of the convex hull, see `HullMeter`; never below `area`. */
  readonly convexArea: number;
  /** Of the ellipse with the same second moments, 0 (round) .. 1 (a line); 0 for a single pixel. */
  readonly eccentricity: number;
}

/** Area / convex area: 0 < solidity <= 1. */
export function solidity(region: Region): number {
  return region.area / region.convexArea;
}

/**
 * Measures the regions of one slice at a time from its runs of labelled pixels. Buffers are kept between slices.
 * Definitions are those of skimage.measure.regionprops 0.26 (area, area_convex, eccentricity).
 */
export class RegionMeter {
  private runs = 0;
  private label = new Uint32Array(256);
  private row = new Int32Array(256);
  private start = new Int32Array(256);
  private end = new Int32Array(256);
  private order = new Int32Array(256);
  /** Position of a label among the labels of this slice, from 1; 0 when it has not been met. */
  private readonly slotOf: Int32Array;
  private readonly labels: number[] = [];
  private readonly runsOf: number[] = [];
  private readonly hull = new HullMeter();

  /** @param count the greatest label that may come. */
  constructor(readonly count: number) {
    this.slotOf = new Int32Array(count + 1);
  }

  /**
   * Adds the pixels start..end-1 of a row; rows must not descend.
   * @throws RangeError when the label is not in 1..count.
   */
  add(label: number, row: number, start: number, end: number): void {
    if (!(label >= 1 && label <= this.count))
      throw new RangeError(`label ${label} is not in 1..${this.count}`);
    if (this.runs === this.row.length) this.grow();
    if (this.slotOf[label] === 0) {
      this.labels.push(label);
      this.runsOf.push(0);
      this.slotOf[label] = this.labels.length;
    }
    ++this.runsOf[this.slotOf[label] - 1];
    this.label[this.runs] = label;
    this.row[this.runs] = row;
    this.start[this.runs] = start;
    this.end[this.runs] = end;
    ++this.runs;
  }

  /** Ends the slice: calls back for each of its regions, in the order in which their labels came first. */
  finish(slice: number, visit: (region: Region) => void): void {
    const { labels, runsOf, slotOf, order, label } = this;
    // Counting sort by label; stable, so a region's runs stay in row order.
    const next = new Int32Array(labels.length + 1);
    for (let slot = 0; slot < labels.length; ++slot) next[slot + 1] = next[slot] + runsOf[slot];
    const first = next.slice();
    for (let run = 0; run < this.runs; ++run) order[next[slotOf[label[run]] - 1]++] = run;
    for (let slot = 0; slot < labels.length; ++slot) {
      visit(this.measure(labels[slot], slice, first[slot], first[slot + 1]));
    }
    for (const value of labels) slotOf[value] = 0;
    labels.length = 0;
    runsOf.length = 0;
    this.runs = 0;
  }

  private measure(label: number, slice: number, from: number, to: number): Region {
    const { order, row, start, end, hull } = this;
    const firstRow = row[order[from]];
    const lastRow = row[order[to - 1]];
    hull.begin(firstRow, lastRow);
    // Moments about a pixel near the middle: integers, small enough to lose nothing to cancellation.
    const originX = start[order[from]];
    const originY = (firstRow + lastRow) >> 1;
    let area = 0;
    let sumX = 0;
    let sumY = 0;
    let sumXX = 0;
    let sumXY = 0;
    let sumYY = 0;
    for (let i = from; i < to; ++i) {
      const run = order[i];
      hull.add(row[run], start[run], end[run]);
      const length = end[run] - start[run];
      const a = start[run] - originX;
      const b = a + length - 1;
      const y = row[run] - originY;
      const runX = (length * (a + b)) / 2;
      area += length;
      sumX += runX;
      sumY += length * y;
      sumXX += squaresTo(b) - squaresTo(a - 1);
      sumXY += runX * y;
      sumYY += length * y * y;
    }
    const xx = sumXX - (sumX * sumX) / area;
    const xy = sumXY - (sumX * sumY) / area;
    const yy = sumYY - (sumY * sumY) / area;
    return { label, slice, area, convexArea: hull.area(), eccentricity: eccentricityOf(xx, xy, yy) };
  }

  private grow(): void {
    const length = this.row.length * 2;
    const larger = (array: Int32Array) => {
      const copy = new Int32Array(length);
      copy.set(array);
      return copy;
    };
    const labels = new Uint32Array(length);
    labels.set(this.label);
    this.label = labels;
    this.row = larger(this.row);
    this.start = larger(this.start);
    this.end = larger(this.end);
    this.order = new Int32Array(length);
  }
}

/**
 * Measures every region of a labelled box: one for each label and slice across `sliceAxis`, slices ascending.
 * @throws RangeError when a label is greater than `labelling.count` or the array does not fit the size.
 */
export function visitRegions(
  labelling: Labelling,
  sliceAxis: SliceAxis,
  visit: (region: Region) => void,
): void {
  const { labels, size, count } = labelling;
  if (labels.length !== size[0] * size[1] * size[2]) {
    throw new RangeError(`${labels.length} labels do not make a box of ${size.join(" x ")}`);
  }
  const strides = [1, size[0], size[0] * size[1]];
  const [columns, rows] = ([0, 1, 2] as const).filter((axis) => axis !== sliceAxis);
  const step = strides[columns];
  const width = size[columns];
  const meter = new RegionMeter(count);
  for (let slice = 0; slice < size[sliceAxis]; ++slice) {
    for (let row = 0; row < size[rows]; ++row) {
      let at = slice * strides[sliceAxis] + row * strides[rows];
      const end = at + width * step;
      const first = at;
      while (true) {
        while (at < end && labels[at] === 0) at += step;
        if (at >= end) break;
        const label = labels[at];
        const start = (at - first) / step;
        while (at < end && labels[at] === label) at += step;
        meter.add(label, row, start, (at - first) / step);
      }
    }
    meter.finish(slice, visit);
  }
}

/**
 * `visitRegions` of labelled runs: by runs and not by voxels, except across x, for which they are painted.
 * @throws RangeError when a label is greater than `runs.count`.
 */
export function visitRunRegions(
  runs: LabelRuns,
  sliceAxis: SliceAxis,
  visit: (region: Region) => void,
): void {
  const { size, count, rows, starts, ends, labels } = runs;
  const [width, height, depth] = size;
  if (sliceAxis === 0) {
    const painted = new Uint32Array(width * height * depth);
    paintRuns(runs, painted);
    visitRegions({ labels: painted, size, count }, 0, visit);
    return;
  }
  const meter = new RegionMeter(count);
  const slices = sliceAxis === 2 ? depth : height;
  const rowsInSlice = sliceAxis === 2 ? height : depth;
  for (let slice = 0; slice < slices; ++slice) {
    for (let row = 0; row < rowsInSlice; ++row) {
      const at = sliceAxis === 2 ? row + height * slice : slice + height * row;
      for (let run = rows[at]; run < rows[at + 1]; ++run) meter.add(labels[run], row, starts[run], ends[run]);
    }
    meter.finish(slice, visit);
  }
}

/** Sum of k^2 for k = 1..n, continued to negative n (so that differences are sums over any range of integers). */
function squaresTo(n: number): number {
  return (n * (n + 1) * (2 * n + 1)) / 6;
}

/** sqrt(1 - l2 / l1) of the eigenvalues l1 >= l2 of the second central moments, as skimage; 0 when l1 is 0. */
function eccentricityOf(xx: number, xy: number, yy: number): number {
  const greater = (xx + yy + Math.hypot(xx - yy, 2 * xy)) / 2;
  if (!(greater > 0)) return 0;
  // The smaller one by the determinant: the difference of two near numbers would lose its digits.
  const smaller = Math.max(0, (xx * yy - xy * xy) / greater);
  return Math.sqrt(Math.max(0, 1 - smaller / greater));
}
