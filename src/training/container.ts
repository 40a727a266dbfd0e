/** What a container of a kind holds: a JSON header and groups of float arrays. */
export interface Contents {
  readonly header: Readonly<Record<string, unknown>>;
  readonly groups: readonly (readonly Float32Array[])[];
}

/** Most bytes of a header: settings and progress are a few thousand. */
const HEADER_BYTES = 2 ** 22;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * One file: magic line, JSON header of known length, then little-endian float32 data. The lengths of the arrays stand
 * in the header as `lengths`.
 */
export function encodeContainer(magic: string, { header, groups }: Contents): Uint8Array<ArrayBuffer> {
  const lengths = groups.map((group) => group.map((array) => array.length));
  const json = new TextEncoder().encode(JSON.stringify({ ...header, lengths }));
  const start = Math.ceil((magic.length + 4 + json.length) / 4) * 4;
  const floats = lengths.flat().reduce((a, b) => a + b, 0);
  const bytes = new Uint8Array(start + 4 * floats);
  bytes.set(new TextEncoder().encode(magic));
  new DataView(bytes.buffer).setUint32(magic.length, json.length, true);
  bytes.set(json, magic.length + 4);
  let offset = start;
  for (const group of groups) {
    for (const array of group) {
      new Float32Array(bytes.buffer, offset, array.length).set(array);
      offset += 4 * array.length;
    }
  }
  return bytes;
}

function checkLengths(lengths: unknown): number[][] {
  const valid =
    Array.isArray(lengths) &&
    lengths.every(
      (group) => Array.isArray(group) && group.every((length) => Number.isSafeInteger(length) && length >= 0),
    );
  if (!valid) throw new Error("the lengths of its arrays are missing");
  return lengths as number[][];
}

/** @throws Error saying what is wrong, as in "has a damaged header", when the bytes are not a whole container. */
export function decodeContainer(magic: string, bytes: Uint8Array): Contents {
  if (new TextDecoder().decode(bytes.subarray(0, magic.length)) !== magic)
    throw new Error("is not a training checkpoint");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length >= magic.length + 4 ? view.getUint32(magic.length, true) : 0;
  const start = Math.ceil((magic.length + 4 + length) / 4) * 4;
  let header: Record<string, unknown>;
  let lengths: number[][];
  try {
    if (length > HEADER_BYTES) throw new Error(`it would be ${length} bytes long`);
    const parsed: unknown = JSON.parse(
      new TextDecoder().decode(bytes.subarray(magic.length + 4, magic.length + 4 + length)),
    );
    if (!isObject(parsed)) throw new Error("it is not an object");
    const { lengths: announced, ...rest } = parsed;
    header = rest;
    lengths = checkLengths(announced);
  } catch (cause) {
    throw new Error("has a damaged header", { cause });
  }
  const floats = lengths.flat().reduce((a, b) => a + b, 0);
  if (bytes.length !== start + 4 * floats)
    throw new Error(`is ${bytes.length} bytes, not the ${start + 4 * floats} it announces`);
  // Not bytes.slice: Node's Buffer overrides it with a view, whose buffer begins elsewhere.
  const data = Uint8Array.prototype.slice.call(bytes, start).buffer;
  let offset = 0;
  const groups = lengths.map((group) =>
    group.map((count) => {
      const array = new Float32Array(data, offset, count);
      offset += 4 * count;
      return array;
    }),
  );
  return { header, groups };
}
