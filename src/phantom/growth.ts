import { hash3, Random } from "./hash.js";
import type { PhantomStyle } from "./style.js";

/** Edge of a tile in nm. Neurites stay within their home tile and its 26 neighbours. */
export const tileSize = 3200;
/** Segments are listed in all buckets that their surface comes this near to (nm): glia + walls + bends + half a block. */
export const reach = 440;
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

export const tileKey = (x: number, y: number, z: number) => ((z + 2) * 1024 + (y + 2)) * 1024 + (x + 2);

/** The neurites that start in a tile; they stay in it and its 26 neighbours. */
export function growTile(seed: number, style: PhantomStyle, x: number, y: number, z: number): Neurite[] {
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
