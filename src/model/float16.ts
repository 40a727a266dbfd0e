const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Nearest IEEE 754 half of a number, ties to even; beyond 65,520 infinite. */
export function halfBits(value: number): number {
  float[0] = value;
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65,520 is half-way between the largest half and the next power of two.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal halves are the multiples of 2^-24; the product is exact in double precision.
    const scaled = Math.abs(float[0]) * 2 ** 24;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    return sign | (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor);
  }
  return sign | ((magnitude + 0x0fff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13);
}

export function encodeFloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, halfBits);
}
