import type { Box, Vec3 } from "../volume/types.js";
import { offsetOf } from "./faces.js";

/** Labels of a chunk take the lower 20 bits of a piece's id, as the viewer's segment ids do (layers/mito/segment_ids.ts). */
export const LABELS_PER_CHUNK = 2 ** 20;
/** Runs hold places in 16 bits. */
const MAX_EXTENT = 65_535;

/** The regular grid of chunks of a volume: it starts at voxel 0 and is clipped at the volume's upper bound. */
export class ChunkGrid {
  /** First position within the volume, and one past the last. */
  readonly first: Vec3;
  readonly end: Vec3;

  /** @throws RangeError for a grid that makes no sense, or of more chunks than ids. */
  constructor(
    readonly chunkSize: Vec3,
    readonly bounds: Box,
  ) {
    const { lower, upper } = bounds;
    if (!chunkSize.every((extent) => Number.isInteger(extent) && extent > 0 && extent <= MAX_EXTENT))
      throw new RangeError(`chunks of ${chunkSize.join(" x ")} voxels cannot be stitched`);
    if (![0, 1, 2].every((i) => Number.isInteger(lower[i]) && lower[i] >= 0 && upper[i] > lower[i]))
      throw new RangeError(`a volume from ${lower.join()} to ${upper.join()} cannot be stitched`);
    this.first = lower.map((l, i) => Math.floor(l / chunkSize[i])) as unknown as Vec3;
    this.end = upper.map((u, i) => Math.ceil(u / chunkSize[i])) as unknown as Vec3;
    if (this.end[0] * this.end[1] * this.end[2] > 2 ** 33)
      throw new RangeError(`${this.end.join(" x ")} chunks are more than there are ids for`);
  }

  has(position: Vec3): boolean {
    return position.every((p, i) => Number.isInteger(p) && p >= this.first[i] && p < this.end[i]);
  }

  /** Number of a position in the grid, x fastest. */
  indexOf([x, y, z]: Vec3): number {
    return x + this.end[0] * (y + this.end[1] * z);
  }

  positionOf(index: number): Vec3 {
    const [columns, rows] = this.end;
    return [index % columns, Math.floor(index / columns) % rows, Math.floor(index / (columns * rows))];
  }

  boxOf(position: Vec3): Box {
    const lower = position.map((p, i) => p * this.chunkSize[i]) as unknown as Vec3;
    const upper = lower.map((l, i) => Math.min(l + this.chunkSize[i], this.bounds.upper[i]));
    return { lower, upper: upper as unknown as Vec3 };
  }

  /** The position next to one, which may be out of the grid. */
  neighbour(position: Vec3, direction: number): Vec3 {
    const [dx, dy, dz] = offsetOf(direction);
    return [position[0] + dx, position[1] + dy, position[2] + dz];
  }
}
