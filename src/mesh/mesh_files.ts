import type { Vec3 } from "../volume/types.js";
import type { TriangleMesh } from "./types.js";

/** Bytes of a file, made for one use. */
type Bytes = Uint8Array<ArrayBuffer>;

/** A mesh whose positions are in voxels of a scale, in nm. */
export function toNanometres({ positions, indices }: TriangleMesh, voxelSize: Vec3): TriangleMesh {
  const scaled = new Float32Array(positions.length);
  for (let i = 0; i < scaled.length; ++i) scaled[i] = positions[i] * voxelSize[i % 3];
  return { positions: scaled, indices };
}

/**
 * A mesh as a binary PLY file (little endian; 32-bit floats and indices), the format of Turk 1994 that Blender, MeshLab and trimesh read.
 * @param comments one line each, without line breaks.
 */
export function plyFile(mesh: TriangleMesh, comments: readonly string[] = []): Bytes {
  const { positions, indices } = mesh;
  const triangles = indices.length / 3;
  const header = new TextEncoder().encode(
    [
      "ply",
      "format binary_little_endian 1.0",
      ...comments.map((comment) => `comment ${comment.replace(/[^\x20-\x7e]/g, "?")}`),
      `element vertex ${positions.length / 3}`,
      "property float x",
      "property float y",
      "property float z",
      `element face ${triangles}`,
      "property list uchar uint vertex_indices",
      "end_header",
      "",
    ].join("\n"),
  );
  const bytes = new Uint8Array(header.length + 4 * positions.length + 13 * triangles);
  const view = new DataView(bytes.buffer);
  bytes.set(header);
  let at = header.length;
  for (const value of positions) {
    view.setFloat32(at, value, true);
    at += 4;
  }
  for (let i = 0; i < indices.length; ++i) {
    if (i % 3 === 0) view.setUint8(at++, 3);
    view.setUint32(at, indices[i], true);
    at += 4;
  }
  return bytes;
}

/**
 * Files of one object in a Neuroglancer precomputed mesh folder of the single-resolution ("legacy") kind, as [name, bytes]: the
 * fragment first, so that the manifest never names what is not there.
 * Format: neuroglancer/src/datasource/precomputed/meshes.md, "Legacy single-resolution mesh format".
 *
 * @param id segment id as a decimal number. @param mesh positions in nm.
 */
export function precomputedMesh(id: string, mesh: TriangleMesh): [name: string, bytes: Bytes][] {
  const { positions, indices } = mesh;
  const fragment = new Uint8Array(4 + 4 * positions.length + 4 * indices.length);
  const view = new DataView(fragment.buffer);
  view.setUint32(0, positions.length / 3, true);
  positions.forEach((value, i) => {
    view.setFloat32(4 + 4 * i, value, true);
  });
  const after = 4 + 4 * positions.length;
  indices.forEach((value, i) => {
    view.setUint32(after + 4 * i, value, true);
  });
  const manifest = new TextEncoder().encode(JSON.stringify({ fragments: [`${id}.mesh`] }));
  return [
    [`${id}.mesh`, fragment],
    // The 0 is the level of detail, of which this kind has one.
    [`${id}:0`, manifest],
  ];
}

/** The `info` of such a folder, written when all meshes are there. */
export function precomputedMeshInfo(): Bytes {
  return new TextEncoder().encode(`${JSON.stringify({ "@type": "neuroglancer_legacy_mesh" })}\n`);
}
