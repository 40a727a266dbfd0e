import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { objectMesh } from "../../../src/mesh/object_mesh.js";
import { signedVolume } from "../../../src/mesh/smooth.js";
import { surfaceArea } from "../../../src/mesh/surface_area.js";
import type { TriangleMesh } from "../../../src/mesh/types.js";
import type { Vec3 } from "../../../src/volume/types.js";
import { ball, count, mask, pieces } from "./masks.js";

const CUBE: Vec3 = [1, 1, 1];

/** How many triangles are at each undirected edge, and whether each direction comes once. */
function edges({ positions, indices }: TriangleMesh) {
  const directed = new Map<number, number>();
  const vertices = positions.length / 3;
  for (let i = 0; i < indices.length; i += 3)
    for (let corner = 0; corner < 3; ++corner) {
      const key = indices[i + corner] * vertices + indices[i + ((corner + 1) % 3)];
      directed.set(key, (directed.get(key) ?? 0) + 1);
    }
  let closed = true;
  for (const [key, times] of directed) {
    const back = (key % vertices) * vertices + Math.floor(key / vertices);
    if (times !== 1 || directed.get(back) !== 1) closed = false;
  }
  return { closed, count: directed.size / 2 };
}

function euler(mesh: TriangleMesh): number {
  return mesh.positions.length / 3 - edges(mesh).count + mesh.indices.length / 3;
}

function bounds({ positions }: TriangleMesh): [Vec3, Vec3] {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  positions.forEach((value, i) => {
    low[i % 3] = Math.min(low[i % 3], value);
    high[i % 3] = Math.max(high[i % 3], value);
  });
  return [low as unknown as Vec3, high as unknown as Vec3];
}

function meshArea({ positions: p, indices }: TriangleMesh, size: Vec3): number {
  let area = 0;
  for (let i = 0; i < indices.length; i += 3) {
    const [a, b, c] = [0, 1, 2].map((k) =>
      [0, 1, 2].map((axis) => p[3 * indices[i + k] + axis] * size[axis]),
    );
    const u = b.map((value, axis) => value - a[axis]);
    const v = c.map((value, axis) => value - a[axis]);
    area += Math.hypot(u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]) / 2;
  }
  return area;
}

