import type { Box } from "../../src/volume/types.js";

/** Rectangles of the map: places in the slice plane where there are chunks, in voxels of the predicted scale. */
export interface MapCells {
  readonly count: number;
  /** left, top, right, bottom of each cell. */
  readonly edges: Float64Array;
  /** Largest value of the chunks at the place; NaN where none has one. */
  readonly values: Float32Array;
  /** Index of the chunk with that value; of any chunk of the place where none has one. */
  readonly chunks: Uint32Array;
  /** Chunks behind each other at the place. */
  readonly depths: Uint32Array;
}

export interface MapPlane {
  /** Axes that go right and down, and the one across. */
  readonly columns: number;
  readonly rows: number;
  readonly across: number;
  /** Voxels along the third axis: chunks that have none of them are left out. */
  readonly from: number;
  readonly to: number;
}

/**
 * Gathers chunks, one at a time, into the cells of a map: chunks that lie behind each other make one cell, of which the largest
 * value counts, because the map is there to find what stands out.
 */
export class CellBuilder {
  private readonly cellAt = new Map<string, number>();
  private readonly edges: number[] = [];
  private readonly values: number[] = [];
  private readonly chunks: number[] = [];
  private readonly depths: number[] = [];

  constructor(private readonly plane: MapPlane) {}

  add({ lower, upper }: Box, value: number, chunk: number): void {
    const { columns, rows, across, from, to } = this.plane;
    if (upper[across] <= from || lower[across] >= to) return;
    const key = `${lower[columns]},${lower[rows]}`;
    const cell = this.cellAt.get(key);
    if (cell === undefined) {
      this.cellAt.set(key, this.values.length);
      this.edges.push(lower[columns], lower[rows], upper[columns], upper[rows]);
      this.values.push(value);
      this.chunks.push(chunk);
      this.depths.push(1);
      return;
    }
    this.depths[cell] += 1;
    // NaN is not larger than anything, and everything is larger than NaN.
    if (value > this.values[cell] || Number.isNaN(this.values[cell])) {
      this.values[cell] = value;
      this.chunks[cell] = chunk;
    }
  }

  result(): MapCells {
    return {
      count: this.values.length,
      edges: Float64Array.from(this.edges),
      values: Float32Array.from(this.values),
      chunks: Uint32Array.from(this.chunks),
      depths: Uint32Array.from(this.depths),
    };
  }
}

/** The cell at a place; -1 where there is none. */
export function cellAt({ count, edges }: MapCells, x: number, y: number): number {
  for (let cell = 0, at = 0; cell < count; ++cell, at += 4)
    if (x >= edges[at] && y >= edges[at + 1] && x < edges[at + 2] && y < edges[at + 3]) return cell;
  return -1;
}

/**
 * The next cell from one in a direction (1, 0: right; 0, 1: down): the nearest by its middle among those that lie more that way than
 * aside; the cell itself where there is none.
 */
export function nextCell({ count, edges }: MapCells, cell: number, right: number, down: number): number {
  const middle = (at: number) =>
    [(edges[4 * at] + edges[4 * at + 2]) / 2, (edges[4 * at + 1] + edges[4 * at + 3]) / 2] as const;
  const [x, y] = middle(cell);
  let best = cell;
  let least = Number.POSITIVE_INFINITY;
  for (let other = 0; other < count; ++other) {
    const [u, v] = middle(other);
    const forward = (u - x) * right + (v - y) * down;
    const aside = Math.abs((u - x) * down) + Math.abs((v - y) * right);
    if (forward <= 0 || aside > forward) continue;
    // What lies straight ahead comes before what is nearer, but aside.
    const cost = forward + 2 * aside;
    if (cost >= least) continue;
    least = cost;
    best = other;
  }
  return best;
}

/** left, top, right, bottom of all cells; undefined without one. */
export function extentOf({ count, edges }: MapCells): [number, number, number, number] | undefined {
  if (count === 0) return undefined;
  const extent: [number, number, number, number] = [edges[0], edges[1], edges[2], edges[3]];
  for (let at = 4; at < 4 * count; at += 4) {
    extent[0] = Math.min(extent[0], edges[at]);
    extent[1] = Math.min(extent[1], edges[at + 1]);
    extent[2] = Math.max(extent[2], edges[at + 2]);
    extent[3] = Math.max(extent[3], edges[at + 3]);
  }
  return extent;
}
