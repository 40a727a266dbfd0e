/** Crockford's base 32: no letter that reads as a digit. */
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM_BYTES = 10;

/** Ids from here on are of objects that operations made; predicted ones are below. */
export const FIRST_MADE_ID = 2 ** 52;

/**
 * Id of a new operation: 48 bits of time and 80 random ones in 26 characters, which sort by time (as github.com/ulid/spec lays it out).
 * @param random ten bytes of the caller's, as from `crypto.getRandomValues`.
 */
export function newOperationId(time: number, random: Uint8Array): string {
  if (random.length !== RANDOM_BYTES) throw new RangeError(`an id takes ${RANDOM_BYTES} random bytes`);
  let bits = BigInt(Math.max(0, Math.floor(time)) % 2 ** 48);
  for (const byte of random) bits = (bits << 8n) | BigInt(byte);
  let id = "";
  for (let i = 0; i < 26; ++i) {
    id = DIGITS[Number(bits & 31n)] + id;
    bits >>= 5n;
  }
  return id;
}

/**
 * Id of the object that an operation makes as its number `part`: the same on every machine, above all ids of predicted objects, below
 * 2^53. 52 bits of the FNV-1a hashes (Fowler, Noll, Vo) of "operation/part".
 */
export function madeObjectId(operation: string, part: number): number {
  const name = `${operation}/${part}`;
  const hash = (offset: number) => {
    let value = offset;
    for (let i = 0; i < name.length; ++i) value = Math.imul(value ^ name.charCodeAt(i), 0x01000193) >>> 0;
    // The last characters have reached the low bits only.
    value = Math.imul(value ^ (value >>> 16), 0x85ebca6b) >>> 0;
    return (value ^ (value >>> 13)) >>> 0;
  };
  return FIRST_MADE_ID + (hash(0x811c9dc5) % 2 ** 20) * 2 ** 32 + hash(0x050c5d1f);
}
