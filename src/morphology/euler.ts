import { boxVoxels } from "../segmentation/voxel_box.js";
import type { Vec3 } from "../volume/types.js";

/**
 * Contribution of each arrangement of the 2^d voxels around a vertex to the Euler number, times 2^d. Bit b of an arrangement
 * is the voxel at offset (b & 1, b >> 1 & 1, b >> 2 & 1); the table is the same for any order of the axes.
 *
 * Derived from the definition (Kong & Rosenfeld 1989, "Digital topology: introduction and survey",
 * doi:10.1016/0734-189X(89)90147-3; summing over neighbourhoods: Toriwaki & Yonekura 2002). Fixing the side of some axes, `fixed` of
 * them, picks 2^(d - fixed) of the voxels:
 * - touching (8 / 26): foreground is the union of closed voxels. These voxels share a cell of dimension `fixed` that is in the
 *   union when any of them is foreground; 2^(d - fixed) of 2^d parts of it are here, and chi is the sum of (-1)^dimension.
 * - not touching (4 / 6): voxel centres are vertices, pairs edges, squares faces, blocks cells. They span a cell of dimension d - fixed when
 *   all of them are foreground, shared by 2^fixed neighbourhoods.
 */
export function eulerTable(dimensions: 2 | 3, touching: boolean): Int8Array {
  const voxels = 1 << dimensions;
  const table = new Int8Array(1 << voxels);
  for (let fixed = 0; fixed < voxels; ++fixed) {
    const count = bits(fixed);
    const dimension = touching ? count : dimensions - count;
    const weight = (dimension % 2 === 0 ? 1 : -1) * 2 ** (dimensions - count);
    for (let side = 0; side < voxels; ++side) {
      if ((side & ~fixed) !== 0) continue;
      let cell = 0;
      for (let voxel = 0; voxel < voxels; ++voxel) if ((voxel & fixed) === side) cell |= 1 << voxel;
      for (let at = 0; at < table.length; ++at) {
        if (touching ? (at & cell) !== 0 : (at & cell) === cell) table[at] += weight;
      }
    }
  }
  return table;
}

function bits(value: number): number {
  let count = 0;
  for (let rest = value; rest !== 0; rest &= rest - 1) ++count;
  return count;
}

const tables = new Map<number, Int8Array>();

function tableOf(connectivity: 4 | 8 | 6 | 26): Int8Array {
  let table = tables.get(connectivity);
  if (table === undefined) {
    table = eulerTable(
      connectivity === 4 || connectivity === 8 ? 2 : 3,
      connectivity === 8 || connectivity === 26,
    );
    tables.set(connectivity, table);
  }
  return table;
}

/**
 * Euler number of a 3-D object: components + cavities - tunnels, as skimage.measure.euler_number (connectivity 1 = 6, 3 = 26).
 * A voxel gives 1, no foreground 0; what is outside of the box is background.
 * @param mask foreground where not zero, x fastest.
 * @throws RangeError when the mask does not fit the size, or for another connectivity.
 */
export function eulerNumber3d(mask: Uint8Array, size: Vec3, connectivity: 6 | 26 = 26): number {
  boxVoxels(size, mask);
  if (connectivity !== 6 && connectivity !== 26)
    throw new RangeError(`the Euler number in 3-D is for connectivity 6 or 26, not ${connectivity}`);
  const [width, height, depth] = size;
  const table = tableOf(connectivity);
  const empty = new Uint8Array(width);
  let sum = 0;
  // Around each vertex: the rows y - 1 and y of the slices z - 1 and z, of which those outside are empty.
  for (let z = 0; z <= depth; ++z) {
    for (let y = 0; y <= height; ++y) {
      const a = z > 0 && y > 0 ? mask : empty;
      const b = z > 0 && y < height ? mask : empty;
      const c = z < depth && y > 0 ? mask : empty;
      const d = z < depth && y < height ? mask : empty;
      const atB = b === mask ? width * (y + height * (z - 1)) : 0;
      const atA = a === mask ? width * (y - 1 + height * (z - 1)) : 0;
      const atC = c === mask ? width * (y - 1 + height * z) : 0;
      const atD = d === mask ? width * (y + height * z) : 0;
      let at = 0;
      for (let x = 0; x < width; ++x) {
        at >>= 4;
        if (a[atA + x] !== 0) at |= 16;
        if (b[atB + x] !== 0) at |= 32;
        if (c[atC + x] !== 0) at |= 64;
        if (d[atD + x] !== 0) at |= 128;
        sum += table[at];
      }
      sum += table[at >> 4];
    }
  }
  return sum / 8;
}

/**
 * Euler number of a 2-D region: components - holes, as skimage.measure.euler_number (connectivity 1 = 4, 2 = 8). A pixel
 * gives 1, no foreground 0.
 * @param mask foreground where not zero, `size` is width x height.
 * @throws RangeError when the mask does not fit the size, or for another connectivity.
 */
export function eulerNumber2d(
  mask: Uint8Array,
  size: readonly [width: number, height: number],
  connectivity: 4 | 8 = 8,
): number {
  const [width, height] = size;
  boxVoxels([width, height, 1], mask);
  if (connectivity !== 4 && connectivity !== 8)
    throw new RangeError(`the Euler number in 2-D is for connectivity 4 or 8, not ${connectivity}`);
  const table = tableOf(connectivity);
  const empty = new Uint8Array(width);
  let sum = 0;
  for (let y = 0; y <= height; ++y) {
    const a = y > 0 ? mask : empty;
    const b = y < height ? mask : empty;
    const atA = a === mask ? width * (y - 1) : 0;
    const atB = b === mask ? width * y : 0;
    let at = 0;
    for (let x = 0; x < width; ++x) {
      at >>= 2;
      if (a[atA + x] !== 0) at |= 4;
      if (b[atB + x] !== 0) at |= 8;
      sum += table[at];
    }
    sum += table[at >> 2];
  }
  return sum / 4;
}
