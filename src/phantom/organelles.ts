import { type Neurite, segmentFloats } from "./growth.js";
import { Random } from "./hash.js";
import { type Neurites, surfaceDistance } from "./neurites.js";
import type { PhantomStyle } from "./style.js";
import type { Warp } from "./warp.js";

/** A mitochondrion: a chain of tapered segments in tissue space, wholly inside its neurite. */
export interface Mitochondrion {
  /** Unique in the whole volume, 1 .. 2^46. */
  readonly id: number;
  readonly segments: Float32Array;
  /** Bounding sphere in tissue space: x, y, z, radius (nm). */
  readonly bound: Float64Array;
  /** Unit normal of the lamellar cristae, their spacing in nm, and how visible they are. */
  readonly normal: Float64Array;
  readonly spacing: number;
  readonly cristae: number;
  /** Deviation of the matrix grey from the mean, in standard deviations. */
  readonly shade: number;
  readonly radius: number;
}

/** Floats of a small body: ax ay az bx by bz (real space, nm), radius, hollow (1) or solid (0), darkness. */
export const bodyFloats = 9;

/** Where a bouton makes a synapse: the middle of a disc on its wall; real space, nm. */
export interface Synapse {
  readonly centre: Float64Array;
  readonly radius: number;
}

export interface Details {
  /** Vesicles, tubules, dense bodies: `bodyFloats` each. */
  readonly bodies: Float32Array;
  readonly synapses: readonly Synapse[];
}

/** Least distance in nm between a mitochondrion and the wall of its cell. */
export const wallGap = 18;
/** The surface of a mitochondrion is made uneven by up to this part of its radius. */
export const unevenness = 0.1;
const axisStep = 60;
/**
 * A mitochondrion on the axis of its neurite may be this much thicker than the largest ball that fits, because it is
 * cut off at `wallGap` from the wall: it takes the shape of its cell. It stays connected, for the segment from any
 * point of a cell to the cell's axis never comes nearer to the wall.
 */
const swell = 1.5;
/** Least radius of a mitochondrion's axis, nm. */
const thinnest = 56;

/** Points along the axis of a neurite every `axisStep` nm: x y z, tangent x y z, radius of the tube. */
function axisPoints(neurite: Neurite): Float64Array[] {
  const points: Float64Array[] = [];
  const s = neurite.segments;
  for (let at = 0; at < s.length; at += segmentFloats) {
    const d = [s[at + 3] - s[at], s[at + 4] - s[at + 1], s[at + 5] - s[at + 2]];
    const length = Math.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    const count = Math.max(1, Math.round(length / axisStep));
    for (let i = 0; i < count; ++i) {
      const t = i / count;
      points.push(
        Float64Array.of(
          s[at] + t * d[0],
          s[at + 1] + t * d[1],
          s[at + 2] + t * d[2],
          d[0] / length,
          d[1] / length,
          d[2] / length,
          s[at + 6] + t * (s[at + 7] - s[at + 6]),
        ),
      );
    }
  }
  return points;
}

/** Component of v across the unit tangent at p[3..5], made unit length. */
function across(v: Float64Array, p: Float64Array): [number, number, number] {
  const along = v[0] * p[3] + v[1] * p[4] + v[2] * p[5];
  const x = v[0] - along * p[3];
  const y = v[1] - along * p[4];
  const z = v[2] - along * p[5];
  const scale = 1 / Math.sqrt(Math.max(1e-6, x * x + y * y + z * z));
  return [x * scale, y * scale, z * scale];
}

export class Organelles {
  private readonly mitos = new WeakMap<Neurite, readonly Mitochondrion[]>();
  private readonly details = new WeakMap<Neurite, Details>();

  constructor(
    private readonly neurites: Neurites,
    private readonly warp: Warp,
    private readonly style: PhantomStyle,
  ) {}

  mitochondria(neurite: Neurite): readonly Mitochondrion[] {
    let made = this.mitos.get(neurite);
    if (made === undefined) {
      made = this.growMitochondria(neurite);
      this.mitos.set(neurite, made);
    }
    return made;
  }

  detailsOf(neurite: Neurite): Details {
    let made = this.details.get(neurite);
    if (made === undefined) {
      made = this.growDetails(neurite);
      this.details.set(neurite, made);
    }
    return made;
  }

  private growMitochondria(neurite: Neurite): Mitochondrion[] {
    const { style } = this;
    const random = new Random(
      (neurite.key % 0xfffffffb) ^ Math.floor(neurite.key / 0x100000000) ^ 0x3170c0de,
    );
    const found: Mitochondrion[] = [];
    if (style.mitoDensity === 0) return found;
    const axis = axisPoints(neurite);
    // Thick dendrites carry several side by side; else one after the other in the middle.
    const thick = neurite.kind === "dendrite" && neurite.radius > 300 * style.calibre;
    const tracks = thick ? 3 : 1;
    const spoke = random.direction(new Float64Array(3));
    for (let track = 0; track < tracks; ++track) {
      const side = thick ? neurite.radius * random.between(0.45, 0.6) : 0;
      const centres = axis.map((p) => {
        const a = across(spoke, p);
        // The second direction across, and the three spokes at 120 degrees.
        const b = [p[4] * a[2] - p[5] * a[1], p[5] * a[0] - p[3] * a[2], p[3] * a[1] - p[4] * a[0]];
        const [c, s] = track === 0 ? [1, 0] : [-0.5, track === 1 ? 0.8660254 : -0.8660254];
        return [0, 1, 2].map((i) => p[i] + side * (c * a[i] + s * b[i]));
      });
      const limit = thick ? 0.36 * neurite.radius : 250;
      this.placeAlong(neurite, centres, limit, thick ? 1 : swell, random, found);
    }
    return found;
  }

