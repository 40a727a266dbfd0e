import { modelShape } from "../inference/plan.js";
import { resampleImage, tapRange, tapsToModel } from "../inference/resample.js";
import type { InferenceGeometry, IntensityWindow } from "../inference/types.js";
import type { Random } from "../network/random.js";
import { boxSize } from "../volume/box.js";
import type { Box } from "../volume/types.js";
import type { Images } from "./types.js";

/**
 * A contiguous piece of the target: columns and rows in pixels of the model's grid, counted from the volume's lower bound;
 * slices in voxels of the scale that is read. Half open.
 */
export interface Stack {
  readonly columns: readonly [from: number, to: number];
  readonly rows: readonly [from: number, to: number];
  readonly slices: readonly [from: number, to: number];
}

/** Pixels of the model's grid that an adaptation takes from a volume at most: 64 patches of 256 x 256. */
export const MOST_PIXELS = 64 * 256 * 256;
/** Edge of a stack around the view at most. */
const MOST_EDGE = 512;
/** Stacks that are drawn from a region larger than that. */
const DRAWN = { stacks: 8, edge: 256, slices: 8 } as const;
/** Edge of a stack at least: about the size of the largest mitochondria, and of the smallest patch to train on. */
export const LEAST_EDGE = 64;
/** Voxels along an edge that are read for one stack at most, where a model pixel is made of many voxels. */
const MOST_READ = 4096;

/** A region that no adaptation can be made from; says why. */
export class PatchError extends Error {
  override name = "PatchError";
}

type Range = readonly [from: number, to: number];

/** Largest edge that the limits allow, a multiple of 16 so that networks need no padding. */
function limitEdge(edge: number, { ratio }: InferenceGeometry): number {
  return Math.floor(Math.min(edge, MOST_READ / Math.max(1, ...ratio)) / 16) * 16;
}

/** `length` numbers around `middle` that lie in the range, or all of it. */
function around(middle: number, length: number, [from, to]: Range): Range {
  if (to - from <= length) return [from, to];
  const start = Math.min(Math.max(Math.round(middle - length / 2), from), to - length);
  return [start, start + length];
}

/** The volume's own extent: columns, rows, slices. */
function extent(geometry: InferenceGeometry): readonly [Range, Range, Range] {
  const [width, height] = modelShape(geometry);
  const { bounds, sliceAxis } = geometry;
  return [
    [0, width],
    [0, height],
    [bounds.lower[sliceAxis], bounds.upper[sliceAxis]],
  ];
}

function checkSize(columns: Range, rows: Range, slices: Range): void {
  const [width, height, depth] = [columns, rows, slices].map(([from, to]) => to - from);
  if (depth < 1 || width < LEAST_EDGE || height < LEAST_EDGE)
    throw new PatchError(
      `the region has ${Math.max(0, width)} x ${Math.max(0, height)} pixels at the model's scale in ${Math.max(0, depth)} sections: ` +
        `an adaptation needs ${LEAST_EDGE} x ${LEAST_EDGE} at least; give a larger box, or look at the middle of the volume`,
    );
}

/**
 * One stack around a point: as wide as `MOST_PIXELS` allows for so many sections, moved into the volume where it would leave it.
 * @param centre x, y, z in voxels of the scale that is read.
 * @throws PatchError when the volume is too small.
 */
export function stackAround(
  geometry: InferenceGeometry,
  centre: readonly [number, number, number],
  sections: number,
): Stack {
  if (!(Number.isInteger(sections) && sections >= 1))
    throw new PatchError(`${sections} is no number of sections`);
  const [allColumns, allRows, allSlices] = extent(geometry);
  const { bounds, planeAxes, ratio, sliceAxis } = geometry;
  const depth = Math.min(sections, allSlices[1] - allSlices[0]);
  const edge = limitEdge(Math.min(MOST_EDGE, Math.sqrt(MOST_PIXELS / depth)), geometry);
  const middle = (i: 0 | 1) => (centre[planeAxes[i]] - bounds.lower[planeAxes[i]]) / ratio[i];
  const stack = {
    columns: around(middle(0), edge, allColumns),
    rows: around(middle(1), edge, allRows),
    slices: around(centre[sliceAxis], depth, allSlices),
  };
  checkSize(stack.columns, stack.rows, stack.slices);
  return stack;
}

/**
 * Stacks from a box: the box itself where that is at most `MOST_PIXELS`, else stacks of 256 x 256 pixels and 8 sections drawn
 * from it at random.
 * @param box Voxels of the scale that is read; what lies outside the volume is left out.
 * @throws PatchError when what is left is too small.
 */
