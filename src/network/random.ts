/** Mixes two 32-bit integers into one (the finaliser of MurmurHash3), to derive independent seeds. */
export function mix(a: number, b: number): number {
  let h = (a ^ Math.imul(b + 0x9e3779b9, 0x85ebca6b)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Small deterministic generator whose whole state is four 32-bit words: xoshiro128** 1.1 by Blackman and Vigna
 * (https://prng.di.unimi.it/xoshiro128starstar.c), seeded through SplitMix32. The state goes into checkpoints.
 */
export class Random {
  private s: Uint32Array;

  constructor(seed: number | readonly number[]) {
    this.s = new Uint32Array(4);
    if (typeof seed !== "number") {
      this.restore(seed);
      return;
    }
    let z = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      z = (z + 0x9e3779b9) >>> 0;
      this.s[i] = mix(z, i);
    }
    if (this.s.every((word) => word === 0)) this.s[0] = 1;
  }

  get state(): number[] {
    return [...this.s];
  }

  /** Goes on from a state that was read before. */
  restore(state: readonly number[]): void {
    if (state.length !== 4) throw new Error("the state of a random generator has four words");
    this.s = Uint32Array.from(state);
  }

  /** Uniform 32-bit integer. */
  nextUint32(): number {
    const { s } = this;
    const rotl = (x: number, k: number) => (x << k) | (x >>> (32 - k));
    const result = Math.imul(rotl(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 11);
    return result;
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.nextUint32() / 4294967296;
  }

  /** Uniform integer in [0, n). */
  integer(n: number): number {
    return Math.floor(this.next() * n);
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** Standard normal, by Box and Muller; draws two numbers and keeps no spare, so that `state` is everything. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }
}
