/** The highest bit of each byte of a word. */
const HIGH = 0x80808080 | 0;
const LOW = 0x7f7f7f7f;

/**
 * Finds the runs of voxels >= `minimum` in a row, four voxels at a time.
 *
 * A byte b is >= m, m <= 128, when its highest bit is set or adding 128 - m to its other bits sets it; and for m > 128 when it is set
 * and adding 256 - m to the others sets it, too. No sum passes 255, so that the bytes of a word do not disturb each other.
 *
 * @param words the row and maybe more, little endian (as all that runs WebGL or Node is).
 * @param first,last words of the row; when its last word is not full, zeros follow.
 * @param width voxels of the row.
 * @param minimum whole number 0..256.
 * @param starts,ends are written from `run` on; there must be room for (width + 1) / 2.
 * @returns the index after the last run.
 */
export function scanRow(
  words: Int32Array,
  first: number,
  last: number,
  width: number,
  minimum: number,
  starts: Int32Array,
  ends: Int32Array,
  run: number,
): number {
  const add = Math.imul((minimum <= 128 ? 128 : 256) - minimum, 0x01010101);
  const either = minimum <= 128 ? HIGH : 0;
  // What a word all of one kind looks like: 0 in background, HIGH in a run.
  let state = 0;
  let next = run;
  let word = first;
  while (word < last) {
    if (state === 0) {
      // No byte is larger than that of a union: sixteen voxels of background are passed at once.
      while (word + 4 <= last) {
        const union = words[word] | words[word + 1] | words[word + 2] | words[word + 3];
        const sum = ((union & LOW) + add) | 0;
        if (((sum & union & HIGH) | ((sum | union) & either)) !== 0) break;
        word += 4;
      }
      if (word === last) break;
    }
    const four = words[word];
    const sum = ((four & LOW) + add) | 0;
    const flags = (sum & four & HIGH) | ((sum | four) & either);
    let change = flags ^ state;
    while (change !== 0) {
      const bit = 31 - Math.clz32(change & -change);
      const at = 4 * (word - first) + (bit >> 3);
      if (state === 0) starts[next] = at;
      else ends[next++] = at;
      state = ~state & HIGH;
      // Those up to this bit are done.
      change = (flags ^ state) & (-2 << bit);
    }
    ++word;
  }
  if (state !== 0) ends[next++] = width;
  return next;
}
