import { thresholdByte } from "../segmentation/label.js";
import type { Connectivity } from "../segmentation/types.js";
import type { Vec3 } from "../volume/types.js";

export interface SeedRegion {
  readonly size: Vec3;
  /** round(255 p), x fastest. */
  readonly probability: Uint8Array;
  /** 1 where other objects are: never entered. */
  readonly blocked: Uint8Array;
  /** Voxel of the box to start from. */
  readonly seed: Vec3;
  /** 0..1 */
  readonly threshold: number;
  /** Half axes of the ellipsoid around the seed that the region stays within, in voxels. */
  readonly radius: Vec3;
  readonly connectivity: Connectivity;
  /** When given: 1 where the region may be. */
  readonly within?: Uint8Array;
}

/**
 * The connected region of probability >= threshold around a seed, inside of an ellipsoid and of the box (and of `within`), without what other objects have.
 * @returns 1 in the region; all 0 when the seed itself is below the threshold or blocked.
 */
export function growFromSeed({
  size,
  probability,
  blocked,
  seed,
  threshold,
  radius,
  connectivity,
  within,
}: SeedRegion): Uint8Array {
  const [width, height, depth] = size;
  const region = new Uint8Array(width * height * depth);
  const minimum = thresholdByte(threshold);
  const most = { 6: 1, 18: 2, 26: 3 }[connectivity];
  const open = (x: number, y: number, z: number, at: number) =>
    region[at] === 0 &&
    blocked[at] === 0 &&
    within?.[at] !== 0 &&
    probability[at] >= minimum &&
    ((x - seed[0]) / radius[0]) ** 2 + ((y - seed[1]) / radius[1]) ** 2 + ((z - seed[2]) / radius[2]) ** 2 <=
      1;
  const index = (x: number, y: number, z: number) => x + width * (y + height * z);
  const first = index(...seed);
  if (!open(...seed, first)) return region;
  region[first] = 1;
  const stack = [first];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const x = at % width;
    const y = Math.floor(at / width) % height;
    const z = Math.floor(at / (width * height));
    for (let w = Math.max(0, z - 1); w <= Math.min(depth - 1, z + 1); ++w) {
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); ++v) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); ++u) {
          if (Math.abs(u - x) + Math.abs(v - y) + Math.abs(w - z) > most) continue;
          const next = index(u, v, w);
          if (!open(u, v, w, next)) continue;
          region[next] = 1;
          stack.push(next);
        }
      }
    }
  }
  return region;
}
