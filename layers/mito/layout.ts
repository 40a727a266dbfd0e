import type { Box, Vec3 } from "../../src/volume/types.js";

/**
 * How a source that Neuroglancer reads lies in x, y, z: plain numbers, no Neuroglancer code. A source's chunk axes
 * may be any permutation of its model axes (OME-Zarr arrays are z, y, x; their chunks x fastest), and it may have
 * channel or time axes besides. What we compute has chunk axes x, y, z always.
 */
export interface SourceSpace {
  /** Name, unit ("m" or "") and size of a unit for each axis of the model space. */
  readonly names: readonly string[];
  readonly units: readonly string[];
  readonly scales: ArrayLike<number>;
}

export interface SourceScale {
  /** Homogeneous, column-major, (rank + 1)^2: chunk space -> model space. */
  readonly transform: ArrayLike<number>;
  /** Voxel bounds in chunk space. */
  readonly lower: ArrayLike<number>;
  readonly upper: ArrayLike<number>;
}

export interface ScaleLayout {
  /** Chunk axis that runs along x, y, z. */
  readonly chunkDims: Vec3;
  /** Voxel bounds, axes x, y, z, in the source's chunk space. */
  readonly bounds: Box;
  /** nm. */
  readonly voxelSize: Vec3;
  /** Voxel index along each chunk axis that is not spatial; -1 at the spatial ones. */
  readonly fixed: readonly number[];
  /** Homogeneous, column-major, 4 x 4: our chunk space (x, y, z) -> the kept axes of the model space, in its order. */
  readonly transform: readonly number[];
}

export interface SourceLayout {
  /** Model axis that is x, y, z. */
  readonly modelDims: Vec3;
  /** The same axes in ascending order: the model space that is left of the source's. */
  readonly keptDims: Vec3;
  readonly scales: readonly ScaleLayout[];
}

/** A source that cannot be segmented: says why and what to do. */
export class LayoutError extends Error {
  override name = "LayoutError";
}

const XYZ = ["x", "y", "z"];
const NANOMETRES: Record<string, number> = { m: 1e9 };

/**
 * Finds the spatial axes, their voxel sizes, and what to do with the others.
 * @param channel Index along the one other axis that has more than one entry.
 * @throws LayoutError
 */
export function layOut(space: SourceSpace, scales: readonly SourceScale[], channel?: number): SourceLayout {
  const modelDims = spatialDims(space, scales[0]);
  const keptDims = [...modelDims].sort((a, b) => a - b) as unknown as Vec3;
  return {
    modelDims,
    keptDims,
    scales: scales.map((scale) => layOutScale(space, scale, modelDims, keptDims, channel)),
  };
}

function spatialDims({ names, units }: SourceSpace, finest: SourceScale): Vec3 {
  const named = XYZ.map((name) => names.findIndex((n) => n.toLowerCase() === name));
  if (named.every((dim) => dim !== -1)) return named as unknown as Vec3;
  const physical = names.map((_, dim) => dim).filter((dim) => units[dim] in NANOMETRES);
  const dims = physical.length === 3 ? physical : names.map((_, dim) => dim);
  if (dims.length !== 3)
    throw new LayoutError(
      `the volume has axes ${names.join(", ")}: cannot tell which three are x, y and z; name them so, or give them metres`,
    );
  // No names to go by: the axis that runs fastest in memory is x.
  return dims.sort((a, b) => chunkDimOf(finest, a, names) - chunkDimOf(finest, b, names)) as unknown as Vec3;
}

