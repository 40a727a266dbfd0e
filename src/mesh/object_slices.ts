import type { PlacedRuns } from "../segmentation/types.js";
import type { Box, Vec3 } from "../volume/types.js";

interface Piece {
  readonly placed: PlacedRuns;
  /** Whether a label of the chunk belongs to the object. */
  readonly wanted: Uint8Array;
}

function toPiece(placed: PlacedRuns): Piece {
  const wanted = new Uint8Array(placed.runs.count + 1);
  for (const label of placed.labels) wanted[label] = 1;
  return { placed, wanted };
}

/** Bounding box of an object in voxels of the volume; empty (upper <= lower) when it has no voxel. */
export function objectBounds(pieces: readonly PlacedRuns[]): Box {
  const low = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const high = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { placed, wanted } of pieces.map(toPiece)) {
    const { lower, runs } = placed;
    const { size, rows, starts, ends, labels } = runs;
    for (let row = 0; row < size[1] * size[2]; ++row) {
      const y = lower[1] + (row % size[1]);
      const z = lower[2] + Math.floor(row / size[1]);
      for (let run = rows[row]; run < rows[row + 1]; ++run) {
        if (wanted[labels[run]] === 0) continue;
        low[0] = Math.min(low[0], lower[0] + starts[run]);
        high[0] = Math.max(high[0], lower[0] + ends[run]);
        low[1] = Math.min(low[1], y);
        high[1] = Math.max(high[1], y + 1);
        low[2] = Math.min(low[2], z);
        high[2] = Math.max(high[2], z + 1);
      }
    }
  }
  if (low[0] >= high[0]) return { lower: [0, 0, 0], upper: [0, 0, 0] };
  return { lower: [low[0], low[1], low[2]], upper: [high[0], high[1], high[2]] };
}

/**
 * An object as a stack of mask slices with a frame of background around them, made one at a time from its runs: however long the
 * object is, a few slices are all the memory that its surface takes.
 *
 * With a `step` above 1 a sample stands for step[0] x step[1] x step[2] voxels, counted from voxel 0 of the volume, and is inside when at
 * least half of them are.
 */
export class ObjectSlices {
  private readonly pieces: readonly Piece[];
  /** First sample of the frame, in samples of the volume: one before the object along each axis. */
  readonly lower: Vec3;
  /** Samples along x, y, z, with the frame. */
  readonly size: Vec3;
  private readonly counts: Uint32Array;

  constructor(
    pieces: readonly PlacedRuns[],
    bounds: Box,
    readonly step: Vec3 = [1, 1, 1],
  ) {
    this.pieces = pieces.map(toPiece);
    const first = (axis: 0 | 1 | 2) => Math.floor(bounds.lower[axis] / step[axis]) - 1;
    const length = (axis: 0 | 1 | 2) => Math.ceil(bounds.upper[axis] / step[axis]) - first(axis) + 1;
    this.lower = [first(0), first(1), first(2)];
    this.size = [length(0), length(1), length(2)];
    this.counts = new Uint32Array(this.whole ? 0 : this.size[0] * this.size[1]);
  }

  private get whole(): boolean {
    return this.step.every((step) => step === 1);
  }

  /** Writes slice z (0 is the frame's) into `mask`, size[0] x size[1] values, x fastest: 1 inside, 0 outside. */
  read(z: number, mask: Uint8Array): void {
    const { step } = this;
    const first = (this.lower[2] + z) * step[2];
    mask.fill(0);
    if (this.whole) {
      this.forEachRun(first, (row, from, to) => mask.fill(1, row + from, row + to));
      return;
    }
    const { counts } = this;
    counts.fill(0);
    for (let slice = first; slice < first + step[2]; ++slice)
      this.forEachRun(slice, (row, from, to) => {
        for (let x = from; x < to; ) {
          const sample = Math.floor(x / step[0]);
          const end = Math.min(to, (sample + 1) * step[0]);
          counts[row + sample] += end - x;
          x = end;
        }
      });
    const half = step[0] * step[1] * step[2] * 0.5;
    for (let i = 0; i < counts.length; ++i) mask[i] = counts[i] >= half ? 1 : 0;
  }

  /** Runs of the object in a slice of voxels: first sample of the row, then voxels along x counted from the frame's first. */
  private forEachRun(z: number, visit: (row: number, from: number, to: number) => void): void {
    const { step, lower, size } = this;
    for (const { placed, wanted } of this.pieces) {
      const { runs } = placed;
      const local = z - placed.lower[2];
      if (local < 0 || local >= runs.size[2]) continue;
      const shift = placed.lower[0] - lower[0] * step[0];
      for (let y = 0; y < runs.size[1]; ++y) {
        const row = y + runs.size[1] * local;
        const begin = (Math.floor((placed.lower[1] + y) / step[1]) - lower[1]) * size[0];
        for (let run = runs.rows[row]; run < runs.rows[row + 1]; ++run)
          if (wanted[runs.labels[run]] === 1) visit(begin, runs.starts[run] + shift, runs.ends[run] + shift);
      }
    }
  }
}
