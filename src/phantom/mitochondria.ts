import { across, axisPoints, axisStep } from "./axis.js";
import { type Neurite, segmentFloats } from "./growth.js";
import { Random } from "./hash.js";
import type { Neurites } from "./neurites.js";
import type { PhantomStyle } from "./style.js";

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

/** Least distance in nm between a mitochondrion and the wall of its cell. */
export const wallGap = 18;
/** The surface of a mitochondrion is made uneven by up to this part of its radius. */
export const unevenness = 0.1;
/**
 * A mitochondrion on the axis of its neurite may be this much thicker than the largest ball that fits, because it is
 * cut off at `wallGap` from the wall: it takes the shape of its cell. It stays connected, for the segment from any
 * point of a cell to the cell's axis never comes nearer to the wall.
 */
const swell = 1.5;
/** Least radius of a mitochondrion's axis, nm. */
const thinnest = 56;

/** Places the mitochondria of a neurite. */
export class Mitochondria {
  constructor(
    private readonly neurites: Neurites,
    private readonly style: PhantomStyle,
  ) {}

  grow(neurite: Neurite): Mitochondrion[] {
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
}
