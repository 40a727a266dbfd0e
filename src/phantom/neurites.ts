import { growTile, type Neurite, reach, segmentFloats, tileKey, tileSize } from "./growth.js";
import type { PhantomStyle } from "./style.js";

/**
 * The cells of the phantom: bent tubes ("neurites") in an unbounded space cut into tiles. A tile's neurites come from
 * the seed and the tile's position alone. A point belongs to the neurite whose surface is nearest, or whose inside is
 * deepest: the additively weighted Voronoi cell of its axis (Apollonius diagram), which fills space with curved walls
 * and keeps every segment from a point to its own axis inside the cell. What is far from every tube is glia.
 */

/** Edge of a look-up cube in nm; divides the tile. */
const bucketSize = 640;
/** Edge of the cubes that `clearance` keeps short lists for, nm; divides the bucket. */
const cubeSize = 320;
const bucketsPerTile = tileSize / bucketSize;
/** Distance in nm from all tubes beyond which there is glia. */
export const gliaDistance = 70;

/** Segments grouped by neurite: run i is starts[i] .. starts[i + 1]. */
interface Runs {
  readonly segments: Float32Array;
  readonly neurites: readonly Neurite[];
  readonly starts: Int32Array;
}

/** The segments that matter near a look-up cube. */
export interface Bucket extends Runs {
  /** Sphere around each run: x y z radius. */
  readonly spheres: Float32Array;
}

interface Tile {
  readonly neurites: readonly Neurite[];
  readonly lists: SegmentLists;
}

/** For each bucket b of the 3 x 3 x 3 tiles around, entries starts[b] .. starts[b + 1]: neurite x 256 + segment. */
interface SegmentLists {
  readonly starts: Int32Array;
  readonly entries: Uint32Array;
}

/** Bounded map: the entry that was not used for longest goes first. */
class Cache<T> {
  private readonly entries = new Map<number, T>();
  constructor(private readonly limit: number) {}
  get(key: number, make: () => T): T {
    let value = this.entries.get(key);
    if (value !== undefined) this.entries.delete(key);
    else value = make();
    this.entries.set(key, value);
    if (this.entries.size > this.limit) this.entries.delete(this.entries.keys().next().value!);
    return value;
  }
}

export class Neurites {
  // Some 400 kB a tile, 20 kB a bucket and 3 kB a cube: below 150 MB.
  private readonly tiles = new Cache<Tile>(200);
  private readonly buckets = new Cache<Bucket>(1500);
  private readonly cubes = new Cache<Runs>(6000);

  constructor(
    private readonly seed: number,
    private readonly style: PhantomStyle,
  ) {}

  /** Bucket that holds a point of the (unwarped) tissue space in nm. */
  near(x: number, y: number, z: number): Bucket {
    const bx = Math.floor(x / bucketSize);
    const by = Math.floor(y / bucketSize);
    const bz = Math.floor(z / bucketSize);
    const key = ((bz + 16) * 4096 + (by + 16)) * 4096 + (bx + 16);
    return this.buckets.get(key, () => this.gather(bx, by, bz));
  }

  /**
   * How far a point of `neurite`'s inside is from the wall of its cell in nm; negative outside. Lipschitz with
   * constant 1 inside, so the ball of this radius lies in the cell.
   */
  clearance(neurite: Neurite, x: number, y: number, z: number): number {
    const { segments, neurites, starts } = this.wallsNear(x, y, z);
    let own = Number.POSITIVE_INFINITY;
    let other = gliaDistance;
    for (let run = 0; run < neurites.length; ++run) {
      let nearest = Number.POSITIVE_INFINITY;
      for (let s = starts[run]; s < starts[run + 1]; ++s) {
        const g = surfaceDistance(segments, s * segmentFloats, x, y, z);
        if (g < nearest) nearest = g;
      }
      if (neurites[run].key === neurite.key) own = nearest;
      else if (nearest < other) other = nearest;
    }
    return (other - own) / 2;
  }

