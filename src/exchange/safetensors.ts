import { assertPlain } from "../model/json.js";
import { decodeFloats, elements, FLOAT_BYTES, type FloatType } from "./numbers.js";
import { ExchangeError, FILE_LIMITS, type NamedTensor } from "./types.js";

const TYPES: Readonly<Record<string, FloatType>> = {
  F16: "float16",
  BF16: "bfloat16",
  F32: "float32",
  F64: "float64",
};

/** Whether the bytes can be a safetensors file: a header length, then a JSON object. */
export function isSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 9 && bytes[8] === 0x7b && bytes[6] === 0 && bytes[7] === 0;
}

/**
 * Tensors of a safetensors file: eight bytes of length, that much JSON, then the data (the format's README at
 * https://github.com/huggingface/safetensors). Integer tensors are left out. The file is a sorted list: it does not say in
 * which order the model was made.
 * @throws ExchangeError naming the tensor whose type, shape or place does not fit.
 */
export function readSafetensors(file: string, bytes: Uint8Array): NamedTensor[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < 8 ? Number.POSITIVE_INFINITY : Number(view.getBigUint64(0, true));
  if (length > Math.min(FILE_LIMITS.headerBytes, bytes.length - 8))
    throw new ExchangeError(file, "its header is longer than the file, or than any model's: cut off?");
  let header: Record<string, unknown>;
  try {
    const value: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)),
    );
    assertPlain(value);
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("no object");
    header = value as Record<string, unknown>;
  } catch (cause) {
    throw new ExchangeError(file, `its header is damaged (${(cause as Error).message.slice(0, 80)})`, {
      cause,
    });
  }
  const data = bytes.subarray(8 + length);
  const tensors: NamedTensor[] = [];
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  if (names.length > FILE_LIMITS.entries) throw new ExchangeError(file, `lists ${names.length} tensors`);
  for (const name of names) {
    const wrong = (why: string) => new ExchangeError(file, `tensor ${name.slice(0, 200)}: ${why}`);
    const { dtype, shape, data_offsets: offsets } = (header[name] ?? {}) as Record<string, unknown>;
    if (typeof dtype !== "string" || !Array.isArray(shape) || !Array.isArray(offsets))
      throw wrong("has no dtype, shape and data_offsets");
    const type = Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined;
    if (type === undefined) {
      if (/^(I|U|BOOL)/.test(dtype)) continue;
      throw wrong(`is of type ${dtype.slice(0, 20)}, of which F16, BF16, F32 and F64 can be read`);
    }
    let count: number;
    try {
      count = elements(shape);
    } catch (error) {
      throw wrong((error as Error).message);
    }
    const [from, to] = offsets as number[];
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to > data.length)
      throw wrong(`lies outside of the file (${data.length} bytes of data): cut off?`);
    if (to - from !== count * FLOAT_BYTES[type])
      throw wrong(`has ${to - from} bytes for ${count} elements of ${dtype}`);
    tensors.push({
      name,
      shape: shape as number[],
      values: async () => decodeFloats(data.subarray(from, to), type),
    });
  }
  return tensors;
}
