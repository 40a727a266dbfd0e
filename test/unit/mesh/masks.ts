import type { LabelRuns, PlacedRuns } from "../../../src/segmentation/types.js";
import type { Vec3 } from "../../../src/volume/types.js";

export interface Mask {
  readonly size: Vec3;
  /** 1 inside, x fastest. */
  readonly voxels: Uint8Array;
}

export function mask(size: Vec3, inside: (x: number, y: number, z: number) => boolean): Mask {
  const voxels = new Uint8Array(size[0] * size[1] * size[2]);
  let at = 0;
  for (let z = 0; z < size[2]; ++z)
    for (let y = 0; y < size[1]; ++y)
      for (let x = 0; x < size[0]; ++x) voxels[at++] = inside(x, y, z) ? 1 : 0;
  return { size, voxels };
}

/** A ball in a box that just holds it: centre in its middle. */
export function ball(radius: number, voxelSize: Vec3 = [1, 1, 1]): Mask {
  const half = voxelSize.map((v) => Math.ceil(radius / v));
  const distance = (at: number, axis: number) => (at + 0.5 - half[axis]) * voxelSize[axis];
  return mask(
    half.map((h) => 2 * h) as unknown as Vec3,
    (x, y, z) => distance(x, 0) ** 2 + distance(y, 1) ** 2 + distance(z, 2) ** 2 <= radius ** 2,
  );
}

export const count = ({ voxels }: Mask) => voxels.reduce((sum, value) => sum + value, 0);

/** Runs of a part of a mask, all of one label. */
function runsOf({ size, voxels }: Mask, lower: Vec3, upper: Vec3, label: number): LabelRuns {
  const rows = [0];
  const [starts, ends]: [number[], number[]] = [[], []];
  for (let z = lower[2]; z < upper[2]; ++z) {
    for (let y = lower[1]; y < upper[1]; ++y) {
      const row = size[0] * (y + size[1] * z);
      for (let x = lower[0]; x < upper[0]; ++x) {
        if (voxels[row + x] === 0) continue;
        const begin = x;
        while (x < upper[0] && voxels[row + x] === 1) ++x;
        starts.push(begin - lower[0]);
        ends.push(x - lower[0]);
      }
      rows.push(starts.length);
    }
  }
  return {
    size: [upper[0] - lower[0], upper[1] - lower[1], upper[2] - lower[2]],
    count: label,
    rows: Uint32Array.from(rows),
    starts: Uint16Array.from(starts),
    ends: Uint16Array.from(ends),
    labels: new Uint32Array(starts.length).fill(label),
  };
}

/** A mask placed at `at` in a volume, cut into chunks of at most `chunk` voxels. */
export function pieces(m: Mask, at: Vec3 = [0, 0, 0], chunk: Vec3 = m.size): PlacedRuns[] {
  const result: PlacedRuns[] = [];
  for (let z = 0; z < m.size[2]; z += chunk[2])
    for (let y = 0; y < m.size[1]; y += chunk[1])
      for (let x = 0; x < m.size[0]; x += chunk[0]) {
        const lower: Vec3 = [x, y, z];
        const upper = lower.map((l, i) => Math.min(l + chunk[i], m.size[i])) as unknown as Vec3;
        const label = 1 + (result.length % 3);
        result.push({
          lower: lower.map((l, i) => l + at[i]) as unknown as Vec3,
          runs: runsOf(m, lower, upper, label),
          labels: [label],
        });
      }
  return result;
}
