import type { Vec3 } from "../volume/types.js";
import type { PlacedRuns } from "./types.js";
import { BoxTooLargeError } from "./voxel_box.js";

/** One object in the smallest box around it. */
export interface ObjectMask {
  /** First voxel of the box in the volume. */
  readonly lower: Vec3;
  readonly size: Vec3;
  /** 1 in the object, 0 elsewhere; x fastest. */
  readonly mask: Uint8Array;
}

/**
 * Puts an object together from its parts in chunks; their order does not matter.
 * @returns a box of size 0 when the object has no voxel.
 * @throws BoxTooLargeError when the box has more voxels than `limit`.
 */
export function objectMask(pieces: readonly PlacedRuns[], operation: string, limit: number): ObjectMask {
  const wanted = pieces.map(wantedLabels);
  const lower: [number, number, number] = [Infinity, Infinity, Infinity];
  const upper: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  pieces.forEach((piece, i) => {
    visit(piece, wanted[i], (x, end, y, z) => {
      lower[0] = Math.min(lower[0], x);
      upper[0] = Math.max(upper[0], end);
      lower[1] = Math.min(lower[1], y);
      upper[1] = Math.max(upper[1], y + 1);
      lower[2] = Math.min(lower[2], z);
      upper[2] = Math.max(upper[2], z + 1);
    });
  });
  if (lower[0] === Infinity) return { lower: [0, 0, 0], size: [0, 0, 0], mask: new Uint8Array(0) };
  const size: Vec3 = [upper[0] - lower[0], upper[1] - lower[1], upper[2] - lower[2]];
  if (size[0] * size[1] * size[2] > limit) throw new BoxTooLargeError(operation, size, limit);
  const mask = new Uint8Array(size[0] * size[1] * size[2]);
  pieces.forEach((piece, i) => {
    visit(piece, wanted[i], (x, end, y, z) => {
      const row = size[0] * (y - lower[1] + size[1] * (z - lower[2])) - lower[0];
      mask.fill(1, row + x, row + end);
    });
  });
  return { lower, size, mask };
}

function wantedLabels({ runs, labels }: PlacedRuns): Uint8Array {
  const wanted = new Uint8Array(runs.count + 1);
  for (const label of labels) if (label > 0) wanted[label] = 1;
  return wanted;
}

/** Calls back for the object's runs in voxels of the volume. */
function visit(
  { lower, runs }: PlacedRuns,
  wanted: Uint8Array,
  call: (x: number, end: number, y: number, z: number) => void,
): void {
  const { size, rows, starts, ends, labels } = runs;
  for (let z = 0, row = 0; z < size[2]; ++z) {
    for (let y = 0; y < size[1]; ++y, ++row) {
      for (let run = rows[row]; run < rows[row + 1]; ++run) {
        if (wanted[labels[run]] === 1)
          call(lower[0] + starts[run], lower[0] + ends[run], lower[1] + y, lower[2] + z);
      }
    }
  }
}