  private placeAlong(
    neurite: Neurite,
    centres: readonly number[][],
    limit: number,
    swelling: number,
    random: Random,
    found: Mitochondrion[],
  ): void {
    const { mitoDensity, mitoSize } = this.style;
    const free = centres.map(
      ([x, y, z]) => (this.neurites.clearance(neurite, x, y, z) - wallGap) / (1 + unevenness),
    );
    let next = Math.floor(random.between(0, 300) / mitoDensity / axisStep);
    while (next < centres.length && found.length < 15) {
      const wanted = Math.round((260 + 2600 * random.next() ** 1.6) / axisStep);
      const fill = random.between(0.66, 1);
      const gap = random.between(0, 400) / mitoDensity;
      while (next < centres.length && free[next] < thinnest) ++next;
      // Thick where the cell is: a mitochondrion takes up much of a thin neurite.
      const widest = Math.max(...free.slice(next, next + Math.min(wanted, 8)), 0);
      const target = Math.max(thinnest, Math.min(limit, widest * fill * swelling) * mitoSize);
      const radii: number[] = [];
      const first = next;
      for (let i = first; i < centres.length && radii.length < wanted; ++i) {
        if (free[i] < Math.max(thinnest, 0.3 * target)) break;
        // Thickness changes slowly along the tube.
        const before = radii.length > 0 ? radii[radii.length - 1] * 1.2 : Number.POSITIVE_INFINITY;
        radii.push(Math.min(free[i] * swelling, target * random.between(0.88, 1.06), before));
      }
      if (radii.length > 2) {
        found.push(
          this.build(neurite, centres.slice(first, first + radii.length), radii, random, found.length),
        );
      }
      next = first + radii.length + Math.ceil((2 * target + 100 + gap) / axisStep);
    }
  }

  private build(
    neurite: Neurite,
    points: readonly number[][],
    radii: readonly number[],
    random: Random,
    index: number,
  ): Mitochondrion {
    const last = points.length - 1;
    const segments = new Float32Array(last * segmentFloats);
    const taper = (i: number) => (i === 0 || i === last ? 0.82 : 1);
    for (let i = 0; i < last; ++i) {
      segments.set(
        [...points[i], ...points[i + 1], radii[i] * taper(i), radii[i + 1] * taper(i + 1)],
        i * segmentFloats,
      );
    }
    const middle = points[last >> 1];
    const radius = Math.max(...radii);
    let reach = 0;
    for (const p of points) {
      reach = Math.max(reach, Math.sqrt(p.reduce((sum, v, a) => sum + (v - middle[a]) ** 2, 0)));
    }
    // Lamellae across the tube in most, along it or oblique in the rest.
    const normal = random.direction(new Float64Array(3));
    const lean = random.next() < 0.6 ? 0.35 : 3;
    const chord = points[last].map((v, a) => v - points[0][a]);
    const length = Math.sqrt(chord.reduce((sum, v) => sum + v * v, 0)) + 1;
    for (let a = 0; a < 3; ++a) normal[a] = chord[a] / length + lean * normal[a];
    const scale = 1 / Math.sqrt(normal.reduce((sum, v) => sum + v * v, 0));
    for (let a = 0; a < 3; ++a) normal[a] *= scale;
    return {
      id: neurite.key * 16 + index + 1,
      segments,
      bound: Float64Array.of(middle[0], middle[1], middle[2], reach + radius * (1 + unevenness)),
      normal,
      spacing: random.between(38, 58),
      cristae: random.between(0.45, 1),
      shade: random.normal(),
      radius,
    };
  }

