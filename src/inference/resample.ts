/**
 * Resampling between the voxels of a scale and the pixels of the model, one axis at a time. Both grids start at the lower
 * bound of the volume, and what a pixel is made of depends on its place in the volume alone: a chunk gets the same values
 * as the whole slice.
 */

/** For each output sample, the inputs that make it: `index[j]`, `weight[j]` for start[i] <= j < start[i + 1]. */
export interface Taps {
  readonly start: Int32Array;
  readonly index: Int32Array;
  readonly weight: Float64Array;
}

/** Pixels of the model grid that cover `length` voxels; the last one may be covered in part. */
export function modelSize(length: number, ratio: number): number {
  return Math.max(1, Math.ceil(length / ratio - 1e-9));
}

/** numpy's "reflect": the edge is not repeated; folded again where an axis is shorter than the reach. */
export function reflect(i: number, size: number): number {
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const folded = ((i % period) + period) % period;
  return folded < size ? folded : period - folded;
}

class TapList {
  private readonly start = [0];
  private readonly index: number[] = [];
  private readonly weight: number[] = [];
  add(index: number, weight: number): void {
    this.index.push(index);
    this.weight.push(weight);
  }
  next(): void {
    this.start.push(this.index.length);
  }
  finish(): Taps {
    return {
      start: Int32Array.from(this.start),
      index: Int32Array.from(this.index),
      weight: Float64Array.from(this.weight),
    };
  }
}

/** The two neighbours of a position between sample centres, clamped to the ends. */
function addLinear(taps: TapList, position: number, size: number): void {
  const low = Math.floor(position);
  const weight = position - low;
  const clamp = (i: number) => Math.min(Math.max(i, 0), size - 1);
  taps.add(clamp(low), 1 - weight);
  if (weight > 0) taps.add(clamp(low + 1), weight);
}

/**
 * Model pixels [from, to) out of the voxels 0..length of a scale. `from` and `to` may lie outside: reflected. Area average where
 * a model pixel is larger than a voxel (ratio > 1), else linear interpolation between voxel centres (half-pixel centres).
 */
export function tapsToModel(from: number, to: number, length: number, ratio: number): Taps {
  const size = modelSize(length, ratio);
  const taps = new TapList();
  for (let i = from; i < to; i++) {
    const pixel = reflect(i, size);
    if (ratio === 1) taps.add(pixel, 1);
    else if (ratio < 1) addLinear(taps, (pixel + 0.5) * ratio - 0.5, length);
    else {
      const lower = pixel * ratio;
      const upper = Math.min(lower + ratio, length);
      for (let v = Math.floor(lower); v < upper; v++) {
        const overlap = Math.min(v + 1, upper) - Math.max(v, lower);
        // Slivers left by rounding would reach for one more voxel than the pixel has.
        if (overlap > 1e-9) taps.add(v, overlap / (upper - lower));
      }
    }
    taps.next();
  }
  return taps.finish();
}

/** Voxels [from, to) of a scale out of the model pixels 0..modelSize: linear, half-pixel centres, clamped at the ends. */
export function tapsToVoxels(from: number, to: number, length: number, ratio: number): Taps {
  const size = modelSize(length, ratio);
  const taps = new TapList();
  for (let v = from; v < to; v++) {
    if (ratio === 1) taps.add(v, 1);
    else addLinear(taps, (v + 0.5) / ratio - 0.5, size);
    taps.next();
  }
  return taps.finish();
}

/**
 * Voxels [from, to) of one scale out of the voxels [lower, upper) of another, both counted from the common corner 0 of the
 * volume: linear between voxel centres, clamped at the ends.
 * @param ratio Edge of a wanted voxel / edge of a given one.
 */
export function tapsBetween(from: number, to: number, lower: number, upper: number, ratio: number): Taps {
  const taps = new TapList();
  for (let v = from; v < to; v++) {
    addLinear(taps, (v + 0.5) * ratio - 0.5 - lower, upper - lower);
    taps.next();
  }
  return taps.finish();
}

/** Smallest range [lower, upper) of inputs that the taps use. */
export function tapRange({ index }: Taps): [lower: number, upper: number] {
  let lower = index[0];
  let upper = index[0];
  for (const i of index) {
    if (i < lower) lower = i;
    if (i > upper) upper = i;
  }
  return [lower, upper + 1];
}

/** A 2-D array inside another: element (column, row) is `data[offset + column * columnStride + row * rowStride]`. */
export interface StridedImage {
  readonly data: ArrayLike<number>;
  readonly offset: number;
  readonly columnStride: number;
  readonly rowStride: number;
}

/**
 * Separable resampling: columns first, then rows.
 * @param columns,rows Taps whose indices count from `origin`, the image's first column and row.
 * @returns Row-major, as wide as `columns` has outputs.
 */
export function resampleImage(
  image: StridedImage,
  columns: Taps,
  rows: Taps,
  origin: readonly [column: number, row: number],
): Float32Array {
  const { data, offset, columnStride, rowStride } = image;
  const width = columns.start.length - 1;
  const height = rows.start.length - 1;
  const [firstRow, endRow] = tapRange(rows);
  const narrow = new Float64Array(width * (endRow - firstRow));
  for (let row = firstRow; row < endRow; row++) {
    const base = offset + (row - origin[1]) * rowStride - origin[0] * columnStride;
    for (let i = 0, out = (row - firstRow) * width; i < width; i++, out++) {
      let sum = 0;
      for (let j = columns.start[i]; j < columns.start[i + 1]; j++)
        sum += columns.weight[j] * data[base + columns.index[j] * columnStride];
      narrow[out] = sum;
    }
  }
  const result = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let j = rows.start[y]; j < rows.start[y + 1]; j++)
        sum += rows.weight[j] * narrow[(rows.index[j] - firstRow) * width + x];
      result[y * width + x] = sum;
    }
  }
  return result;
}
