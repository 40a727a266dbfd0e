import { hash3, Random } from "./hash.js";
import type { PhantomStyle } from "./style.js";

/**
 * The cells of the phantom: bent tubes ("neurites") in an unbounded space cut into tiles. A tile's neurites come from
 * the seed and the tile's position alone. A point belongs to the neurite whose surface is nearest, or whose inside is
 * deepest: the additively weighted Voronoi cell of its axis (Apollonius diagram), which fills space with curved walls
 * and keeps every segment from a point to its own axis inside the cell. What is far from every tube is glia.
 */

/** Edge of a tile in nm. Neurites stay within their home tile and its 26 neighbours. */
export const tileSize = 3200;
/** Edge of a look-up cube in nm; divides the tile. */
const bucketSize = 640;
/** Edge of the cubes that `clearance` keeps short lists for, nm; divides the bucket. */
const cubeSize = 320;
const bucketsPerTile = tileSize / bucketSize;
/** Distance in nm from all tubes beyond which there is glia. */
export const gliaDistance = 70;
/** Segments are listed in all buckets that their surface comes this near to (nm): glia + walls + bends + half a block. */
const reach = 440;
/** Floats per segment: ax ay az bx by bz ra rb. */
export const segmentFloats = 8;

export type NeuriteKind = "dendrite" | "branch" | "axon" | "myelinated";

export interface Neurite {
  /** Unique in the whole volume, below 2^42, and the same for ever. */
  readonly key: number;
  readonly kind: NeuriteKind;
  /** Segments of the axis with the radius at both ends, `segmentFloats` each, in order along the axis. */
  readonly segments: Float32Array;
  /** Mean radius in nm. */
  readonly radius: number;
  /** Cytoplasm: deviation of its grey level from the mean, in standard deviations. */
  readonly shade: number;
}

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
  /** For each bucket of the 3 x 3 x 3 tiles around: pairs (neurite, segment). */
  readonly lists: readonly (readonly number[] | undefined)[];
}

interface Recipe {
  readonly kind: NeuriteKind;
  readonly count: number;
  readonly radius: readonly [number, number];
  /** Spacing of the axis points in nm, greatest number of them on each side, and how much it bends at each. */
  readonly step: number;
  readonly steps: number;
  readonly bend: number;
}

/** Calibres of neuropil (nm): few thick dendrites, more branches and boutons, many thin axons and spine necks. */
const recipes: readonly Recipe[] = [
  { kind: "dendrite", count: 1.6, radius: [380, 620], step: 320, steps: 9, bend: 0.22 },
  { kind: "myelinated", count: 0.2, radius: [260, 420], step: 300, steps: 9, bend: 0.16 },
  { kind: "branch", count: 22, radius: [160, 370], step: 230, steps: 11, bend: 0.4 },
  { kind: "axon", count: 110, radius: [42, 105], step: 190, steps: 11, bend: 0.5 },
];

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

const tileKey = (x: number, y: number, z: number) => ((z + 2) * 1024 + (y + 2)) * 1024 + (x + 2);

