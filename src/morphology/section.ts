import { eulerNumber2d } from "./euler.js";
import { feretDiameter } from "./feret.js";
import { HullMeter } from "./hull.js";
import { convexRows } from "./hull3d.js";
import { assemble, type ObjectRuns, placeMask } from "./object_runs.js";
import { perimeter } from "./perimeter.js";

/** What is measured of every section of a whole object. Lengths are in nm. */
export interface SectionShape {
  readonly pixels: number;
  /** nm². */
  readonly area: number;
  /** Pixels / pixels of the convex hull, see `HullMeter`. */
  readonly solidity: number;
  /** sqrt(1 - (minor axis / major axis)²); 0 for one pixel. */
  readonly eccentricity: number;
  /** Full axes of the ellipse with the same second moments, 4 sqrt(lambda); 0 across a line of pixels. */
  readonly majorAxis: number;
  readonly minorAxis: number;
  /** Degrees of the major axis from the rows' axis (downwards) towards the columns', -90 to 90; 0 where no axis is longer. */
  readonly orientation: number;
  /** See `perimeter`; 0 for one pixel. NaN where pixels are not square, and for a box of more than 64 M pixels. */
  readonly perimeter: number;
  /** 4 pi area / perimeter², at most 1; 1 where the perimeter is 0. NaN where the perimeter is. */
  readonly circularity: number;
}

/** All that is measured of one section alone. */
export interface SectionMeasures extends SectionShape {
  /** Pixels; half open box [from column, from row, to column, to row). */
  readonly box: readonly [number, number, number, number];
  /** Mean column and row, a pixel's middle counting as index + 0.5. */
  readonly centroid: readonly [number, number];
  /** Pixels / pixels of the box. */
  readonly extent: number;
  /** Diameter of the disc of the same area. */
  readonly equivalentDiameter: number;
  readonly feretDiameter: number;
  /** Parts - holes, 8-connected. */
  readonly eulerNumber: number;
}

/** Most pixels of the box of a section whose perimeter is measured. */
const MAX_PIXELS = 2 ** 26;
/** Edges that differ by less than this share are of square pixels. */
const SQUARE = 0.01;

/** Measures the sections of objects one after the other; buffers are kept. */
export class SectionMeter {
  private readonly hull = new HullMeter();
  private mask = new Uint8Array(0);

  /** @param edges nm of a pixel along columns and rows. */
  constructor(private readonly edges: readonly [number, number]) {}

  /** Shape of the section of an object in one of its slices; null where it is not in the slice. */
  measure(object: ObjectRuns, slice: number): SectionShape | null {
    const { size, rows, starts, ends } = object;
    const base = slice * size[1];
    let first = 0;
    while (first < size[1] && rows[base + first] === rows[base + first + 1]) ++first;
    if (first === size[1]) return null;
    let last = size[1] - 1;
    while (rows[base + last] === rows[base + last + 1]) --last;
    this.hull.begin(first, last);
    const originX = starts[rows[base + first]];
    let left = originX;
    let right = originX;
    let n = 0;
    let sumX = 0;
    let sumY = 0;
    let sumXX = 0;
    let sumXY = 0;
    let sumYY = 0;
    for (let row = first; row <= last; ++row) {
      const y = row - first;
      for (let run = rows[base + row]; run < rows[base + row + 1]; ++run) {
        this.hull.add(row, starts[run], ends[run]);
        const length = ends[run] - starts[run];
        const a = starts[run] - originX;
        const b = a + length - 1;
        const runX = (length * (a + b)) / 2;
        n += length;
        sumX += runX;
        sumY += length * y;
        sumXX += squaresTo(b) - squaresTo(a - 1);
        sumXY += runX * y;
        sumYY += length * y * y;
        if (starts[run] < left) left = starts[run];
        if (ends[run] > right) right = ends[run];
      }
    }
    const [w, h] = this.edges;
    const xx = (n * sumXX - sumX * sumX) * (w / n) ** 2;
    const yy = (n * sumYY - sumY * sumY) * (h / n) ** 2;
    const xy = (n * sumXY - sumX * sumY) * (w / n) * (h / n);
    const measurable =
      Math.abs(w - h) <= SQUARE * Math.max(w, h) && (right - left) * (last + 1 - first) <= MAX_PIXELS;
    const length = measurable
      ? this.perimeterOf(object, base, first, last, left, right) * Math.sqrt(w * h)
      : Number.NaN;
    const area = n * w * h;
    return {
      pixels: n,
      area,
      solidity: n / this.hull.area(),
      ...ellipse(xx, yy, xy),
      perimeter: length,
      circularity: length === 0 ? 1 : Math.min(1, (4 * Math.PI * area) / length ** 2),
    };
  }

