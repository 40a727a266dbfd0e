import { across, axisPoints } from "./axis.js";
import { type Neurite, segmentFloats } from "./growth.js";
import { Random } from "./hash.js";
import type { Mitochondrion } from "./mitochondria.js";
import { type Neurites, surfaceDistance } from "./neurites.js";
import type { PhantomStyle } from "./style.js";
import type { Warp } from "./warp.js";

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

/** Places what a neurite holds besides its mitochondria. */
export class SmallOrganelles {
  constructor(
    private readonly neurites: Neurites,
    private readonly warp: Warp,
    private readonly style: PhantomStyle,
  ) {}

  /** @param mitos the mitochondria of the neurite, which are kept clear. */
  grow(neurite: Neurite, mitos: readonly Mitochondrion[]): Details {
    const random = new Random(
      (neurite.key % 0xfffffffb) ^ Math.floor(neurite.key / 0x100000000) ^ 0x5e71c1e5,
    );
    const bodies: number[] = [];
    const synapses: Synapse[] = [];
    const axis = axisPoints(neurite);
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
