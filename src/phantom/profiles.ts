import type { PhantomStyle } from "./style.js";

/**
 * Soft edges instead of a blur pass: every structure is drawn from its signed distance through a table that already
 * holds the point spread and the mean over the voxel, so a box needs no halo and no supersampling in plane.
 * Tables are rounded to 2^-12: a last-bit difference of Math.exp between hosts does not reach a voxel.
 */

/** Entries per nm and range in nm of the tables. */
const perNanometre = 2;
const range = 300;
const size = 2 * range * perNanometre + 1;

/** A function of the signed distance in nm, clamped at the ends of its table. */
export class Profile {
  private readonly table = new Float32Array(size);

  constructor(f: (distance: number) => number) {
    for (let i = 0; i < size; ++i) this.table[i] = Math.round(f(i / perNanometre - range) * 4096) / 4096;
  }

  at(distance: number): number {
    const i = (distance + range) * perNanometre + 0.5;
    return this.table[i <= 0 ? 0 : i >= size - 1 ? size - 1 : i | 0];
  }
}

/** Integral of the normal distribution, Abramowitz and Stegun 26.2.17 (error below 7.5e-8). */
function normalIntegral(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const tail =
    0.3989422804014327 *
    Math.exp((-x * x) / 2) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return x > 0 ? 1 - tail : tail;
}

export interface Profiles {
  /** Standard deviation in nm of all smoothing at this scale. */
  readonly sigma: number;
  /** Beyond this distance (nm) no wall is seen. */
  readonly reach: number;
  /** Darkness of a cell membrane at a distance from the middle of the wall. */
  readonly membrane: Profile;
  /** Part of the voxel that is inside, at a signed distance from a surface (negative inside). */
  readonly inside: Profile;
  /** Darkness of the double membrane of a mitochondrion at a signed distance from its outer surface. */
  readonly envelope: Profile;
  /** How far from the envelope cristae are, 0..1. */
  readonly core: Profile;
  /** Wall of a vesicle or tubule, at a signed distance from its surface. */
  readonly shell: Profile;
}

/**
 * @param voxel in-plane voxel size of the scale in nm. The mean over n voxels of size v0 has the variance
 * (v^2 - v0^2) / 12 of the spread of their centres.
 */
export function makeProfiles(style: PhantomStyle, voxel: number): Profiles {
  const sigma = Math.sqrt(style.blur ** 2 + Math.max(0, voxel ** 2 - style.voxelX ** 2) / 12 + 0.25);
  const slab = (from: number, to: number) => (d: number) =>
    normalIntegral((to - d) / sigma) - normalIntegral((from - d) / sigma);
  const wall = slab(-style.membraneWidth / 2, style.membraneWidth / 2);
  const envelope = slab(-25, 0);
  const gap = slab(-16, -9);
  const shell = slab(-9, 0);
  return {
    sigma,
    reach: Math.max(40, style.membraneWidth / 2 + 3 * sigma),
    membrane: new Profile((d) => style.membraneDarkness * wall(d)),
    inside: new Profile((d) => normalIntegral(-d / sigma)),
    envelope: new Profile((d) => style.envelopeDarkness * Math.max(0, envelope(d) - 0.75 * gap(d))),
    core: new Profile((d) => normalIntegral((-d - 32) / Math.sqrt(sigma ** 2 + 36))),
    shell: new Profile((d) => shell(d)),
  };
}
