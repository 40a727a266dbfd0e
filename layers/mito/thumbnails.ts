import { boxSize } from "../../src/volume/box.js";
import type { Box, Vec3 } from "../../src/volume/types.js";

interface Thumbnail {
  readonly base: bigint;
  /** For each level that samples the chunk: the level's voxels, and their values as runs (value, count, ...). */
  readonly levels: ReadonlyMap<number, { readonly box: Box; readonly runs: Uint32Array }>;
  readonly bytes: number;
}

/**
 * Coarse pictures of finished chunks, from which overviews are put together without computing anything: at level i a
 * voxel of factor f stands for the one in its middle. Run-length coded, bounded in bytes; the oldest go first.
 */
export class Thumbnails {
  private readonly chunks = new Map<string, Thumbnail>();
  private total = 0;

  /**
   * @param factors Voxels of the computed scale in one of each level, x y z.
   * @param limit Bytes.
   */
  constructor(
    private readonly factors: readonly Vec3[],
    private readonly limit: number,
  ) {}

  get bytes(): number {
    return this.total;
  }

  keys(): string[] {
    return [...this.chunks.keys()];
  }

  /**
   * @param box Voxels of the chunk in the computed scale.
   * @param values x fastest; 0 is empty.
   * @param base Added to every value but 0 when drawn.
   */
  put(key: string, box: Box, values: ArrayLike<number>, base: bigint): void {
    this.delete(key);
    const levels = new Map<number, { box: Box; runs: Uint32Array }>();
    let bytes = 64;
    this.factors.forEach((factor, level) => {
      const coarse = sampledBox(box, factor);
      if (coarse === undefined) return;
      const runs = encodeRuns(sample(values, box, coarse, factor));
      // Empty chunks are the most common, and say nothing.
      if (runs.length === 2 && runs[0] === 0) return;
      levels.set(level, { box: coarse, runs });
      bytes += runs.byteLength + 64;
    });
    this.chunks.set(key, { base, levels, bytes });
    this.total += bytes;
    for (const oldest of this.chunks.keys()) {
      if (this.total <= this.limit) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const found = this.chunks.get(key);
    if (found === undefined) return;
    this.chunks.delete(key);
    this.total -= found.bytes;
  }

  /**
   * Draws a box of a level.
   * @param box Voxels of the level.
   * @param out Holds `box`, x fastest; zero where nothing is known.
   * @param value What to draw for a value of the chunk with this key and base.
   * @returns Whether anything was drawn.
   */
  draw<T extends bigint | number>(
    level: number,
    box: Box,
    out: { [index: number]: T },
    value: (base: bigint, value: number, key: string) => T,
  ): boolean {
    let drawn = false;
    const [ox, oy] = boxSize(box);
    for (const [key, { base, levels }] of this.chunks) {
      const found = levels.get(level);
      if (found === undefined) continue;
      const { lower, upper } = found.box;
      if (lower.some((l, i) => l >= box.upper[i]) || upper.some((u, i) => u <= box.lower[i])) continue;
      let [x, y, z] = lower;
      for (let i = 0; i < found.runs.length; i += 2) {
        const run = found.runs[i];
        const colour = run === 0 ? undefined : value(base, run, key);
        for (let n = found.runs[i + 1]; n > 0; n--) {
          if (
            colour !== undefined &&
            x >= box.lower[0] &&
            x < box.upper[0] &&
            y >= box.lower[1] &&
            y < box.upper[1] &&
            z >= box.lower[2] &&
            z < box.upper[2]
          ) {
            out[x - box.lower[0] + ox * (y - box.lower[1] + oy * (z - box.lower[2]))] = colour;
            drawn = true;
          }
          if (++x < upper[0]) continue;
          x = lower[0];
          if (++y < upper[1]) continue;
          y = lower[1];
          z++;
        }
      }
    }
    return drawn;
  }
}

/** The voxels of a level whose middle lies in a box of the computed scale. */
export function sampledBox({ lower, upper }: Box, factor: Vec3): Box | undefined {
  // "+ 0": no negative zero, which keys would show.
  const first = (edge: number, i: number) => Math.ceil((edge - Math.floor(factor[i] / 2)) / factor[i]) + 0;
  const box: Box = { lower: lower.map(first) as unknown as Vec3, upper: upper.map(first) as unknown as Vec3 };
  return box.lower.every((l, i) => l < box.upper[i]) ? box : undefined;
}

function sample(values: ArrayLike<number>, box: Box, coarse: Box, factor: Vec3): Uint32Array {
  const [sx, sy] = boxSize(box);
  const [cx, cy, cz] = boxSize(coarse);
  const at = (i: number, axis: number) =>
    (coarse.lower[axis] + i) * factor[axis] + Math.floor(factor[axis] / 2) - box.lower[axis];
  const out = new Uint32Array(cx * cy * cz);
  let o = 0;
  for (let z = 0; z < cz; z++)
    for (let y = 0; y < cy; y++) {
      const row = sx * (at(y, 1) + sy * at(z, 2));
      for (let x = 0; x < cx; x++) out[o++] = values[row + at(x, 0)];
    }
  return out;
}

function encodeRuns(values: Uint32Array): Uint32Array {
  let count = 0;
  for (let i = 0; i < values.length; i++) if (i === 0 || values[i] !== values[i - 1]) count++;
  const runs = new Uint32Array(2 * count);
  let end = 0;
  for (let i = 0; i < values.length; i++) {
    if (i === 0 || values[i] !== values[i - 1]) {
      runs[end] = values[i];
      end += 2;
    }
    runs[end - 1]++;
  }
  return runs;
}