  private perimeterOf(
    { rows, starts, ends }: ObjectRuns,
    base: number,
    first: number,
    last: number,
    left: number,
    right: number,
  ): number {
    const width = right - left + 2;
    const height = last - first + 3;
    if (this.mask.length < width * height) this.mask = new Uint8Array(2 * width * height);
    const mask = this.mask.subarray(0, width * height).fill(0);
    for (let row = first; row <= last; ++row) {
      const at = (row - first + 1) * width + 1 - left;
      for (let run = rows[base + row]; run < rows[base + row + 1]; ++run)
        mask.fill(1, at + starts[run], at + ends[run]);
    }
    return perimeter(mask, width, height);
  }
}

/**
 * Axes and angles from second central moments (variances in nm², along columns, rows and mixed), as skimage.measure.regionprops 0.26 with
 * `spacing`; its orientation of a region without a longer axis is -45 or rounding noise, here 0.
 */
function ellipse(xx: number, yy: number, xy: number) {
  const spread = Math.hypot(xx - yy, 2 * xy);
  const greater = (xx + yy + spread) / 2;
  // The smaller one by the determinant: the difference of two near numbers would lose its digits.
  const smaller = greater > 0 ? Math.max(0, (xx * yy - xy * xy) / greater) : 0;
  return {
    eccentricity: greater > 0 ? Math.sqrt(Math.max(0, 1 - smaller / greater)) : 0,
    majorAxis: 4 * Math.sqrt(greater),
    minorAxis: 4 * Math.sqrt(smaller),
    orientation: spread > 1e-12 * greater ? (Math.atan2(2 * xy, yy - xx) * 90) / Math.PI : 0,
  };
}

/**
 * Measures a region of one section. All values are finite but perimeter and circularity where pixels are not square (NaN).
 * @param mask width x height, columns fastest; foreground where not zero.
 * @param edges nm of a pixel along columns and rows.
 * @returns null without a pixel.
 * @throws RangeError when the mask does not fit, or is wider than 65,535.
 */
export function measureSection(
  mask: Uint8Array,
  width: number,
  height: number,
  edges: readonly [number, number],
): SectionMeasures | null {
  if (mask.length !== width * height || width > 65_535)
    throw new RangeError(`${mask.length} pixels do not make a section of ${width} x ${height}`);
  const object = assemble([placeMask(mask, [width, height, 1])], 2, 0);
  const shape = object && new SectionMeter(edges).measure(object, 0);
  if (object === null || shape === null) return null;
  const { size, rows, starts, ends } = object;
  let sumX = 0;
  let sumY = 0;
  for (let row = 0; row < size[1]; ++row) {
    for (let run = rows[row]; run < rows[row + 1]; ++run) {
      sumX += ((ends[run] - starts[run]) * (starts[run] + ends[run])) / 2;
      sumY += (ends[run] - starts[run]) * (row + 0.5);
    }
  }
  const at = mask.findIndex((value) => value !== 0);
  const fromRow = Math.floor(at / width);
  let fromColumn = width;
  for (let i = 0; i < mask.length; ++i) if (mask[i] !== 0) fromColumn = Math.min(fromColumn, i % width);
  return {
    ...shape,
    box: [fromColumn, fromRow, fromColumn + size[0], fromRow + size[1]],
    centroid: [fromColumn + sumX / shape.pixels, fromRow + sumY / shape.pixels],
    extent: shape.pixels / (size[0] * size[1]),
    equivalentDiameter: Math.sqrt((4 * shape.area) / Math.PI),
    feretDiameter: feretDiameter(convexRows(object), [edges[0], edges[1], 0], true),
    eulerNumber: eulerNumber2d(mask, [width, height]),
  };
}

/** Sum of k² for k = 1..n, continued to negative n. */
function squaresTo(n: number): number {
  return (n * (n + 1) * (2 * n + 1)) / 6;
}
