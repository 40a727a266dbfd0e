import { describe, expect, it } from "vitest";
import { firstId, segmentIds } from "../../../layers/mito/segment_ids.js";

describe("segment ids", () => {
  it("are unique over a grid whose index does not fit 32 bits", () => {
    const bound = [1 << 24, 1 << 24, 1 << 20];
    const size = [256, 256, 8];
    expect(firstId([0, 0, 0], size, bound)).toBe(0n);
    expect(firstId([256, 0, 0], size, bound)).toBe(1n << 20n);
    expect(firstId([0, 256, 0], size, bound)).toBe(65536n << 20n);
    expect(firstId([512, 256, 16], size, bound)).toBe((2n + 65536n * (1n + 65536n * 2n)) << 20n);
  });

  it("put the label in the low bits and leave the background", () => {
    const first = 0x1234_5678_9a50_0000n;
    expect([...segmentIds(Uint32Array.of(0, 1, 0, 0xfffff), 0xfffff, first)]).toEqual([
      0n,
      first | 1n,
      0n,
      first | 0xfffffn,
    ]);
  });

  it("refuse more objects than there are ids", () => {
    expect(() => segmentIds(new Uint32Array(1), 2 ** 20, 0n)).toThrow(/1048576 objects in one chunk/);
  });
});
