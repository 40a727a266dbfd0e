/**
 * Integer hashing: the only source of randomness of the phantom. Everything is 32-bit integer arithmetic, so a seed
 * gives the same numbers on every host.
 */

/** Finaliser with low bias, constants of C. Wellons' search ("lowbias32", nullprogram.com/blog/2018/07/31). */
export function mix32(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Hash of an integer lattice point, uint32. Coordinates are taken modulo 2^32. */
export function hash3(seed: number, x: number, y: number, z: number): number {
  let h = Math.imul(x, 0x9e3779b1) + Math.imul(y, 0x85ebca6b) + Math.imul(z, 0xc2b2ae35);
  h = Math.imul(h ^ seed ^ (h >>> 15), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 13), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Sequence of random numbers from one hash value. */
export class Random {
  constructor(private state: number) {}

  /** Uniform uint32. */
  bits(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    return mix32(this.state);
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.bits() * 2 ** -32;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** Mean 0, standard deviation 1, bounded by +-3.46: the sum of twelve uniforms would be 6; four are enough here. */
  normal(): number {
    return (this.next() + this.next() + this.next() + this.next() - 2) * Math.sqrt(3);
  }

  /** Uniform direction, by rejection: no trigonometry, whose last bit may differ between hosts. */
  direction(out: Float64Array): Float64Array {
    for (;;) {
      const x = this.next() * 2 - 1;
      const y = this.next() * 2 - 1;
      const z = this.next() * 2 - 1;
      const square = x * x + y * y + z * z;
      if (square > 0.01 && square <= 1) {
        const scale = 1 / Math.sqrt(square);
        out[0] = x * scale;
        out[1] = y * scale;
        out[2] = z * scale;
        return out;
      }
    }
  }
}