/** The chunk axis that runs along a model axis; both must be parallel. */
function chunkDimOf({ transform }: SourceScale, modelDim: number, names: readonly string[]): number {
  const rank = names.length;
  const rowAlong = (column: number) => {
    const entries = names.map((_, row) => Math.abs(transform[column * (rank + 1) + row]));
    const largest = entries.indexOf(Math.max(...entries));
    return entries.every((e, row) => row === largest || e <= 1e-6 * entries[largest]) ? largest : -1;
  };
  const column = names.findIndex((_, c) => rowAlong(c) === modelDim);
  if (column === -1)
    throw new LayoutError(
      `the volume is rotated against its axis ${names[modelDim]}: only volumes along the axes can be segmented`,
    );
  return column;
}

function layOutScale(
  { names, units, scales }: SourceSpace,
  scale: SourceScale,
  modelDims: Vec3,
  keptDims: Vec3,
  channel: number | undefined,
): ScaleLayout {
  const rank = names.length;
  const { transform, lower, upper } = scale;
  const chunkDims = modelDims.map((dim) => chunkDimOf(scale, dim, names)) as unknown as Vec3;
  const voxelSize = modelDims.map((dim, i) => {
    const unit = NANOMETRES[units[dim]];
    const size = Math.abs(transform[chunkDims[i] * (rank + 1) + dim]) * scales[dim] * (unit ?? Number.NaN);
    if (!(size > 0 && Number.isFinite(size)))
      throw new LayoutError(
        `the volume's axis ${names[dim]} has no voxel size in metres: a model needs it; add it to the volume's metadata`,
      );
    // Metres as floats: 8 nm arrive as 7.999999973.
    return Number(size.toPrecision(6));
  }) as unknown as Vec3;
  const fixed = Array.from({ length: rank }, (_, dim) =>
    chunkDims.includes(dim) ? -1 : fixedIndex(lower[dim], upper[dim], channel),
  );
  const out = new Array<number>(16).fill(0);
  out[15] = 1;
  keptDims.forEach((modelDim, row) => {
    chunkDims.forEach((chunkDim, column) => {
      out[column * 4 + row] = transform[chunkDim * (rank + 1) + modelDim];
    });
    out[12 + row] = transform[rank * (rank + 1) + modelDim];
  });
  return {
    chunkDims,
    voxelSize,
    fixed,
    transform: out,
    bounds: {
      lower: chunkDims.map((dim) => lower[dim]) as unknown as Vec3,
      upper: chunkDims.map((dim) => upper[dim]) as unknown as Vec3,
    },
  };
}

function fixedIndex(lower: number, upper: number, channel: number | undefined): number {
  const count = upper - lower;
  if (count === 1) return lower;
  if (channel === undefined)
    throw new LayoutError(`the volume has ${count} channels: choose one with channel=<0..${count - 1}>`);
  if (channel >= count)
    throw new LayoutError(`channel=${channel} does not exist: the volume has ${count} (from 0)`);
  return lower + channel;
}

/**
 * Makes a coarser scale: transform of a chunk space whose voxels are `factor` of ours along x, y, z.
 * @returns Homogeneous, column-major, 4 x 4.
 */
export function coarsen(transform: readonly number[], factor: Vec3): number[] {
  return transform.map((value, i) => (i < 12 ? value * factor[i >> 2] : value));
}

/**
 * Factors of the overview scales: each doubles the axes with the smallest voxels, so that voxels become cubes and
 * then stay so, until the volume is about a screen wide.
 */
export function overviewFactors(voxelSize: Vec3, bounds: Box, screen = 512): Vec3[] {
  const factors: Vec3[] = [];
  let factor: Vec3 = [1, 1, 1];
  const extent = (i: number) => (bounds.upper[i] - bounds.lower[i]) / factor[i];
  while (Math.max(extent(0), extent(1), extent(2)) > screen && factors.length < 16) {
    const sizes = voxelSize.map((size, i) => size * factor[i]);
    const smallest = Math.min(...sizes);
    // An axis joins once doubling it does not overtake the others' next step.
    factor = factor.map((f, i) => (sizes[i] < 1.5 * smallest ? 2 * f : f)) as unknown as Vec3;
    factors.push(factor);
  }
  return factors;
}
