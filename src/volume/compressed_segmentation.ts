import type { Vec3 } from "./types.js";

/** Words of 32 bits in the header of a block. */
const HEADER_WORDS = 2;

/**
 * Decodes one channel of neuroglancer's compressed segmentation.
 *
 * Format (neuroglancer, src/sliceview/compressed_segmentation/README.md): little-endian 32-bit words. The volume is cut
 * into blocks; each has a header of two words: bits 0-23 the start of its table of labels, bits 24-31 the number of
 * bits of an index into it (0, 1, 2, 4, 8, 16 or 32), then the start of the packed indices. Starts are counted
 * in words from the begin of the channel. A label is one word (uint32) or two (uint64, low first). Blocks at the upper
 * border are stored whole.
 * @param words the chunk as words, beginning with the offset of the first channel.
 * @param size extent of the chunk, x fastest.
 * @throws RangeError when a start leaves the data or a width is none of the seven.
 */
export function decodeCompressedSegmentation(
  words: Uint32Array,
  size: Vec3,
  blockSize: Vec3,
  dataType: "uint32" | "uint64",
): Uint32Array | BigUint64Array {
  if (words.length < 1) throw new RangeError("is empty");
  const channel = words.subarray(words[0]);
  const grid = [0, 1, 2].map((i) => Math.ceil(size[i] / blockSize[i]));
  const blocks = grid[0] * grid[1] * grid[2];
  if (words[0] === 0 || blocks * HEADER_WORDS > channel.length)
    throw new RangeError("is cut off in its block headers");
  const out = dataType === "uint32" ? new Uint32Array(size[0] * size[1] * size[2]) : undefined;
  const out64 = out ? undefined : new BigUint64Array(size[0] * size[1] * size[2]);
  // uint64 as pairs of words: far faster than arithmetic on bigints.
  const pairs = out64 && new Uint32Array(out64.buffer);
  const labelWords = out ? 1 : 2;
  const indicesInBlock = blockSize[0] * blockSize[1] * blockSize[2];
  for (let block = 0; block < blocks; block++) {
    const bits = channel[block * HEADER_WORDS] >>> 24;
    const table = channel[block * HEADER_WORDS] & 0xffffff;
    const packed = channel[block * HEADER_WORDS + 1];
    if (bits > 32 || (bits & (bits - 1)) !== 0) throw new RangeError(`has indices of ${bits} bits`);
    if (packed + Math.ceil((indicesInBlock * bits) / 32) > channel.length) {
      throw new RangeError("is cut off in the indices of a block");
    }
    const start = [
      (block % grid[0]) * blockSize[0],
      (Math.floor(block / grid[0]) % grid[1]) * blockSize[1],
      Math.floor(block / (grid[0] * grid[1])) * blockSize[2],
    ];
    const end = start.map((low, i) => Math.min(low + blockSize[i], size[i]));
    // 32-bit shifts only see the low five bits of the shift: a width of 32 takes the word as it is.
    const mask = bits === 32 ? 0xffffffff : (1 << bits) - 1;
    const perWordShift = 5 - Math.log2(bits || 1);
    const labels = Math.floor((channel.length - table) / labelWords);
    for (let z = start[2]; z < end[2]; z++) {
      for (let y = start[1]; y < end[1]; y++) {
        let index = blockSize[0] * (y - start[1] + blockSize[1] * (z - start[2]));
        let at = start[0] + size[0] * (y + size[1] * z);
        for (let x = start[0]; x < end[0]; x++, index++, at++) {
          const word = bits === 0 ? 0 : channel[packed + (index >>> perWordShift)];
          const entry = bits === 0 ? 0 : ((word >>> ((index * bits) & 31)) & mask) >>> 0;
          if (entry >= labels) throw new RangeError("points to a label outside of its table");
          if (out) {
            out[at] = channel[table + entry];
          } else {
            pairs![2 * at] = channel[table + 2 * entry];
            pairs![2 * at + 1] = channel[table + 2 * entry + 1];
          }
        }
      }
    }
  }
  return out ?? out64!;
}
