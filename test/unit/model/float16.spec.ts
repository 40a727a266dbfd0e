import { describe, expect, it } from "vitest";
import { encodeFloat16, halfBits } from "../../../src/model/float16.js";

/** IEEE 754 binary16 by its definition. */
function value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

describe("halfBits", () => {
  it("gives every half its own bits", () => {
    for (let bits = 0; bits < 65536; bits++)
      if (!Number.isNaN(value(bits))) expect(halfBits(value(bits))).toBe(bits);
    expect(value(halfBits(Number.NaN))).toBeNaN();
  });

  it("rounds to the nearest, ties to even", () => {
    for (const bits of [0, 1, 2, 1022, 1023, 1024, 1025, 15360, 15361, 31742]) {
      const [low, high] = [value(bits), value(bits + 1)];
      const middle = Math.fround((low + high) / 2);
      const even = bits % 2 === 0 ? bits : bits + 1;
      expect(halfBits(middle)).toBe(even);
      expect(halfBits(Math.fround(middle - (high - low) / 8))).toBe(bits);
      expect(halfBits(Math.fround(middle + (high - low) / 8))).toBe(bits + 1);
      expect(halfBits(-middle)).toBe(even | 0x8000);
    }
  });

  it("overflows from 65,520 on", () => {
    expect(halfBits(65504)).toBe(0x7bff);
    expect(halfBits(65519.996)).toBe(0x7bff);
    expect(halfBits(65520)).toBe(0x7c00);
    expect(halfBits(-1e30)).toBe(0xfc00);
    expect(halfBits(1e-10)).toBe(0);
    expect([...encodeFloat16(Float32Array.of(1, -2))]).toEqual([0x3c00, 0xc000]);
  });
});
