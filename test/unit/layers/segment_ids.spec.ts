import { describe, expect, it } from "vitest";
import { firstId, paintIds } from "../../../layers/mito/segment_ids.js";

describe("segment ids", () => {
  it("are unique over a grid whose index does not fit 32 bits", () => {
    const bound = [1 << 24, 1 << 24, 1 << 20];
    const size = [256, 256, 8];
    expect(firstId([0, 0, 0], size, bound)).toBe(0n);
    expect(firstId([256, 0, 0], size, bound)).toBe(1n << 20n);
    expect(firstId([0, 256, 0], size, bound)).toBe(65536n << 20n);
    expect(firstId([512, 256, 16], size, bound)).toBe((2n + 65536n * (1n + 65536n * 2n)) << 20n);
  });

  it("are painted along the runs, and leave background and hidden objects 0", () => {
    const runs = {
      size: [4, 2, 1] as const,
      count: 3,
      rows: Uint32Array.of(0, 2, 3),
      starts: Uint16Array.of(0, 3, 1),
      ends: Uint16Array.of(2, 4, 4),
      labels: Uint32Array.of(1, 2, 3),
    };
    const large = 2 ** 52 + 1;
    expect([...paintIds(runs, Float64Array.of(0, large, 0, 7))]).toEqual([
      BigInt(large),
      BigInt(large),
      0n,
      0n,
      0n,
      7n,
      7n,
      7n,
    ]);
  });
});