  private growDetails(neurite: Neurite): Details {
    const random = new Random(
      (neurite.key % 0xfffffffb) ^ Math.floor(neurite.key / 0x100000000) ^ 0x5e71c1e5,
    );
    const bodies: number[] = [];
    const synapses: Synapse[] = [];
    const axis = axisPoints(neurite);
    const mitos = this.mitochondria(neurite);
    const point = new Float64Array(3);
    /** Room around a tissue-space point in nm, to the wall and to the mitochondria. */
    const room = (p: ArrayLike<number>) => {
      let free = this.neurites.clearance(neurite, p[0], p[1], p[2]);
      for (const { segments, bound } of mitos) {
        const away = Math.sqrt((p[0] - bound[0]) ** 2 + (p[1] - bound[1]) ** 2 + (p[2] - bound[2]) ** 2);
        if (away > bound[3] + 60) continue;
        for (let at = 0; at < segments.length; at += segmentFloats) {
          free = Math.min(free, surfaceDistance(segments, at, p[0], p[1], p[2]) - 8);
        }
      }
      return free;
    };
    const add = (
      a: ArrayLike<number>,
      b: ArrayLike<number>,
      radius: number,
      hollow: number,
      dark: number,
    ) => {
      const p = this.warp.toReal(point, a[0], a[1], a[2]);
      bodies.push(p[0], p[1], p[2]);
      const q = this.warp.toReal(point, b[0], b[1], b[2]);
      bodies.push(q[0], q[1], q[2], radius, hollow, dark);
    };
    const swollen = neurite.kind === "axon" ? 130 * this.style.calibre : Number.POSITIVE_INFINITY;
    const bouton = neurite.kind === "branch" && random.next() < 0.45 ? 150 * this.style.calibre : swollen;
    for (let i = 2; i + 2 < axis.length; ++i) {
      if (axis[i][6] < bouton) continue;
      this.addSynapse(axis[i], random, room, add, synapses);
      i += 8;
    }
    this.addTubules(neurite, axis, random, room, add);
    return { bodies: Float32Array.from(bodies), synapses };
  }

  /** A cloud of vesicles in a bouton, and the density where its axis looks at the wall. */
  private addSynapse(
    axis: Float64Array,
    random: Random,
    room: (p: ArrayLike<number>) => number,
    add: (a: ArrayLike<number>, b: ArrayLike<number>, radius: number, hollow: number, dark: number) => void,
    synapses: Synapse[],
  ): void {
    const ray = across(random.direction(new Float64Array(3)), axis);
    const at = (t: number) => [0, 1, 2].map((a) => axis[a] + t * ray[a]);
    let wall = 20;
    while (wall < 420 && room(at(wall)) > 0) wall += 8;
    if (wall >= 420) return;
    const contact = this.warp.toReal(new Float64Array(3), ...(at(wall - 4) as [number, number, number]));
    if (random.next() < 0.8) {
      synapses.push({
        centre: Float64Array.from(contact),
        radius: random.between(90, 190),
      });
    }
    const cloud = at(wall * 0.45);
    const around = room(cloud);
    const spread = Math.max(0, Math.min(random.between(140, 300), around + 120));
    const tries = Math.round(random.between(0.5, 1.6) * 550 * (spread / 200) ** 3 * this.style.vesicles);
    const taken: number[][] = [];
    const p = new Float64Array(3);
    for (let i = 0; i < tries; ++i) {
      random.direction(p);
      const r = spread * Math.sqrt(random.next());
      const v = [0, 1, 2].map((a) => cloud[a] + r * p[a]);
      if (taken.some((t) => (t[0] - v[0]) ** 2 + (t[1] - v[1]) ** 2 + (t[2] - v[2]) ** 2 < 40 * 40)) continue;
      if (around - r < 30 && room(v) < 30) continue;
      taken.push(v);
      add(v, v, random.between(15, 20), 1, random.between(0.55, 1));
    }
  }

  /** Endoplasmic reticulum and microtubules (bits of tube), dense-core vesicles, and a few dense bodies. */
  private addTubules(
    neurite: Neurite,
    axis: readonly Float64Array[],
    random: Random,
    room: (p: ArrayLike<number>) => number,
    add: (a: ArrayLike<number>, b: ArrayLike<number>, radius: number, hollow: number, dark: number) => void,
  ): void {
    const v = new Float64Array(3);
    for (const p of axis) {
      const section = (p[6] / 100) ** 2;
      const tries = Math.floor(section * 1.2 + random.next());
      for (let i = 0; i < tries; ++i) {
        const side = across(random.direction(v), p);
        const r = p[6] * Math.sqrt(random.next());
        const a = [0, 1, 2].map((k) => p[k] + r * side[k]);
        const kind = random.next();
        random.direction(v);
        const stray = kind < 0.45 ? 0.3 : 1.4;
        const length = kind < 0.45 ? random.between(120, 420) : kind < 0.8 ? random.between(30, 190) : 0;
        const b = [0, 1, 2].map((k) => a[k] + length * (p[3 + k] + stray * v[k]));
        const radius = kind < 0.45 ? 9 : kind < 0.8 ? random.between(12, 24) : random.between(14, 30);
        const middle = [0, 1, 2].map((k) => (a[k] + b[k]) / 2);
        const needed = radius + 14;
        const free = room(a);
        // Room shrinks at most as fast as one moves: much of it at one end needs no look at the other.
        if (free < needed) continue;
        if (free < needed + 1.8 * length && (room(b) < needed || room(middle) < needed)) continue;
        if (kind < 0.45) add(a, b, radius, 0, random.between(0.25, 0.5));
        else add(a, b, radius, kind < 0.93 ? 1 : 0, random.between(0.45, 0.95));
      }
      // Lysosome-like: as dark as mitochondria and as large as a small one, without envelope and cristae.
      if (neurite.kind !== "axon" && random.next() < 0.02) {
        const free = room(p) - 20;
        if (free > 55) add(p, p, Math.min(free, random.between(60, 130)), 0, random.between(0.55, 1));
      }
    }
  }
}
