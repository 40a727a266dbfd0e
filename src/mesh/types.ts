import type { Vec3 } from "../volume/types.js";

/** A closed surface: every edge belongs to two triangles, which are counter-clockwise as seen from outside. */
export interface TriangleMesh {
  /** x, y, z of each vertex. */
  readonly positions: Float32Array<ArrayBuffer>;
  /** Three vertices a triangle. */
  readonly indices: Uint32Array<ArrayBuffer>;
}

/** The surface of an object, in voxels of its scale counted from voxel 0 of the volume: voxel i covers i to i + 1. */
export interface ObjectMesh extends TriangleMesh {
  /** Voxels along x, y, z that a sample of the mask stood for: 1, 1, 1 unless the object was too large to be meshed voxel by voxel. */
  readonly step: Vec3;
}

export interface MeshOptions {
  /** nm, x y z: what is smoothed is the shape in space, not the one in voxels. */
  readonly voxelSize: Vec3;
  /** Passes of smoothing, 0 for none. Default DEFAULT_SMOOTHING. */
  readonly smoothing?: number;
  /** More triangles than this are not made: the mask is sampled coarsely instead. Default MOST_TRIANGLES. */
  readonly mostTriangles?: number;
  readonly signal?: AbortSignal;
}