  /** What can be the nearest or second nearest cell of a point in a small cube: enough for `clearance`. */
  private wallsNear(x: number, y: number, z: number): Runs {
    const ix = Math.floor(x / cubeSize);
    const iy = Math.floor(y / cubeSize);
    const iz = Math.floor(z / cubeSize);
    const key = ((iz + 64) * 16384 + (iy + 64)) * 16384 + (ix + 64);
    return this.cubes.get(key, () => {
      const centre = [(ix + 0.5) * cubeSize, (iy + 0.5) * cubeSize, (iz + 0.5) * cubeSize] as const;
      const bucket = this.near(...centre);
      // Half the diagonal, there and back; tapering makes distances change a little faster than one moves.
      const slack = 1.2 * Math.sqrt(3) * cubeSize;
      return pickRuns(bucket, centre, slack);
    });
  }

  private gather(bx: number, by: number, bz: number): Bucket {
    const tx = Math.floor(bx / bucketsPerTile);
    const ty = Math.floor(by / bucketsPerTile);
    const tz = Math.floor(bz / bucketsPerTile);
    const neurites: Neurite[] = [];
    const starts: number[] = [];
    const from: number[] = [];
    let count = 0;
    for (let dz = -1; dz <= 1; ++dz) {
      for (let dy = -1; dy <= 1; ++dy) {
        for (let dx = -1; dx <= 1; ++dx) {
          const tile = this.tile(tx + dx, ty + dy, tz + dz);
          const { starts: first, entries } = tile.lists;
          const bucket = localBucket(
            bx - (tx + dx - 1) * bucketsPerTile,
            by - (ty + dy - 1) * bucketsPerTile,
            bz - (tz + dz - 1) * bucketsPerTile,
          );
          for (let i = first[bucket]; i < first[bucket + 1]; ++i) {
            const neurite = tile.neurites[entries[i] >>> 8];
            if (neurites[neurites.length - 1] !== neurite) {
              neurites.push(neurite);
              starts.push(count);
            }
            from.push(entries[i] & 255);
            ++count;
          }
        }
      }
    }
    starts.push(count);
    const segments = new Float32Array(count * segmentFloats);
    for (let run = 0; run < neurites.length; ++run) {
      for (let s = starts[run]; s < starts[run + 1]; ++s) {
        const at = from[s] * segmentFloats;
        segments.set(neurites[run].segments.subarray(at, at + segmentFloats), s * segmentFloats);
      }
    }
    return { segments, neurites, starts: Int32Array.from(starts), spheres: boundRuns(segments, starts) };
  }

  private tile(x: number, y: number, z: number): Tile {
    return this.tiles.get(tileKey(x, y, z), () => {
      const neurites = growTile(this.seed, this.style, x, y, z);
      return { neurites, lists: listSegments(neurites, x, y, z) };
    });
  }
}

const localBucket = (x: number, y: number, z: number) =>
  x + 3 * bucketsPerTile * (y + 3 * bucketsPerTile * z);

/** Segments within `slack` of the second nearest cell (glia is one) at a point. */
function pickRuns(bucket: Bucket, centre: readonly [number, number, number], slack: number): Runs {
  const { segments, neurites, starts } = bucket;
  const distance = new Float32Array(starts[neurites.length]);
  let first = gliaDistance;
  let second = Number.POSITIVE_INFINITY;
  for (let run = 0; run < neurites.length; ++run) {
    let nearest = Number.POSITIVE_INFINITY;
    for (let s = starts[run]; s < starts[run + 1]; ++s) {
      distance[s] = surfaceDistance(segments, s * segmentFloats, ...centre);
      nearest = Math.min(nearest, distance[s]);
    }
    if (nearest < first) {
      second = first;
      first = nearest;
    } else if (nearest < second) second = nearest;
  }
  const kept: Neurite[] = [];
  const keptStarts: number[] = [];
  const picked: number[] = [];
  for (let run = 0; run < neurites.length; ++run) {
    const before = picked.length;
    for (let s = starts[run]; s < starts[run + 1]; ++s) if (distance[s] <= second + slack) picked.push(s);
    if (picked.length === before) continue;
    kept.push(neurites[run]);
    keptStarts.push(before);
  }
  keptStarts.push(picked.length);
  const out = new Float32Array(picked.length * segmentFloats);
  picked.forEach((s, i) => {
    out.set(segments.subarray(s * segmentFloats, (s + 1) * segmentFloats), i * segmentFloats);
  });
  return { segments: out, neurites: kept, starts: Int32Array.from(keptStarts) };
}

