import { fillHoles, fillHolesInSlices } from "../segmentation/fill_holes.js";
import type { Vec3 } from "../volume/types.js";

/** An object in a box, and how an operation may change it. Arrays are x fastest, 1 = yes. */
export interface ShapeInBox {
  readonly size: Vec3;
  readonly mask: Uint8Array;
  /** Voxels of other objects: never taken. */
  readonly blocked: Uint8Array;
  /** Axes along which voxels are neighbours: all three, or the two of a section. */
  readonly axes: readonly (0 | 1 | 2)[];
  /** Only this section changes: its axis and its place in the box. */
  readonly only?: { readonly axis: 0 | 1 | 2; readonly at: number };
}

/**
 * The object grown by face neighbours, `voxels` times. The box must leave room; what is beyond it is not grown into.
 * @returns a new mask.
 */
export function growShape(shape: ShapeInBox, voxels: number): Uint8Array {
  return repeat(shape, voxels, (mask, next, shape) => {
    const { blocked } = shape;
    visitNeighbours(shape, (at, neighbour) => {
      if (mask[at] === 0 && blocked[at] === 0 && mask[neighbour] !== 0) next[at] = 1;
    });
  });
}

/**
 * Takes off, `voxels` times, what has a face neighbour outside of the object. What lies beyond the box counts as inside, so that an object is
 * not eaten from the border of the volume: elsewhere the box must have a margin of a voxel.
 */
export function shrinkShape(shape: ShapeInBox, voxels: number): Uint8Array {
  return repeat(shape, voxels, (mask, next, shape) => {
    visitNeighbours(shape, (at, neighbour) => {
      if (mask[at] !== 0 && mask[neighbour] === 0) next[at] = 0;
    });
  });
}

/**
 * The majority of the 3 x 3 x 3 (in a section 3 x 3) voxels around each, `passes` times: a median filter of the mask. Only voxels in the
 * box count; a tie changes nothing.
 */
export function smoothShape(shape: ShapeInBox, passes: number): Uint8Array {
  return repeat(shape, passes, (mask, next, shape) => {
    const { size, axes, blocked } = shape;
    let sums = Uint8Array.from(mask);
    let counts = new Uint8Array(mask.length).fill(1);
    for (const axis of axes) {
      sums = sumOfThree(sums, size, axis);
      counts = sumOfThree(counts, size, axis);
    }
    for (let i = 0; i < next.length; ++i) {
      if (2 * sums[i] > counts[i]) next[i] = blocked[i] === 0 ? 1 : mask[i];
      else if (2 * sums[i] < counts[i]) next[i] = 0;
    }
  });
}

/** Holes of the object, or of each of its sections, filled as far as no other object is in them. */
export function fillShape(shape: ShapeInBox): Uint8Array {
  const { mask, size, axes } = shape;
  const across = ([0, 1, 2] as const).find((axis) => !axes.includes(axis));
  const { mask: filled } =
    across === undefined ? fillHoles(mask, size) : fillHolesInSlices(mask, size, across);
  return bounded(shape, filled);
}

/** Keeps what is blocked, and what is not in the section that changes, as it was. */
function bounded({ size, mask, blocked, only }: ShapeInBox, changed: Uint8Array): Uint8Array {
  const out = Uint8Array.from(changed);
  for (let i = 0; i < out.length; ++i) if (blocked[i] !== 0) out[i] = mask[i];
  if (only === undefined) return out;
  const stride = strides(size)[only.axis];
  for (let i = 0; i < out.length; ++i)
    if (Math.floor(i / stride) % size[only.axis] !== only.at) out[i] = mask[i];
  return out;
}

function repeat(
  shape: ShapeInBox,
  times: number,
  step: (mask: Uint8Array, next: Uint8Array, shape: ShapeInBox) => void,
): Uint8Array {
  let mask = shape.mask;
  for (let i = 0; i < times; ++i) {
    const next = Uint8Array.from(mask);
    step(mask, next, shape);
    mask = bounded({ ...shape, mask }, next);
  }
  return mask === shape.mask ? Uint8Array.from(mask) : mask;
}

/** Calls back for every pair of a voxel and a face neighbour of it in the box, both ways round. */
function visitNeighbours({ size, axes }: ShapeInBox, visit: (at: number, neighbour: number) => void): void {
  const voxels = size[0] * size[1] * size[2];
  for (const axis of axes) {
    const stride = strides(size)[axis];
    const period = stride * size[axis];
    for (let block = 0; block < voxels; block += period) {
      for (let at = block; at < block + period - stride; ++at) {
        visit(at, at + stride);
        visit(at + stride, at);
      }
    }
  }
}

/** Sum of a voxel and its two neighbours along an axis, as far as they are in the box. */
function sumOfThree(values: Uint8Array, size: Vec3, axis: 0 | 1 | 2): Uint8Array<ArrayBuffer> {
  const sums = Uint8Array.from(values);
  visitNeighbours({ size, mask: values, blocked: values, axes: [axis] }, (at, neighbour) => {
    sums[at] += values[neighbour];
  });
  return sums;
}

function strides([width, height]: Vec3): Vec3 {
  return [1, width, width * height];
}
