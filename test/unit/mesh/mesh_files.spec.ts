import { describe, expect, it } from "vitest";
import { plyFile, precomputedMesh, precomputedMeshInfo, toNanometres } from "../../../src/mesh/mesh_files.js";
import { objectMesh } from "../../../src/mesh/object_mesh.js";
import { ball, pieces } from "./masks.js";
import { readPly, readPrecomputed } from "./read_meshes.js";

const mesh = toNanometres(objectMesh(pieces(ball(4), [100, 20, 3]), { voxelSize: [5, 5, 50] }), [5, 5, 50]);

describe("mesh files", () => {
  it("are in nm", () => {
    const [x, y, z] = mesh.positions;
    expect(x).toBeGreaterThanOrEqual(500 - 3);
    expect(x).toBeLessThanOrEqual(540 + 3);
    expect(y).toBeLessThanOrEqual(140 + 3);
    expect(z).toBeGreaterThanOrEqual(150 - 25);
  });

  it("are read back from PLY as they were", () => {
    const { positions, indices, comments } = readPly(plyFile(mesh, ["object 7, nm", "a\nbreak – no"]));
    expect(positions).toEqual(mesh.positions);
    expect(indices).toEqual(mesh.indices);
    expect(comments).toEqual(["object 7, nm", "a?break ? no"]);
  });

  it("are read back from the precomputed format as they were", () => {
    const id = "9007199254740991";
    const files = new Map(precomputedMesh(id, mesh));
    expect([...files.keys()]).toEqual([`${id}.mesh`, `${id}:0`]);
    expect(readPrecomputed(id, (name) => files.get(name)!)).toEqual(mesh);
    expect(JSON.parse(new TextDecoder().decode(precomputedMeshInfo()))).toEqual({
      "@type": "neuroglancer_legacy_mesh",
    });
  });

  it("hold an empty mesh", () => {
    const empty = { positions: new Float32Array(0), indices: new Uint32Array(0) };
    expect(readPly(plyFile(empty)).positions.length).toBe(0);
  });
});
