import type { PlacedRuns } from "../segmentation/types.js";
import type { Box, Vec3 } from "../volume/types.js";
import { EDGES, FIRST_EDGE, firstCorner, TRIANGLE_EDGES } from "./cube_cases.js";
import { ObjectSlices, objectBounds } from "./object_slices.js";
import { smooth } from "./smooth.js";
import { countCases, forEachCube } from "./surface_area.js";
import type { MeshOptions, ObjectMesh, TriangleMesh } from "./types.js";

/** About 7 MB of mesh: as much as a viewer turns smoothly with a few of them, ten times what a mitochondrion of 5 nm voxels needs. */
export const MOST_TRIANGLES = 400_000;
export const DEFAULT_SMOOTHING = 12;

/** Samples of a slice: a mesher's slices and vertex numbers take 22 bytes each. */
const MOST_SLICE_SAMPLES = 2 ** 22;

/**
 * The closed surface of a whole object, smoothed; also where the volume ends. The pieces' order and the chunks that they come in make
 * no difference. An object of too many triangles, or too wide, is meshed from a mask sampled at every 2nd, 4th... voxel of the axes with
 * the smallest voxels first: `step` says so. Without a voxel the mesh is empty.
 *
 * @param pieces All pieces of one object; chunks do not overlap.
 * @throws AbortError.
 */
export function objectMesh(pieces: readonly PlacedRuns[], options: MeshOptions): ObjectMesh {
  const { voxelSize, smoothing = DEFAULT_SMOOTHING, mostTriangles = MOST_TRIANGLES, signal } = options;
  const bounds = objectBounds(pieces);
  if (bounds.lower[0] === bounds.upper[0])
    return { positions: new Float32Array(0), indices: new Uint32Array(0), step: [1, 1, 1] };
  const { slices, triangles } = chooseStep(pieces, bounds, voxelSize, mostTriangles, signal);
  const { step, lower } = slices;
  const mesh = marchingCubes(slices, triangles, signal);
  const sampleSize: Vec3 = [voxelSize[0] * step[0], voxelSize[1] * step[1], voxelSize[2] * step[2]];
  if (smoothing > 0) smooth(mesh, sampleSize, smoothing, signal);
  // A sample's middle is at 0.5; smoothing is done first, since 32 bits are exact to less voxels far from the origin.
  const { positions } = mesh;
  for (let i = 0; i < positions.length; ++i) {
    const axis = i % 3;
    positions[i] = (positions[i] + lower[axis] + 0.5) * step[axis];
  }
  return { ...mesh, step };
}

/** Samples the mask as finely as the limits allow, but not so coarsely that nothing is left. */
function chooseStep(
  pieces: readonly PlacedRuns[],
  bounds: Box,
  voxelSize: Vec3,
  mostTriangles: number,
  signal: AbortSignal | undefined,
): { slices: ObjectSlices; triangles: number } {
  let step: Vec3 = [1, 1, 1];
  let best: { slices: ObjectSlices; triangles: number } | undefined;
  for (;;) {
    const slices = new ObjectSlices(pieces, bounds, step);
    const samples = slices.size[0] * slices.size[1];
    let triangles = Number.POSITIVE_INFINITY;
    if (samples <= MOST_SLICE_SAMPLES) {
      triangles = countTriangles(slices, signal);
      if (triangles === 0 && best !== undefined) return best;
      best = { slices, triangles };
      if (triangles <= mostTriangles) return best;
    }
    step = coarser(step, voxelSize, samples > MOST_SLICE_SAMPLES ? [0, 1] : [0, 1, 2]);
  }
}

/** Twice the step along those of `axes` whose samples are the smallest. */
function coarser(step: Vec3, voxelSize: Vec3, axes: readonly number[]): Vec3 {
  const size = (axis: number) => step[axis] * voxelSize[axis];
  // Nearly cubic samples stay so: 5 and 5.1 nm are halved together.
  const smallest = Math.min(...axes.map(size)) * Math.SQRT2;
  const next = (axis: 0 | 1 | 2) =>
    axes.includes(axis) && size(axis) < smallest ? step[axis] * 2 : step[axis];
  return [next(0), next(1), next(2)];
}

function countTriangles(slices: ObjectSlices, signal: AbortSignal | undefined): number {
  return countCases(slices, signal).reduce(
    (sum, count, inside) => sum + (count * (FIRST_EDGE[inside + 1] - FIRST_EDGE[inside])) / 3,
    0,
  );
}

/** Vertices of a layer of cubes by where they are cut: edges of the slice below, across, and of the slice above. */
class LayerVertices {
  private readonly along: Int32Array[];

  constructor(samples: number) {
    this.along = Array.from({ length: 5 }, () => new Int32Array(samples).fill(-1));
  }

  /** @param axis of the edge. @param above whether it lies in the upper slice (not for axis 2). */
  of(axis: number, above: number): Int32Array {
    return this.along[axis === 2 ? 4 : axis + 2 * above];
  }

  /** The upper slice becomes the lower one. */
  next(): void {
    const [x0, y0, x1, y1, z] = this.along;
    this.along.splice(0, 5, x1, y1, x0.fill(-1), y0.fill(-1), z.fill(-1));
  }
}

/** Marching cubes through a mask; positions in samples, those of the frame's first at 0. */
function marchingCubes(
  slices: ObjectSlices,
  triangles: number,
  signal: AbortSignal | undefined,
): TriangleMesh {
  const width = slices.size[0];
  const vertices = new LayerVertices(width * slices.size[1]);
  // A closed surface has V = T / 2 + 2 (parts - handles): parts have at least 8 triangles.
  const positions = new Float32Array(3 * Math.ceil(triangles * 0.75 + 2));
  const indices = new Uint32Array(3 * triangles);
  const offsets = Uint8Array.from({ length: EDGES }, (_, edge) => firstCorner(edge));
  let vertexCount = 0;
  let filled = 0;
  let layer = 0;
  forEachCube(
    slices,
    (x, y, z, inside) => {
      for (; layer < z; ++layer) vertices.next();
      for (let i = FIRST_EDGE[inside]; i < FIRST_EDGE[inside + 1]; ++i) {
        const edge = TRIANGLE_EDGES[i];
        const corner = offsets[edge];
        const axis = edge >> 2;
        const cx = x + (corner & 1);
        const cy = y + ((corner >> 1) & 1);
        const numbers = vertices.of(axis, corner >> 2);
        const at = cx + width * cy;
        if (numbers[at] === -1) {
          positions[3 * vertexCount] = cx + (axis === 0 ? 0.5 : 0);
          positions[3 * vertexCount + 1] = cy + (axis === 1 ? 0.5 : 0);
          positions[3 * vertexCount + 2] = z + (axis === 2 ? 0.5 : corner >> 2);
          numbers[at] = vertexCount++;
        }
        indices[filled++] = numbers[at];
      }
    },
    signal,
  );
  return { positions: positions.slice(0, 3 * vertexCount), indices };
}
