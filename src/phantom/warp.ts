import { addVectorNoise } from "./noise.js";

/**
 * The tissue is laid out with straight-walled tubes in "tissue space"; real space is a smooth bending of it, which
 * makes every membrane wavy. Both in nm.
 */
const octaves = [
  { inverse: 1 / 430, amplitude: 80 },
  { inverse: 1 / 150, amplitude: 24 },
] as const;

export class Warp {
  constructor(private readonly seed: number) {}

  /** Tissue-space position of the real position (x, y, z), in `out`. */
  toTissue(out: Float64Array, x: number, y: number, z: number): Float64Array {
    out[0] = x;
    out[1] = y;
    out[2] = z;
    for (let i = 0; i < octaves.length; ++i) {
      const { inverse, amplitude } = octaves[i];
      addVectorNoise(out, (this.seed ^ 0x3a4b5c) + i, x * inverse, y * inverse, z * inverse, amplitude);
    }
    return out;
  }

  /** Real position of a tissue-space position, by fixed-point iteration (the warp is a contraction), in `out`. */
  toReal(out: Float64Array, x: number, y: number, z: number): Float64Array {
    let px = x;
    let py = y;
    let pz = z;
    for (let i = 0; i < 6; ++i) {
      this.toTissue(out, px, py, pz);
      px += x - out[0];
      py += y - out[1];
      pz += z - out[2];
    }
    out[0] = px;
    out[1] = py;
    out[2] = pz;
    return out;
  }
}
