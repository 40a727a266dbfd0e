import { LIMITS } from "../model/limits.js";
import { FILE_LIMITS } from "./types.js";

/** Kinds of numbers that weights are stored in, and their bytes. */
export const FLOAT_BYTES = { float16: 2, bfloat16: 2, float32: 4, float64: 8 } as const;
export type FloatType = keyof typeof FLOAT_BYTES;

/**
 * Number of elements of a shape.
 * @throws Error when it is no shape, or one of more elements than any model here has parameters.
 */
export function elements(shape: readonly unknown[]): number {
  if (shape.length > FILE_LIMITS.dimensions)
    throw new Error(`has ${shape.length} dimensions, more than the ${FILE_LIMITS.dimensions} of any weight`);
  let count = 1;
  for (const extent of shape) {
    if (typeof extent !== "number" || !Number.isSafeInteger(extent) || extent < 0)
      throw new Error(`has the shape [${shape.slice(0, 8).join(", ")}], which is none`);
    count *= extent;
    if (count > LIMITS.parameters)
      throw new Error(`shape [${shape.join(", ")}] has more than ${LIMITS.parameters} elements`);
  }
  return count;
}

/** An IEEE 754 half by its bits. */
export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Little-endian numbers in 32 bits. @param bytes as many as fit the type. */
export function decodeFloats(bytes: Uint8Array, type: FloatType): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(bytes.byteLength / FLOAT_BYTES[type]);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < out.length; i++) {
    if (type === "float32") out[i] = view.getFloat32(4 * i, true);
    else if (type === "float64") out[i] = view.getFloat64(8 * i, true);
    else if (type === "float16") out[i] = halfValue(view.getUint16(2 * i, true));
    // The upper half of a 32-bit number.
    else bits[i] = view.getUint16(2 * i, true) << 16;
  }
  return out;
}

/** [a, b, height, width] of PyTorch -> [height, width, b, a], for both kinds of convolution. */
export function transposeKernel(values: Float32Array, [a, b, h, w]: readonly number[]): Float32Array {
  const out = new Float32Array(values.length);
  let from = 0;
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let row = 0; row < h; row++)
        for (let column = 0; column < w; column++) out[((row * w + column) * b + j) * a + i] = values[from++];
  return out;
}
