import type { TriangleMesh } from "../../../src/mesh/types.js";

/** Reads a PLY file of triangles with 32-bit floats, as the format's description says: by what the header declares. */
export function readPly(bytes: Uint8Array): TriangleMesh & { comments: string[] } {
  const end = Buffer.from(bytes).indexOf("end_header\n") + "end_header\n".length;
  const lines = Buffer.from(bytes.subarray(0, end)).toString("latin1").trimEnd().split("\n");
  if (lines[0] !== "ply" || lines[1] !== "format binary_little_endian 1.0") throw new Error("no PLY");
  const count = (element: string) =>
    Number(lines.find((line) => line.startsWith(`element ${element} `))?.split(" ")[2]);
  if (!lines.includes("property list uchar uint vertex_indices")) throw new Error("other properties");
  const view = new DataView(bytes.buffer, bytes.byteOffset + end, bytes.length - end);
  const positions = new Float32Array(3 * count("vertex"));
  const indices = new Uint32Array(3 * count("face"));
  for (let i = 0; i < positions.length; ++i) positions[i] = view.getFloat32(4 * i, true);
  let at = 4 * positions.length;
  for (let i = 0; i < indices.length; ++i) {
    if (i % 3 === 0 && view.getUint8(at++) !== 3) throw new Error("not a triangle");
    indices[i] = view.getUint32(at, true);
    at += 4;
  }
  if (at !== view.byteLength) throw new Error(`${view.byteLength - at} bytes too many`);
  const comments = lines.filter((line) => line.startsWith("comment ")).map((line) => line.slice(8));
  return { positions, indices, comments };
}

/** Reads an object from a precomputed mesh folder: manifest, then its fragments. */
export function readPrecomputed(id: string, file: (name: string) => Uint8Array): TriangleMesh {
  const { fragments } = JSON.parse(new TextDecoder().decode(file(`${id}:0`))) as { fragments: string[] };
  if (fragments.length !== 1) throw new Error("one fragment an object is what is written");
  const bytes = file(fragments[0]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const vertices = view.getUint32(0, true);
  const positions = Float32Array.from({ length: 3 * vertices }, (_, i) => view.getFloat32(4 + 4 * i, true));
  const after = 4 + 12 * vertices;
  const indices = Uint32Array.from({ length: (bytes.length - after) / 4 }, (_, i) =>
    view.getUint32(after + 4 * i, true),
  );
  return { positions, indices };
}