export function stacksIn(geometry: InferenceGeometry, box: Box, random: Random): Stack[] {
  const { bounds, planeAxes, ratio, sliceAxis } = geometry;
  const [allColumns, allRows, allSlices] = extent(geometry);
  const inPlane = (i: 0 | 1, all: Range): Range => {
    const origin = bounds.lower[planeAxes[i]];
    const from = Math.ceil((box.lower[planeAxes[i]] - origin) / ratio[i] - 1e-9);
    const to = Math.floor((box.upper[planeAxes[i]] - origin) / ratio[i] + 1e-9);
    return [Math.max(all[0], from), Math.min(all[1], to)];
  };
  const columns = inPlane(0, allColumns);
  const rows = inPlane(1, allRows);
  const slices: Range = [
    Math.max(allSlices[0], Math.floor(box.lower[sliceAxis])),
    Math.min(allSlices[1], Math.ceil(box.upper[sliceAxis])),
  ];
  checkSize(columns, rows, slices);
  const [width, height, depth] = [columns, rows, slices].map(([from, to]) => to - from);
  const readable = limitEdge(Number.POSITIVE_INFINITY, geometry);
  if (width * height * depth <= MOST_PIXELS && Math.max(width, height) <= readable)
    return [{ columns, rows, slices }];
  const edge = limitEdge(DRAWN.edge, geometry);
  const draw = ([from, to]: Range, length: number): Range => {
    const size = Math.min(length, to - from);
    const start = from + random.integer(to - from - size + 1);
    return [start, start + size];
  };
  return Array.from({ length: DRAWN.stacks }, () => ({
    columns: draw(columns, edge),
    rows: draw(rows, edge),
    slices: draw(slices, DRAWN.slices),
  }));
}

function tapsOf(geometry: InferenceGeometry, { columns, rows }: Stack) {
  const { bounds, planeAxes, ratio } = geometry;
  const taps = (i: 0 | 1, [from, to]: Range) => {
    const axis = planeAxes[i];
    return tapsToModel(from, to, bounds.upper[axis] - bounds.lower[axis], ratio[i]);
  };
  return [taps(0, columns), taps(1, rows)] as const;
}

/** The voxels that some slices of a stack are made of: what to read for `stackImages`. */
export function stackBox(geometry: InferenceGeometry, stack: Stack, slices: Range = stack.slices): Box {
  const { bounds, planeAxes, sliceAxis } = geometry;
  const lower: [number, number, number] = [0, 0, 0];
  const upper: [number, number, number] = [0, 0, 0];
  [lower[sliceAxis], upper[sliceAxis]] = slices;
  tapsOf(geometry, stack).forEach((taps, i) => {
    const axis = planeAxes[i];
    const [from, to] = tapRange(taps);
    lower[axis] = bounds.lower[axis] + from;
    upper[axis] = bounds.lower[axis] + to;
  });
  return { lower, upper };
}

/**
 * EM on the model's grid exactly as a prediction sees it (same resampling, same intensity window), rounded to 8 bit.
 * @param em Voxels of `stackBox(geometry, stack, slices)`, x fastest.
 * @throws RangeError when `em` does not hold that box.
 */
export function stackImages(
  geometry: InferenceGeometry,
  stack: Stack,
  em: Uint8Array | Uint16Array,
  [low, high]: IntensityWindow,
  slices: Range = stack.slices,
): Images {
  const box = stackBox(geometry, stack, slices);
  const [sx, sy, sz] = boxSize(box);
  if (em.length !== sx * sy * sz)
    throw new RangeError(`${em.length} EM voxels for a box of ${sx} x ${sy} x ${sz}`);
  const { bounds, planeAxes, sliceAxis } = geometry;
  const strides = [1, sx, sx * sy];
  const [columnTaps, rowTaps] = tapsOf(geometry, stack);
  const origin = [0, 1].map((i) => box.lower[planeAxes[i]] - bounds.lower[planeAxes[i]]);
  const images: Uint8Array[] = [];
  for (let slice = 0; slice < slices[1] - slices[0]; slice++) {
    const values = resampleImage(
      {
        data: em,
        offset: slice * strides[sliceAxis],
        columnStride: strides[planeAxes[0]],
        rowStride: strides[planeAxes[1]],
      },
      columnTaps,
      rowTaps,
      origin as [number, number],
    );
    images.push(
      Uint8Array.from(values, (v) => Math.round(255 * Math.min(1, Math.max(0, (v - low) / (high - low))))),
    );
  }
  return {
    width: stack.columns[1] - stack.columns[0],
    height: stack.rows[1] - stack.rows[0],
    em: images,
  };
}