describe("mesh of an object", () => {
  it("is closed and faces outwards for any mask, smoothed or not", () => {
    const size: Vec3 = [5, 4, 4];
    const voxels = fc.array(fc.boolean(), { minLength: 80, maxLength: 80 });
    fc.assert(
      fc.property(voxels, fc.boolean(), (on, smoothed) => {
        const shape = mask(size, (x, y, z) => on[x + 5 * (y + 4 * z)]);
        const mesh = objectMesh(pieces(shape), { voxelSize: [4, 4, 30], smoothing: smoothed ? 5 : 0 });
        expect(edges(mesh).closed).toBe(true);
        expect(mesh.positions.every(Number.isFinite)).toBe(true);
        if (count(shape) > 0) expect(signedVolume(mesh)).toBeGreaterThan(0);
      }),
      { numRuns: 300, seed: 4 },
    );
  });

  it.each([3, 6, 12])("has the volume of a ball of radius %i, within its rounding", (radius) => {
    const shape = ball(radius);
    for (const smoothing of [0, 12, 40]) {
      const volume = signedVolume(objectMesh(pieces(shape), { voxelSize: CUBE, smoothing }));
      // The surface cuts the corners of the outermost voxels.
      expect(Math.abs(volume / count(shape) - 1)).toBeLessThan(radius === 3 ? 0.06 : 0.03);
    }
  });

  it("lies where the voxels are: voxel i covers i to i + 1", () => {
    const at: Vec3 = [1000, 37, 5];
    const plain = objectMesh(
      pieces(
        mask([4, 3, 2], () => true),
        at,
      ),
      { voxelSize: CUBE, smoothing: 0 },
    );
    expect(bounds(plain)).toEqual([
      [1000, 37, 5],
      [1004, 40, 7],
    ]);
    const smoothed = objectMesh(pieces(ball(10), [50, 60, 70]), { voxelSize: CUBE });
    bounds(smoothed).forEach((corner, side) => {
      corner.forEach((value, axis) => {
        expect(Math.abs(value - [50, 60, 70][axis] - 20 * side)).toBeLessThan(0.35);
      });
    });
  });

  it("has one handle for a torus and none for a ball, and a hollow's surface too", () => {
    const torus = mask(
      [30, 30, 12],
      (x, y, z) => (Math.hypot(x - 14.5, y - 14.5) - 9) ** 2 + (z - 5.5) ** 2 <= 16,
    );
    expect(euler(objectMesh(pieces(torus), { voxelSize: CUBE }))).toBe(0);
    expect(euler(objectMesh(pieces(ball(8)), { voxelSize: CUBE }))).toBe(2);
    const hollow = mask([16, 16, 16], (x, y, z) => {
      const distance = Math.hypot(x - 7.5, y - 7.5, z - 7.5);
      return distance <= 7 && distance > 3;
    });
    const mesh = objectMesh(pieces(hollow), { voxelSize: CUBE });
    expect(euler(mesh)).toBe(4);
    expect(Math.abs(signedVolume(mesh) / count(hollow) - 1)).toBeLessThan(0.05);
  });

  it("is smoother after smoothing: the area of a ball comes near the true one, whatever the voxels", () => {
    for (const voxelSize of [CUBE, [5, 5, 5], [5, 5, 20]] as Vec3[]) {
      const radius = 14 * voxelSize[0];
      const shape = ball(radius, voxelSize);
      const plain = meshArea(objectMesh(pieces(shape), { voxelSize, smoothing: 0 }), voxelSize);
      const smoothed = meshArea(objectMesh(pieces(shape), { voxelSize }), voxelSize);
      const truth = 4 * Math.PI * radius ** 2;
      expect(plain).toBeCloseTo(surfaceArea(pieces(shape), voxelSize), -1);
      expect(plain / truth).toBeGreaterThan(1.05);
      expect(Math.abs(smoothed / truth - 1)).toBeLessThan(voxelSize[2] === 20 ? 0.04 : 0.02);
    }
  });

  it("is the same in one chunk and in many", () => {
    const shape = mask([40, 20, 20], (x, y, z) => Math.hypot(y - 9.5 - 4 * Math.sin(x / 6), z - 9.5) <= 4);
    const whole = objectMesh(pieces(shape, [100, 200, 300]), { voxelSize: [5, 5, 10] });
    for (const chunk of [
      [7, 20, 20],
      [16, 8, 4],
      [40, 20, 1],
    ] as Vec3[]) {
      const parts = pieces(shape, [100, 200, 300], chunk);
      for (const order of [parts, parts.toReversed()])
        expect(objectMesh(order, { voxelSize: [5, 5, 10] })).toEqual(whole);
    }
  });

  it("meshes a coarser mask of an object with too many triangles, and says so", () => {
    const shape = ball(20);
    const options = { voxelSize: CUBE, mostTriangles: 5000 };
    const mesh = objectMesh(pieces(shape, [3, 5, 8]), options);
    expect(mesh.step).toEqual([2, 2, 2]);
    expect(mesh.indices.length / 3).toBeLessThanOrEqual(5000);
    expect(edges(mesh).closed).toBe(true);
    expect(Math.abs(signedVolume(mesh) / count(shape) - 1)).toBeLessThan(0.03);
    bounds(mesh).forEach((corner, side) => {
      corner.forEach((value, axis) => {
        expect(Math.abs(value - [3, 5, 8][axis] - 40 * side)).toBeLessThan(1.2);
      });
    });
    // Short axes first.
    const flat = ball(100, [5, 5, 50]);
    const anisotropic = objectMesh(pieces(flat), { voxelSize: [5, 5, 50], mostTriangles: 2000 });
    expect(anisotropic.step[2]).toBe(1);
    expect(anisotropic.step[0]).toBeGreaterThan(1);
  });

  it("keeps something of what is too thin to be sampled coarsely", () => {
    const line = mask([3000, 1, 1], () => true);
    const mesh = objectMesh(pieces(line), { voxelSize: CUBE, mostTriangles: 100 });
    expect(mesh.indices.length).toBeGreaterThan(0);
    expect(edges(mesh).closed).toBe(true);
  });

  it("has stated values for the smallest objects", () => {
    const one = objectMesh(pieces(mask([1, 1, 1], () => true)), { voxelSize: [5, 5, 50] });
    expect(one.positions.length / 3).toBe(6);
    expect(one.indices.length / 3).toBe(8);
    expect(signedVolume(one)).toBeCloseTo(1 / 6, 3);
    const none = objectMesh([], { voxelSize: CUBE });
    expect([none.positions.length, none.indices.length]).toEqual([0, 0]);
  });

  it("stops when it is told to", () => {
    const options = { voxelSize: CUBE, signal: AbortSignal.abort() };
    expect(() => objectMesh(pieces(ball(3)), options)).toThrow(/abort/i);
  });
});
