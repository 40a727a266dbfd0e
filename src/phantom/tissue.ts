import { hash3 } from "./hash.js";
import { Neurites } from "./neurites.js";
import { noise1 } from "./noise.js";
import { Organelles } from "./organelles.js";
import { isSectioned, type PhantomStyle } from "./style.js";
import { Warp } from "./warp.js";

/** Everything that a seed and a style determine: the anatomy, and what the microscope does slice by slice. */
export class Tissue {
  readonly warp: Warp;
  readonly neurites: Neurites;
  readonly organelles: Organelles;

  constructor(
    readonly style: PhantomStyle,
    readonly seed: number,
  ) {
    this.warp = new Warp(seed);
    this.neurites = new Neurites(seed, style);
    this.organelles = new Organelles(this.neurites, this.warp, style);
  }

  /** Lateral displacement in nm along x (axis 0) or y (axis 1) of the tissue at a depth in base slices. */
  drift(axis: number, slice: number): number {
    const { style } = this;
    const seed = this.seed ^ (0xd21f7 + axis);
    if (!isSectioned(style)) return style.drift * noise1(seed, slice / 14);
    const at = Math.floor(slice);
    const jitter = hash3(seed, at, 7, 0) * 2 ** -31 - 1;
    return style.drift * (jitter + 2 * noise1(seed ^ 0x55, at / 9));
  }

  /** Brightness deviation of a base slice in grey levels. */
  flicker(slice: number): number {
    return this.style.flicker * (hash3(this.seed ^ 0xf11c, Math.floor(slice), 0, 0) * 2 ** -31 - 1);
  }
}
