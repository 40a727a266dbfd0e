import { describe, expect, it } from "vitest";
import { sampledBox, Thumbnails } from "../../../layers/mito/thumbnails.js";
import { boxSize, boxVolume } from "../../../src/volume/box.js";
import type { Box, Vec3 } from "../../../src/volume/types.js";

const FACTORS: Vec3[] = [
  [2, 2, 1],
  [4, 4, 2],
  [32, 32, 16],
];
const whole: Box = { lower: [0, 0, 0], upper: [40, 24, 12] };
const chunkSize: Vec3 = [16, 16, 5];

const value = (x: number, y: number, z: number) => (x * 7 + y * 3 + z) % 5;

function chunks(): Box[] {
  const out: Box[] = [];
  for (let z = 0; z < whole.upper[2]; z += chunkSize[2])
    for (let y = 0; y < whole.upper[1]; y += chunkSize[1])
      for (let x = 0; x < whole.upper[0]; x += chunkSize[0]) {
        const lower: Vec3 = [x, y, z];
        const upper = lower.map((l, i) => Math.min(l + chunkSize[i], whole.upper[i])) as unknown as Vec3;
        out.push({ lower, upper });
      }
  return out;
}

function fill({ lower, upper }: Box): Uint32Array {
  const out: number[] = [];
  for (let z = lower[2]; z < upper[2]; z++)
    for (let y = lower[1]; y < upper[1]; y++)
      for (let x = lower[0]; x < upper[0]; x++) out.push(value(x, y, z));
  return Uint32Array.from(out);
}

describe("Thumbnails", () => {
  it("draw each voxel of a level as the voxel in its middle, whatever the chunks", () => {
    const thumbnails = new Thumbnails(FACTORS, 1e6);
    for (const box of chunks()) thumbnails.put(box.lower.join(), box, fill(box), 0n);
    FACTORS.forEach((factor, level) => {
      const lower: Vec3 = [0, 0, 0];
      const box: Box = {
        lower,
        upper: whole.upper.map((u, i) => Math.ceil(u / factor[i])) as unknown as Vec3,
      };
      const out = new Uint32Array(boxVolume(box));
      thumbnails.draw(level, box, out, (_, v) => v);
      const [sx, sy, sz] = boxSize(box);
      for (let z = 0; z < sz; z++)
        for (let y = 0; y < sy; y++)
          for (let x = 0; x < sx; x++) {
            const middle = [x, y, z].map((v, i) => v * factor[i] + Math.floor(factor[i] / 2));
            const inside = middle.every((m, i) => m < whole.upper[i]);
            const expected = inside ? value(middle[0], middle[1], middle[2]) : 0;
            expect(out[x + sx * (y + sy * z)]).toBe(expected);
          }
    });
  });

  it("draw only the part that is asked for, with the chunk's base on all but the background", () => {
    const thumbnails = new Thumbnails(FACTORS, 1e6);
    const box: Box = { lower: [16, 0, 0], upper: [32, 16, 5] };
    thumbnails.put("k", box, new Uint32Array(boxVolume(box)).fill(3), 1n << 40n);
    const out = new BigUint64Array(4 * 4);
    const drawn = thumbnails.draw(
      0,
      { lower: [6, 6, 1], upper: [10, 10, 2] },
      out,
      (base, v) => base | BigInt(v),
    );
    expect(drawn).toBe(true);
    const id = (1n << 40n) | 3n;
    expect([...out]).toEqual([0n, 0n, id, id, 0n, 0n, id, id, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n]);
    expect(thumbnails.draw(0, { lower: [0, 0, 0], upper: [4, 4, 1] }, new BigUint64Array(16), (b) => b)).toBe(
      false,
    );
  });

  it("stay within their bound, the oldest going first, and give back what is deleted", () => {
    const thumbnails = new Thumbnails([[2, 2, 1]], 4000);
    for (let i = 0; i < 50; i++) {
      const box: Box = { lower: [16 * i, 0, 0], upper: [16 * i + 16, 16, 5] };
      thumbnails.put(String(i), box, fill(box), 0n);
      expect(thumbnails.bytes).toBeLessThanOrEqual(4000);
    }
    expect(thumbnails.keys()).not.toContain("0");
    expect(thumbnails.keys()).toContain("49");
    for (const key of thumbnails.keys()) thumbnails.delete(key);
    expect(thumbnails.bytes).toBe(0);
  });

  it("have nothing for a chunk between the samples of a level", () => {
    expect(sampledBox({ lower: [0, 0, 0], upper: [16, 16, 5] }, [32, 32, 16])).toBeUndefined();
    expect(sampledBox({ lower: [16, 16, 5], upper: [32, 32, 10] }, [32, 32, 16])).toEqual({
      lower: [0, 0, 0],
      upper: [1, 1, 1],
    });
  });
});
