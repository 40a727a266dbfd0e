import type { LabelRuns } from "../../src/segmentation/types.js";
import { boxSize, intersect } from "../../src/volume/box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";

/** What was made last, by key, up to so many bytes. */
export class ExportMemory<T> {
  private readonly kept = new Map<string, T>();
  private bytes = 0;

  constructor(
    private readonly limit: number,
    private readonly sizeOf: (value: T) => number,
  ) {}

  /** What is kept, else what `make` gives; undefined is not kept. */
  async get(key: string, make: () => Promise<T | undefined>): Promise<T | undefined> {
    let value = this.kept.get(key);
    if (value !== undefined) this.kept.delete(key);
    else {
      value = await make();
      if (value === undefined) return undefined;
      this.bytes += this.sizeOf(value);
    }
    this.kept.set(key, value);
    for (const [oldest, old] of this.kept) {
      if (this.bytes <= this.limit || oldest === key) break;
      this.kept.delete(oldest);
      this.bytes -= this.sizeOf(old);
    }
    return value;
  }
}

/**
 * Writes the ids of a chunk's runs where they lie in a box.
 * @param lower first voxel of the chunk. @param ids of its labels 0..count. @param voxels of the box, x fastest.
 */
export function idsInBox(
  { size, rows, starts, ends, labels }: LabelRuns,
  lower: Vec3,
  ids: Float64Array,
  box: Box,
  voxels: BigUint64Array,
): void {
  const values = BigUint64Array.from(ids, BigInt);
  const upper = lower.map((l, axis) => l + size[axis]) as unknown as Vec3;
  const part = intersect({ lower, upper }, box);
  const [width, height] = boxSize(box);
  for (let z = part.lower[2]; z < part.upper[2]; ++z) {
    for (let y = part.lower[1]; y < part.upper[1]; ++y) {
      const row = y - lower[1] + size[1] * (z - lower[2]);
      const first = width * (y - box.lower[1] + height * (z - box.lower[2])) - box.lower[0];
      for (let run = rows[row]; run < rows[row + 1]; ++run) {
        const value = values[labels[run]];
        if (value === 0n) continue;
        const from = Math.max(part.lower[0], lower[0] + starts[run]);
        const to = Math.min(part.upper[0], lower[0] + ends[run]);
        if (from < to) voxels.fill(value, first + from, first + to);
      }
    }
  }
}
