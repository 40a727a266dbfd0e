import { describe, expect, it } from "vitest";
import { believable } from "../../../src/adaptation/pseudo_labels.js";

const SIZE = 32;

/** Logits of 3 where a picture's pixel is set. */
function logitsOf(inside: (x: number, y: number) => boolean): Float32Array {
  return Float32Array.from({ length: SIZE * SIZE }, (_, i) =>
    inside(i % SIZE, Math.floor(i / SIZE)) ? 3 : -3,
  );
}

const disc = (cx: number, cy: number, r: number) => (x: number, y: number) =>
  (x - cx) ** 2 + (y - cy) ** 2 <= r * r;
/** Arms of one pixel: as wide as a disc, and hollow. */
const cross = (cx: number, cy: number, r: number) => (x: number, y: number) =>
  (x === cx && Math.abs(y - cy) <= r) || (y === cy && Math.abs(x - cx) <= r);

describe("pseudo-labels", () => {
  it("keep convex regions and drop ragged ones", () => {
    const [a, b] = [disc(8, 8, 5), cross(23, 23, 6)];
    const labels = believable(
      logitsOf((x, y) => a(x, y) || b(x, y)),
      SIZE,
      0.85,
    );
    expect(labels).toEqual(Float32Array.from(logitsOf(a), (value) => Number(value > 0)));
  });

  it("keep all but specks without a prior", () => {
    const [a, b, speck] = [disc(8, 8, 5), cross(23, 23, 6), disc(28, 4, 1.5)];
    const labels = believable(
      logitsOf((x, y) => a(x, y) || b(x, y) || speck(x, y)),
      SIZE,
      0,
    );
    const expected = logitsOf((x, y) => a(x, y) || b(x, y));
    expect(labels).toEqual(Float32Array.from(expected, (value) => Number(value > 0)));
  });

  it("look at each patch of a batch on its own", () => {
    const [one, two] = [logitsOf(disc(16, 16, 8)), logitsOf(cross(16, 16, 8))];
    const labels = believable(Float32Array.from([...one, ...two]), SIZE, 0.85);
    expect(labels.subarray(0, SIZE * SIZE).some((value) => value === 1)).toBe(true);
    expect(labels.subarray(SIZE * SIZE).every((value) => value === 0)).toBe(true);
  });
});