/** Whether the surface of a run can be nearer to a point than `distance`, by its sphere. */
export function runMayBeWithin(
  { spheres }: Bucket,
  run: number,
  distance: number,
  x: number,
  y: number,
  z: number,
): boolean {
  const at = 4 * run;
  const limit = distance + spheres[at + 3];
  const dx = x - spheres[at];
  const dy = y - spheres[at + 1];
  const dz = z - spheres[at + 2];
  return limit > 0 && dx * dx + dy * dy + dz * dz < limit * limit;
}

function boundRuns(segments: Float32Array, starts: readonly number[]): Float32Array {
  const spheres = new Float32Array(4 * (starts.length - 1));
  for (let run = 0; run + 1 < starts.length; ++run) {
    const from = starts[run] * segmentFloats;
    const to = starts[run + 1] * segmentFloats;
    // The middle of the ends of the run, and what is farthest from it.
    const centre = [0, 1, 2].map((a) => (segments[from + a] + segments[to - segmentFloats + 3 + a]) / 2);
    let radius = 0;
    for (let at = from; at < to; at += segmentFloats) {
      const thick = Math.max(segments[at + 6], segments[at + 7]);
      for (const end of [at, at + 3]) {
        const d = centre.reduce((sum, c, a) => sum + (segments[end + a] - c) ** 2, 0);
        radius = Math.max(radius, Math.sqrt(d) + thick);
      }
    }
    spheres.set([...centre, radius + 1], 4 * run);
  }
  return spheres;
}

/** Distance in nm from a point to the surface of one tapered segment, negative inside. */
export function surfaceDistance(s: Float32Array, at: number, x: number, y: number, z: number): number {
  const dx = s[at + 3] - s[at];
  const dy = s[at + 4] - s[at + 1];
  const dz = s[at + 5] - s[at + 2];
  const px = x - s[at];
  const py = y - s[at + 1];
  const pz = z - s[at + 2];
  let t = (px * dx + py * dy + pz * dz) / (dx * dx + dy * dy + dz * dz);
  t = t < 0 ? 0 : Math.min(t, 1);
  const ex = px - t * dx;
  const ey = py - t * dy;
  const ez = pz - t * dz;
  return Math.sqrt(ex * ex + ey * ey + ez * ez) - (s[at + 6] + t * (s[at + 7] - s[at + 6]));
}

/** Lists the segments by the look-up cubes of the 27 tiles that they reach, in two passes: count, then fill. */
function listSegments(neurites: readonly Neurite[], x: number, y: number, z: number): SegmentLists {
  const edge = 3 * bucketsPerTile;
  const origin = [x, y, z].map((t) => (t - 1) * tileSize);
  const starts = new Int32Array(edge ** 3 + 1);
  const visit = (each: (bucket: number, neurite: number, segment: number) => void) => {
    const low = [0, 0, 0];
    const high = [0, 0, 0];
    for (let n = 0; n < neurites.length; ++n) {
      const { segments } = neurites[n];
      for (let s = 0; s * segmentFloats < segments.length; ++s) {
        const at = s * segmentFloats;
        const around = Math.max(segments[at + 6], segments[at + 7]) + reach;
        for (let a = 0; a < 3; ++a) {
          const p = segments[at + a] - origin[a];
          const q = segments[at + 3 + a] - origin[a];
          low[a] = Math.max(0, Math.floor((Math.min(p, q) - around) / bucketSize));
          high[a] = Math.min(edge - 1, Math.floor((Math.max(p, q) + around) / bucketSize));
        }
        for (let k = low[2]; k <= high[2]; ++k) {
          for (let j = low[1]; j <= high[1]; ++j) {
            for (let i = low[0]; i <= high[0]; ++i) each(localBucket(i, j, k), n, s);
          }
        }
      }
    }
  };
  visit((bucket) => {
    ++starts[bucket + 1];
  });
  for (let b = 0; b < edge ** 3; ++b) starts[b + 1] += starts[b];
  const entries = new Uint32Array(starts[edge ** 3]);
  const next = starts.slice();
  visit((bucket, neurite, segment) => {
    entries[next[bucket]++] = neurite * 256 + segment;
  });
  return { starts, entries };
}