export class Neurites {
  // About 150 kB a tile and 25 kB a bucket.
  private readonly tiles = new Cache<Tile>(300);
  private readonly buckets = new Cache<Bucket>(1200);
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
          const list =
            tile.lists[
              localBucket(
                bx - (tx + dx - 1) * bucketsPerTile,
                by - (ty + dy - 1) * bucketsPerTile,
                bz - (tz + dz - 1) * bucketsPerTile,
              )
            ];
          if (list === undefined) continue;
          for (let i = 0; i < list.length; i += 2) {
            const neurite = tile.neurites[list[i]];
            if (neurites[neurites.length - 1] !== neurite) {
              neurites.push(neurite);
              starts.push(count);
            }
            from.push(list[i + 1]);
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

function growTile(seed: number, style: PhantomStyle, x: number, y: number, z: number): Neurite[] {
  const random = new Random(hash3(seed ^ 0x7e55e11a, x, y, z));
  const neurites: Neurite[] = [];
  for (const recipe of recipes) {
    const count = Math.floor(recipe.count + random.next());
    for (let i = 0; i < count; ++i) {
      const key = tileKey(x, y, z) * 4096 + neurites.length;
      neurites.push(growNeurite(random, recipe, style.calibre, key, [x, y, z]));
    }
  }
  return neurites;
}

function growNeurite(
  random: Random,
  recipe: Recipe,
  calibre: number,
  key: number,
  tile: readonly [number, number, number],
): Neurite {
  // Thin calibres are the common ones: the square of a uniform number favours them.
  const [low, high] = recipe.radius;
  const radius = (low + (high - low) * random.next() ** 2) * calibre;
  // The axis keeps so far inside the 27 tiles that its surface and reach stay in them.
  const margin = tileSize - reach - 1.6 * high * calibre - 40;
  const inside = (p: Float64Array) =>
    tile.every((t, i) => p[i] >= t * tileSize - margin && p[i] < (t + 1) * tileSize + margin);
  const start = Float64Array.from(tile, (t) => (t + random.next()) * tileSize);
  const heading = random.direction(new Float64Array(3));
  const turn = new Float64Array(3);
  const walk = (sign: number): number[][] => {
    const points: number[][] = [];
    const p = Float64Array.from(start);
    const d = Float64Array.from(heading, (v) => v * sign);
    const steps = Math.ceil(recipe.steps * random.between(0.45, 1));
    for (let i = 0; i < steps; ++i) {
      random.direction(turn);
      const v = [0, 1, 2].map((a) => d[a] + recipe.bend * turn[a]);
      const length = Math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
      for (let a = 0; a < 3; ++a) {
        d[a] = v[a] / length;
        p[a] += recipe.step * calibre * d[a];
      }
      if (!inside(p)) break;
      points.push([...p]);
    }
    return points;
  };
  const back = walk(-1).reverse();
  const points = [...back, [...start], ...walk(1)];
  if (points.length < 2)
    points.push([start[0] + 40 * heading[0], start[1] + 40 * heading[1], start[2] + 40 * heading[2]]);
  const radii = points.map(() => radius * random.between(0.8, 1.2));
  if (recipe.kind === "axon") addBoutons(random, radii, calibre);
  const segments = new Float32Array((points.length - 1) * segmentFloats);
  for (let i = 0; i + 1 < points.length; ++i) {
    segments.set([...points[i], ...points[i + 1], radii[i], radii[i + 1]], i * segmentFloats);
  }
  return { key, kind: recipe.kind, segments, radius, shade: random.normal() };
}

/** Swellings of a thin axon: one vertex wide, every 1 to 2 um, on two thirds of them. */
function addBoutons(random: Random, radii: number[], calibre: number): void {
  if (random.next() < 0.33) return;
  for (
    let i = 1 + Math.floor(random.next() * 5);
    i + 1 < radii.length;
    i += 5 + Math.floor(random.next() * 6)
  ) {
    radii[i] = random.between(150, 270) * calibre;
    if (i + 2 < radii.length && random.next() < 0.6) radii[i + 1] = radii[i] * random.between(0.7, 1.05);
  }
}

function listSegments(
  neurites: readonly Neurite[],
  x: number,
  y: number,
  z: number,
): (number[] | undefined)[] {
  const edge = 3 * bucketsPerTile;
  const origin = [x, y, z].map((t) => (t - 1) * tileSize);
  const lists: (number[] | undefined)[] = new Array(edge ** 3);
  const low = [0, 0, 0];
  const high = [0, 0, 0];
  neurites.forEach(({ segments }, n) => {
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
          for (let i = low[0]; i <= high[0]; ++i) {
            const at = localBucket(i, j, k);
            let list = lists[at];
            if (list === undefined) {
              list = [];
              lists[at] = list;
            }
            list.push(n, s);
          }
        }
      }
    }
  });
  return lists;
}
