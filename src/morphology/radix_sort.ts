const DIGIT = 1 << 16;
const MASK = DIGIT - 1;

/**
 * Sorts positions by their keys: stable, NaN last in either direction, -0 as 0. A radix sort (least significant digit first, four digits
 * of 16 bits of the number's bits, which order like the number once negative ones are flipped): 50,000 keys in a few
 * milliseconds where a comparison sort of typed arrays calls a function 800,000 times.
 *
 * @param rows positions in `keys`; kept as they are.
 * @returns a new array of the same positions.
 */
export function sortByKeys(rows: Uint32Array, keys: Float64Array, descending: boolean): Uint32Array {
  const count = rows.length;
  let digits: [Uint32Array, Uint32Array] = [new Uint32Array(count), new Uint32Array(count)];
  const one = new Float64Array(1);
  const bits = new Uint32Array(one.buffer);
  const [lowWord, highWord] = LITTLE_ENDIAN ? [0, 1] : [1, 0];
  const [low, high] = digits;
  for (let i = 0; i < count; ++i) {
    const key = keys[rows[i]];
    if (Number.isNaN(key)) {
      low[i] = high[i] = 0xffffffff;
      continue;
    }
    one[0] = key + 0;
    const flip = bits[highWord] >>> 31 === 1 ? 0xffffffff : 0;
    const turn = descending ? 0xffffffff : 0;
    low[i] = bits[lowWord] ^ flip ^ turn;
    high[i] = bits[highWord] ^ (flip === 0 ? 0x80000000 : flip) ^ turn;
  }
  let order = rows.slice();
  let nextOrder = new Uint32Array(count);
  let nextDigits: [Uint32Array, Uint32Array] = [new Uint32Array(count), new Uint32Array(count)];
  const starts = new Uint32Array(DIGIT);
  for (let pass = 0; pass < 4; ++pass) {
    const words = digits[pass >> 1];
    const shift = (pass & 1) * 16;
    starts.fill(0);
    for (let i = 0; i < count; ++i) ++starts[(words[i] >>> shift) & MASK];
    // All of one digit: nothing moves.
    if (count === 0 || starts[(words[0] >>> shift) & MASK] === count) continue;
    for (let digit = 0, sum = 0; digit < DIGIT; ++digit) {
      const own = starts[digit];
      starts[digit] = sum;
      sum += own;
    }
    for (let i = 0; i < count; ++i) {
      const to = starts[(words[i] >>> shift) & MASK]++;
      nextOrder[to] = order[i];
      nextDigits[0][to] = digits[0][i];
      nextDigits[1][to] = digits[1][i];
    }
    [order, nextOrder] = [nextOrder, order];
    [digits, nextDigits] = [nextDigits, digits];
  }
  return order;
}

const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
