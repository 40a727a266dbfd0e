import fc from "fast-check";
import { encodeChannels } from "neuroglancer/unstable/sliceview/compressed_segmentation/encode_common.js";
import { TypedArrayBuilder } from "neuroglancer/unstable/util/array.js";
import { describe, expect, it } from "vitest";
import { decodeCompressedSegmentation } from "../../../src/volume/compressed_segmentation.js";
import type { Vec3 } from "../../../src/volume/types.js";

/** Neuroglancer's own encoder. */
function encode(labels: Uint32Array | BigUint64Array, size: Vec3, blockSize: Vec3): Uint32Array {
  const output = new TypedArrayBuilder(Uint32Array);
  encodeChannels(output, [...blockSize], labels as Uint32Array, [...size, 1]);
  return output.view;
}

const extent = fc.integer({ min: 1, max: 13 });
const block = fc.integer({ min: 1, max: 8 });
const shapes = fc.tuple(fc.tuple(extent, extent, extent), fc.tuple(block, block, block));

describe("decodes what neuroglancer encodes", () => {
  it.each([1, 2, 3, 5, 17, 300])("uint32 with up to %i labels a volume", (most) => {
    fc.assert(
      fc.property(shapes, fc.integer(), ([size, blockSize], seed) => {
        const labels = new Uint32Array(size[0] * size[1] * size[2]);
        for (let i = 0; i < labels.length; i++)
          labels[i] = Math.imul(((i * 7 + seed) >>> 1) % most, 0x9e3779b1);
        expect(
          decodeCompressedSegmentation(encode(labels, size, blockSize), size, blockSize, "uint32"),
        ).toEqual(labels);
      }),
      { numRuns: 40 },
    );
  });

  it("uint64", () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 40 }), ([size, blockSize], most) => {
        const labels = new BigUint64Array(size[0] * size[1] * size[2]);
        for (let i = 0; i < labels.length; i++)
          labels[i] = BigInt.asUintN(64, BigInt((i * 5) % most) * 0x9e3779b97f4a7c15n);
        expect(
          decodeCompressedSegmentation(encode(labels, size, blockSize), size, blockSize, "uint64"),
        ).toEqual(labels);
      }),
      { numRuns: 100 },
    );
  });

  it("indices of 16 bits", () => {
    const size: Vec3 = [40, 30, 20];
    const labels = new Uint32Array(40 * 30 * 20).map((_, i) => i * 3);
    expect(decodeCompressedSegmentation(encode(labels, size, size), size, size, "uint32")).toEqual(labels);
  });

  // Neuroglancer's encoder never ends for a block of more than 65536 labels: by hand, after its README.
  it("indices of 32 bits", () => {
    const [channel, tableAt, indicesAt] = [1, 6, 2];
    const words = Uint32Array.from([
      channel,
      tableAt | (32 << 24),
      indicesAt,
      2,
      0,
      1,
      1,
      70,
      80,
      0xffffffff,
    ]);
    expect(decodeCompressedSegmentation(words, [2, 2, 1], [2, 2, 1], "uint32")).toEqual(
      Uint32Array.from([0xffffffff, 70, 80, 80]),
    );
  });
});

describe("damaged data", () => {
  const size: Vec3 = [9, 8, 7];
  const blockSize: Vec3 = [4, 4, 4];
  const labels = new Uint32Array(size[0] * size[1] * size[2]).map((_, i) => (i * 31) % 7);
  const good = encode(labels, size, blockSize);

  it("is refused when it is cut off anywhere", () => {
    for (let length = 0; length < good.length - 1; length++) {
      const cut = good.slice(0, length);
      let result: unknown;
      try {
        result = decodeCompressedSegmentation(cut, size, blockSize, "uint32");
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
      // A table that nothing points into may be cut.
      if (result !== undefined) expect(result).toEqual(labels);
    }
    expect(() => decodeCompressedSegmentation(good.slice(0, 20), size, blockSize, "uint32")).toThrow(
      /cut off/,
    );
  });

  it("gives labels or a RangeError, whatever the words are", () => {
    const words = fc
      .uint8Array({ maxLength: 4000 })
      .map((bytes) => new Uint32Array(bytes.slice(0, bytes.length & ~3).buffer));
    const changed = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.integer()), { maxLength: 6 })
      .map((edits) => {
        const copy = good.slice();
        for (const [at, value] of edits) copy[at] = value;
        return copy;
      });
    fc.assert(
      fc.property(fc.oneof(words, changed), fc.constantFrom("uint32", "uint64"), (input, dataType) => {
        try {
          expect(decodeCompressedSegmentation(input, size, blockSize, dataType)).toHaveLength(labels.length);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
