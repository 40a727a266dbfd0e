import { decodeFloats, elements } from "./numbers.js";
import { ExchangeError } from "./types.js";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

export interface NpyArray {
  readonly shape: readonly number[];
  /** "<f4", "|u1", ...: as numpy writes it. */
  readonly type: string;
  /** Last axis fastest. */
  readonly values: Float32Array;
}

/**
 * Reads a .npy file of floating-point numbers or 8- and 16-bit integers (format versions 1 to 3 of
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 * @throws ExchangeError when it is something else, an object array, of Fortran order, or cut off.
 */
export function readNpy(file: string, bytes: Uint8Array): NpyArray {
  const wrong = (why: string) => new ExchangeError(file, why);
  if (bytes.length < 12 || !MAGIC.every((byte, i) => bytes[i] === byte)) throw wrong("is no .npy file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[6] > 1;
  const start = wide ? 12 : 10;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  if (start + length > bytes.length) throw wrong("is cut off");
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const type = /'descr':\s*'([<|>=]?[a-z]\d+)'/.exec(header)?.[1];
  const dims = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (type === undefined || dims === undefined) throw wrong("is no array of plain numbers");
  if (/'fortran_order':\s*True/.test(header))
    throw wrong("is in Fortran order: save it with numpy.ascontiguousarray");
  const shape = dims
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  let count: number;
  try {
    count = elements(shape);
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const data = bytes.subarray(start + length);
  const size = Number(/\d+$/.exec(type)?.[0]);
  if (data.length !== count * size)
    throw wrong(`has ${data.length} bytes for ${count} values of type ${type}`);
  if (type === "<f2") return { shape, type, values: decodeFloats(data, "float16") };
  if (type === "<f4") return { shape, type, values: decodeFloats(data, "float32") };
  if (type === "<f8") return { shape, type, values: decodeFloats(data, "float64") };
  if (type === "|u1") return { shape, type, values: Float32Array.from(data) };
  if (type === "<u2") {
    const from = new DataView(data.buffer, data.byteOffset, data.byteLength);
    return {
      shape,
      type,
      values: Float32Array.from({ length: count }, (_, i) => from.getUint16(2 * i, true)),
    };
  }
  throw wrong(`holds values of type ${type}; f2, f4, f8, u1 and u2 are read`);
}

/** A .npy file (version 1.0) of 32-bit numbers, last axis fastest. */
export function writeNpy(values: Float32Array, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const list = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${list}), }`;
  // The data begins at a multiple of 64 bytes.
  const length = Math.ceil((text.length + 11) / 64) * 64 - 10;
  const out = new Uint8Array(10 + length + 4 * values.length);
  const view = new DataView(out.buffer);
  out.set(MAGIC);
  out[6] = 1;
  view.setUint16(8, length, true);
  out.set(new TextEncoder().encode(`${text.padEnd(length - 1)}\n`), 10);
  for (let i = 0; i < values.length; i++) view.setFloat32(10 + length + 4 * i, values[i], true);
  return out;
}
