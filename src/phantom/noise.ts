import { hash3 } from "./hash.js";

const fade = (t: number) => t * t * (3 - 2 * t);

/** Smooth value noise in [-1, 1] with one lattice node per unit. */
export function noise3(seed: number, x: number, y: number, z: number): number {
  const i = Math.floor(x);
  const j = Math.floor(y);
  const k = Math.floor(z);
  const u = fade(x - i);
  const v = fade(y - j);
  const w = fade(z - k);
  const row = (b: number, c: number) => {
    const p = hash3(seed, i, b, c);
    return p + (hash3(seed, i + 1, b, c) - p) * u;
  };
  const plane = (c: number) => {
    const p = row(j, c);
    return p + (row(j + 1, c) - p) * v;
  };
  const low = plane(k);
  return (low + (plane(k + 1) - low) * w) * 2 ** -31 - 1;
}

/** Smooth noise in [-1, 1] of one variable with one node per unit. */
export function noise1(seed: number, x: number): number {
  const i = Math.floor(x);
  const p = hash3(seed, i, 0, 0);
  return (p + (hash3(seed, i + 1, 0, 0) - p) * fade(x - i)) * 2 ** -31 - 1;
}

/** Adds `amplitude` x smooth vector noise in [-1, 1]^3 to out[0..2]: three 10-bit fields of one hash per node. */
export function addVectorNoise(
  out: Float64Array,
  seed: number,
  x: number,
  y: number,
  z: number,
  amplitude: number,
): void {
  const i = Math.floor(x);
  const j = Math.floor(y);
  const k = Math.floor(z);
  const u = fade(x - i);
  const v = fade(y - j);
  const w = fade(z - k);
  let a = 0;
  let b = 0;
  let c = 0;
  for (let corner = 0; corner < 8; ++corner) {
    const right = corner & 1;
    const down = (corner >> 1) & 1;
    const deep = corner >> 2;
    const weight = (right ? u : 1 - u) * (down ? v : 1 - v) * (deep ? w : 1 - w);
    const h = hash3(seed, i + right, j + down, k + deep);
    a += weight * (h & 1023);
    b += weight * ((h >>> 10) & 1023);
    c += weight * ((h >>> 20) & 1023);
  }
  const scale = (2 * amplitude) / 1023;
  out[0] += a * scale - amplitude;
  out[1] += b * scale - amplitude;
  out[2] += c * scale - amplitude;
}

/**
 * Fast noise over a whole box: nodes on a lattice of `spacing` (in voxels per axis), linear between them.
 * `fill(row, x0, y, z)` writes row.length values along x. Values in [-1, 1]. Cheap because node rows are kept.
 */
export class RowNoise {
  private nodes = new Float32Array(0);
  private readonly inverse: readonly [number, number, number];

  constructor(
    private readonly seed: number,
    spacing: readonly [number, number, number],
  ) {
    this.inverse = [1 / spacing[0], 1 / spacing[1], 1 / spacing[2]];
  }

  /** Adds amplitude x noise for voxels (x0 .. x0 + row.length, y, z) of the scale to `row`. */
  add(row: Float32Array, x0: number, y: number, z: number, amplitude: number): void {
    const [ix, iy, iz] = this.inverse;
    const fy = y * iy;
    const fz = z * iz;
    const j = Math.floor(fy);
    const k = Math.floor(fz);
    const v = fy - j;
    const w = fz - k;
    const first = Math.floor(x0 * ix);
    const count = Math.floor((x0 + row.length - 1) * ix) - first + 2;
    if (this.nodes.length < count) this.nodes = new Float32Array(count);
    const { nodes, seed } = this;
    const scale = amplitude * 2 ** -31;
    for (let n = 0; n < count; ++n) {
      const a = hash3(seed, first + n, j, k);
      const b = hash3(seed, first + n, j + 1, k);
      const c = hash3(seed, first + n, j, k + 1);
      const d = hash3(seed, first + n, j + 1, k + 1);
      const low = a + (b - a) * v;
      nodes[n] = (low + (c + (d - c) * v - low) * w) * scale - amplitude;
    }
    for (let i = 0; i < row.length; ++i) {
      const fx = (x0 + i) * ix;
      const node = Math.floor(fx);
      const value = nodes[node - first];
      row[i] += value + (nodes[node - first + 1] - value) * (fx - node);
    }
  }
}
