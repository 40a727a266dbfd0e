import type { Vec3 } from "../../src/volume/types.js";
import golden from "../golden/operators.json" with { type: "json" };

/** What test/golden/operators.py wrote. */
export const operators = golden;

/** Voxels from the hex string of a golden mask. */
export function unpackMask(hex: string, size: readonly number[]): Uint8Array {
  const bytes = hex.match(/../g)!.map((byte) => Number.parseInt(byte, 16));
  return Uint8Array.from({ length: size[0] * size[1] * size[2] }, (_, i) => (bytes[i >> 3] >> (i & 7)) & 1);
}

export function asSize(size: readonly number[]): Vec3 {
  return [size[0], size[1], size[2]];
}

/** A mask of the voxels where `inside` holds. */
export function drawMask(size: Vec3, inside: (x: number, y: number, z: number) => boolean): Uint8Array {
  const mask = new Uint8Array(size[0] * size[1] * size[2]);
  for (let z = 0, at = 0; z < size[2]; ++z) {
    for (let y = 0; y < size[1]; ++y) for (let x = 0; x < size[0]; ++x) mask[at++] = inside(x, y, z) ? 1 : 0;
  }
  return mask;
}
