import type { PlacedRuns } from "../segmentation/types.js";
import type { Vec3 } from "../volume/types.js";
import { caseAreas } from "./cube_cases.js";
import { ObjectSlices, objectBounds } from "./object_slices.js";

/**
 * Calls `visit` for every cube of eight neighbouring samples that the surface passes through.
 * @param visit x, y, z of the cube's first sample, counted from the frame's, and which corners are inside (see cube_cases.ts).
 */
export function forEachCube(
  slices: ObjectSlices,
  visit: (x: number, y: number, z: number, inside: number) => void,
  signal?: AbortSignal,
): void {
  const [width, height, depth] = slices.size;
  let low = new Uint8Array(width * height);
  let high = new Uint8Array(width * height);
  // The first slice is the frame: empty.
  for (let z = 0; z + 1 < depth; ++z) {
    signal?.throwIfAborted();
    slices.read(z + 1, high);
    for (let y = 0; y + 1 < height; ++y) {
      let at = y * width;
      let inside = 0;
      for (let x = 0; x + 1 < width; ++x, ++at) {
        // Corners at 1 along x; those at 0 were the cube's before.
        const next =
          (low[at + 1] << 1) | (low[at + width + 1] << 3) | (high[at + 1] << 5) | (high[at + width + 1] << 7);
        inside = ((inside >> 1) & 0x55) | next;
        if (inside !== 0 && inside !== 255) visit(x, y, z, inside);
      }
    }
    [low, high] = [high, low];
  }
}

/** How many cubes of each case the surface passes through. */
export function countCases(slices: ObjectSlices, signal?: AbortSignal): Float64Array {
  const counts = new Float64Array(256);
  forEachCube(
    slices,
    (_x, _y, _z, inside) => {
      ++counts[inside];
    },
    signal,
  );
  return counts;
}

/**
 * Area of the surface of an object: that of marching cubes at level 0.5 through its mask with background around it, as
 * `skimage.measure.mesh_surface_area` of `marching_cubes(mask, 0.5, spacing=voxelSize)`. 0 without a voxel; one voxel is the octahedron
 * through the middles of the edges to its neighbours (sqrt(3) for edges of 1).
 *
 * Equal to scikit-image in 198 of the 254 cases of a cube, all that smooth surfaces have; in the other 56 (corners inside that touch
 * over an edge or a corner only) Lewiner's method, which scikit-image uses, may take a tunnel through the cube or cut a loop of
 * seven otherwise. Tolerances: test/unit/mesh/surface_area.spec.ts.
 *
 * @param voxelSize nm, x y z. @returns nm².
 */
export function surfaceArea(pieces: readonly PlacedRuns[], voxelSize: Vec3, signal?: AbortSignal): number {
  const counts = countCases(new ObjectSlices(pieces, objectBounds(pieces)), signal);
  const areas = caseAreas(voxelSize);
  return counts.reduce((sum, count, inside) => sum + count * areas[inside], 0);
}
